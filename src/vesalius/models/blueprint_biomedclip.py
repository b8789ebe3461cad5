"""BiomedCLIP, from its configuration to its architecture."""

from collections.abc import Mapping

from vesalius.models.architecture import Architecture, Block, ForwardPass, Tower
from vesalius.models.biomedclip_network import Network, network
from vesalius.models.biomedclip_sizes import Sizes, sizes_of
from vesalius.models.flops import count_flops, n_parameters, on_meta, tensor, token_ids
from vesalius.records import Json

SHORT = 32  # tokens of an ordinary sentence; texts are padded to the longest of a batch only

LINKS = (
    ("image", "pixels"),
    ("pixels", "vision"),
    ("vision", "image-vector"),
    ("text", "tokens"),
    ("tokens", "language"),
    ("language", "text-vector"),
    ("image-vector", "score"),
    ("text-vector", "score"),
)


def architecture(config: Mapping[str, Json], /) -> Architecture:
    """Both towers of an ``open_clip_config.json``, with the projections into the shared space."""
    sizes = sizes_of(config)
    built = on_meta(lambda: network(config))
    image, text = _image_tower(built, sizes), _text_tower(built, sizes)
    return Architecture(
        adapter="biomedclip",
        fusion="dual encoder: image and text meet only in the cosine of their embeddings",
        embedding_dims={"shared": sizes.dim},
        tokenizer="WordPiece, lower case",
        preprocessing=f"shorter side to {sizes.vision.image_size} px, bicubic; centre crop",
        towers=(image, text),
        other_parameters=n_parameters([built]) - image.parameters - text.parameters,
        blocks=_blocks(sizes),
        links=LINKS,
    )


def _image_tower(built: Network, sizes: Sizes) -> Tower:
    shape = sizes.vision
    pixels = tensor(1, 3, shape.image_size, shape.image_size)
    flops = count_flops(lambda: built.visual(pixels))
    what = f"one image of {shape.image_size} × {shape.image_size} px"
    return Tower(
        name="image encoder",
        role="image",
        kind="vision transformer",
        parameters=n_parameters([built.visual]),
        passes=(ForwardPass(what, flops, shape.grid**2 + 1),),
        depth=shape.layers,
        width=shape.width,
        heads=shape.heads,
        patch=shape.patch_size,
        input_size=shape.image_size,
    )


def _text_tower(built: Network, sizes: Sizes) -> Tower:
    shape = sizes.text

    def one(length: int) -> ForwardPass:
        # without a mask, which nobody could read on the meta device; it changes no product
        def forward() -> object:
            states = built.text.transformer(input_ids=token_ids(length)).last_hidden_state
            return built.text.proj(states[:, 0])

        return ForwardPass(f"one text of {length} tokens", count_flops(forward), length)

    return Tower(
        name="text encoder",
        role="text",
        kind="BERT",
        parameters=n_parameters([built.text]),
        passes=tuple(one(n) for n in sorted({shape.context_length, SHORT}, reverse=True)),
        depth=shape.layers,
        width=shape.width,
        heads=shape.heads,
        context=shape.context_length,
        vocabulary=shape.vocab_size,
    )


def _blocks(sizes: Sizes) -> tuple[Block, ...]:
    image, text = sizes.vision, sizes.text
    hidden = (text.width + sizes.dim) // 2
    return (
        Block("image", "Image", ("grey or colour",), "input", 0, 0),
        Block("pixels", "Resize and crop", (f"{image.image_size} × {image.image_size} × 3",),
              "step", 1, 0),
        Block("vision", "Vision transformer",
              (f"{image.layers} layers × {image.width}, {image.heads} heads",
               f"{image.grid} × {image.grid} patches of {image.patch_size} px + CLS"),
              "tower", 2, 0),
        Block("image-vector", "Projection", (f"class token → {sizes.dim}", "unit length"),
              "step", 3, 0),
        Block("text", "Text", ("free text",), "input", 0, 1),
        Block("tokens", "Tokenizer", (f"≤ {text.context_length} tokens",
                                      f"vocabulary {text.vocab_size}"), "step", 1, 1),
        Block("language", "BERT",
              (f"{text.layers} layers × {text.width}, {text.heads} heads", "attention both ways"),
              "tower", 2, 1),
        Block("text-vector", "MLP projection",
              (f"first token → {hidden} → {sizes.dim}", "unit length"), "step", 3, 1),
        Block("score", "Cosine × scale", ("match score, logits",), "output", 4, 0.5),
    )  # fmt: skip
