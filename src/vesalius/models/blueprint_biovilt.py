"""BioViL-T, from its configuration and its image tensors to its architecture."""

from collections.abc import Mapping
from dataclasses import asdict

from vesalius.models.architecture import Architecture, Block, ForwardPass, Tower
from vesalius.models.biovilt import IMAGE_FILES
from vesalius.models.biovilt_image import (
    N_HEADS,
    STRIDE,
    ImageNetwork,
    ImageSizes,
    image_network,
    sizes_of,
)
from vesalius.models.biovilt_input import Framing, read_framing
from vesalius.models.biovilt_text import TextNetwork, text_network
from vesalius.models.checkpoint import Checkpoint, read_config
from vesalius.models.flops import count_flops, n_parameters, on_meta, tensor, token_ids
from vesalius.models.native import read_state
from vesalius.records import Json

SHORT = 32  # tokens of an ordinary sentence; texts are padded to the longest of a batch only
IMAGE, FRAMING = "image_model", "framing"

LINKS = (
    ("image", "pixels"),
    ("pixels", "convolutions"),
    ("prior", "prior-pixels"),
    ("prior-pixels", "convolutions"),
    ("convolutions", "temporal"),
    ("temporal", "image-vector"),
    ("text", "tokens"),
    ("tokens", "language"),
    ("language", "text-vector"),
    ("image-vector", "score"),
    ("text-vector", "score"),
)


def read(checkpoint: Checkpoint, /) -> dict[str, Json]:
    """``config.json`` of the text model, with the sizes that the image model's tensors have."""
    name = next((name for name in IMAGE_FILES if name in checkpoint.files), IMAGE_FILES[1])
    sizes = sizes_of(read_state(checkpoint, name), source=checkpoint.folder / name)
    framing = read_framing(checkpoint)
    return read_config(checkpoint) | {IMAGE: asdict(sizes), FRAMING: asdict(framing)}


def architecture(config: Mapping[str, Json], /) -> Architecture:
    """The image network with its memory of the prior image, and the text network."""
    plain = {name: value for name, value in config.items() if name not in (IMAGE, FRAMING)}
    sizes, framing = ImageSizes(**config[IMAGE]), Framing(**config[FRAMING])
    seeing = on_meta(lambda: image_network(sizes))
    reading = on_meta(lambda: text_network(plain))
    text = _text_tower(reading)
    return Architecture(
        adapter="biovil-t",
        fusion=(
            "dual encoder; the image encoder is a hybrid over time: convolutions of each image, "
            "and a transformer that compares it with the prior image"
        ),
        embedding_dims={"shared": sizes.projection},
        tokenizer="WordPiece, lower case",
        preprocessing=(
            f"grey stretched to 0–255; shorter side to {framing.resize} px, bilinear; centre crop "
            f"{framing.crop}"
        ),
        towers=(_image_tower(seeing, sizes, framing), text),
        blocks=_blocks(sizes, framing, text),
        links=LINKS,
    )


def _image_tower(seeing: ImageNetwork, sizes: ImageSizes, framing: Framing) -> Tower:
    side = framing.crop
    pixels = tensor(1, 3, side, side)
    what = f"one image of {side} × {side} px"
    n_patches = (side // STRIDE) ** 2
    return Tower(
        name="image encoder",
        role="image",
        kind=f"ResNet of {sum(sizes.stages)} bottleneck blocks, and a transformer over two images",
        parameters=n_parameters([seeing]),
        passes=(
            ForwardPass(what, count_flops(lambda: seeing(pixels))),
            ForwardPass(
                f"{what} and its prior", count_flops(lambda: seeing(pixels, pixels)), 2 * n_patches
            ),
        ),
        depth=sizes.n_blocks,
        width=sizes.pooler_width,
        heads=N_HEADS,
        patch=STRIDE,
        input_size=side,
    )


def _text_tower(reading: TextNetwork) -> Tower:
    shape = reading.bert.config

    def forward() -> object:
        # without a mask, which nobody could read on the meta device; it changes no product
        states = reading.bert(input_ids=token_ids(SHORT)).last_hidden_state
        return reading.cls_projection_head(states[:, 0])

    return Tower(
        name="text encoder",
        role="text",
        kind="BERT",
        parameters=n_parameters([reading]),
        passes=(ForwardPass(f"one text of {SHORT} tokens", count_flops(forward), SHORT),),
        depth=shape.num_hidden_layers,
        width=shape.hidden_size,
        heads=shape.num_attention_heads,
        context=shape.max_position_embeddings,
        vocabulary=shape.vocab_size,
    )


def _blocks(sizes: ImageSizes, framing: Framing, text: Tower) -> tuple[Block, ...]:
    side, grid = framing.crop, framing.crop // STRIDE
    stages = "–".join(map(str, sizes.stages))
    return (
        Block("image", "Image", ("chest radiograph",), "input", 0, 0),
        Block("pixels", "Stretch, resize, crop", (f"{side} × {side}, grey",), "step", 1, 0),
        Block("prior", "Prior image", ("optional",), "input", 0, 1),
        Block("prior-pixels", "Stretch, resize, crop", (f"{side} × {side}, grey",), "step", 1, 1),
        Block("convolutions", "ResNet, shared",
              (f"blocks {stages}, {sizes.width} channels",
               f"→ {grid} × {grid} × {sizes.pooler_width}"),
              "tower", 2, 0.5),
        Block("temporal", "Temporal transformer",
              (f"{sizes.n_blocks} layers × {sizes.pooler_width}, {N_HEADS} heads",
               "no prior: a learned constant"), "tower", 3, 0.5),
        Block("image-vector", "Projection of patches",
              (f"own + change {2 * sizes.pooler_width} → {sizes.projection}",
               "mean of patches, unit length"), "step", 4, 0.5),
        Block("text", "Text", ("radiology report",), "input", 0, 2),
        Block("tokens", "Tokenizer", (f"≤ {text.context} tokens", f"vocabulary {text.vocabulary}"),
              "step", 1, 2),
        Block("language", "CXR-BERT",
              (f"{text.depth} layers × {text.width}, {text.heads} heads", "attention both ways"),
              "tower", 2, 2),
        Block("text-vector", "MLP projection",
              (f"first token → {sizes.projection}", "unit length"), "step", 4, 2),
        Block("score", "Cosine × scale", ("match score, logits",), "output", 5, 1.25),
    )  # fmt: skip
