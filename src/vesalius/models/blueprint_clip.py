"""CLIP and other pairs of transformers, from a configuration to its architecture."""

from collections.abc import Mapping
from typing import Any

from transformers import CLIPConfig, CLIPModel

from vesalius.models.architecture import Architecture, Block, ForwardPass, Tower
from vesalius.models.flops import count_flops, from_config, n_parameters, tensor, token_ids
from vesalius.records import Json

TOKENIZER = "byte-pair encoding, lower case"


def architecture(config: Mapping[str, Json], /) -> Architecture:
    """Both towers of a CLIP configuration, with the projections into the shared space."""
    return _two_towers(config, adapter="clip")


def architecture_with_windows(config: Mapping[str, Json], /) -> Architecture:
    """The same for ClipMD, whose text encoder runs once for every window of a long text."""
    return _two_towers(config, adapter="clipmd")


def _two_towers(config: Mapping[str, Json], *, adapter: str) -> Architecture:
    model = from_config(CLIPModel, CLIPConfig.from_dict(dict(config)))
    image, text = _image_tower(model), _text_tower(model)
    dim = model.config.projection_dim
    return Architecture(
        adapter=adapter,
        fusion="dual encoder: image and text meet only in the cosine of their embeddings",
        embedding_dims={"shared": dim},
        tokenizer=TOKENIZER,
        preprocessing=f"shorter side to {image.input_size} px, bicubic; centre crop",
        towers=(image, text),
        other_parameters=n_parameters([model]) - image.parameters - text.parameters,
        blocks=dual_blocks(image, text, dim=dim, windows=adapter == "clipmd"),
        links=DUAL_LINKS,
    )


def _image_tower(model: Any) -> Tower:
    shape = model.config.vision_config
    size, patch = shape.image_size, shape.patch_size
    n_tokens = (size // patch) ** 2 + 1
    pixels = tensor(1, shape.num_channels, size, size)
    flops = count_flops(lambda: model.get_image_features(pixel_values=pixels))
    return Tower(
        name="image encoder",
        role="image",
        kind="vision transformer",
        parameters=n_parameters([model.vision_model, model.visual_projection]),
        passes=(ForwardPass(f"one image of {size} × {size} px", flops, n_tokens),),
        depth=shape.num_hidden_layers,
        width=shape.hidden_size,
        heads=shape.num_attention_heads,
        patch=patch,
        input_size=size,
    )


def _text_tower(model: Any) -> Tower:
    shape = model.config.text_config
    length = shape.max_position_embeddings
    flops = count_flops(lambda: model.get_text_features(input_ids=token_ids(length)))
    return Tower(
        name="text encoder",
        role="text",
        kind="causal transformer",
        parameters=n_parameters([model.text_model, model.text_projection]),
        passes=(ForwardPass(f"one text of {length} tokens", flops, length),),
        depth=shape.num_hidden_layers,
        width=shape.hidden_size,
        heads=shape.num_attention_heads,
        context=length,
        vocabulary=shape.vocab_size,
    )


DUAL_LINKS = (
    ("image", "pixels"),
    ("pixels", "vision"),
    ("vision", "image-vector"),
    ("text", "tokens"),
    ("tokens", "language"),
    ("language", "text-vector"),
    ("image-vector", "score"),
    ("text-vector", "score"),
)


def dual_blocks(image: Tower, text: Tower, *, dim: int, windows: bool = False) -> tuple[Block, ...]:
    """Boxes of two towers that meet in a cosine."""
    n_patches = (image.input_size or 0) // (image.patch or 1)
    longest = f"windows of {text.context}, overlap 7" if windows else f"≤ {text.context} tokens"
    return (
        Block("image", "Image", ("grey or colour",), "input", 0, 0),
        Block("pixels", "Resize and crop", (f"{image.input_size} × {image.input_size} × 3",),
              "step", 1, 0),
        Block("vision", "Vision transformer",
              (f"{image.depth} layers × {image.width}, {image.heads} heads",
               f"{n_patches} × {n_patches} patches of {image.patch} px + CLS"), "tower", 2, 0),
        Block("image-vector", "Projection", (f"class token → {dim}", "unit length"), "step", 3, 0),
        Block("text", "Text", ("free text",), "input", 0, 1),
        Block("tokens", "Tokenizer", (longest, f"vocabulary {text.vocabulary}"), "step", 1, 1),
        Block("language", "Text transformer",
              (f"{text.depth} layers × {text.width}, {text.heads} heads", "causal attention"),
              "tower", 2, 1),
        Block("text-vector", "Projection",
              (f"{'mean of windows' if windows else 'end token'} → {dim}", "unit length"),
              "step", 3, 1),
        Block("score", "Cosine × scale", ("match score, logits",), "output", 4, 0.5),
    )  # fmt: skip
