"""GIT, from its configuration to its architecture."""

from collections.abc import Mapping
from typing import Any

from vesalius.models import git
from vesalius.models.architecture import Architecture, Block, ForwardPass, Tower
from vesalius.models.flops import (
    attention_mask,
    count_flops,
    n_parameters,
    plain_attention,
    tensor,
)
from vesalius.records import Json

TEXT = 20  # tokens of a question with its answer

LINKS = (
    ("image", "pixels"),
    ("pixels", "vision"),
    ("vision", "bridge"),
    ("bridge", "decoder"),
    ("text", "tokens"),
    ("tokens", "decoder"),
    ("decoder", "words"),
)


def architecture(config: Mapping[str, Json], /) -> Architecture:
    """The image encoder, its projection and the decoder that reads image and text tokens."""
    built = plain_attention(lambda: git.architecture(config))
    image, bridge = _image_tower(built), _projection(built)
    n_image = image.passes[0].n_tokens
    decoder = _decoder(built, n_image, n_parameters([built]) - image.parameters - bridge.parameters)
    return Architecture(
        adapter="git",
        fusion="prefix decoder: image tokens stand before the text in one transformer",
        embedding_dims={"image": built.config.vision_config.hidden_size},
        tokenizer="WordPiece, lower case",
        preprocessing=f"shorter side to {image.input_size} px, bicubic; centre crop",
        towers=(image, bridge, decoder),
        blocks=_blocks(image, decoder),
        links=LINKS,
    )


def _image_tower(built: Any) -> Tower:
    shape = built.config.vision_config
    size = shape.image_size
    pixels = tensor(1, shape.num_channels, size, size)
    flops = count_flops(lambda: built.git.image_encoder(pixel_values=pixels))
    n_tokens = (size // shape.patch_size) ** 2 + 1
    return Tower(
        name="image encoder",
        role="image",
        kind="vision transformer",
        parameters=n_parameters([built.git.image_encoder]),
        passes=(ForwardPass(f"one image of {size} × {size} px", flops, n_tokens),),
        depth=shape.num_hidden_layers,
        width=shape.hidden_size,
        heads=shape.num_attention_heads,
        patch=shape.patch_size,
        input_size=size,
    )


def _projection(built: Any) -> Tower:
    shape = built.config.vision_config
    n_tokens = (shape.image_size // shape.patch_size) ** 2 + 1
    states = tensor(1, n_tokens, shape.hidden_size)
    return Tower(
        name="projection",
        role="fusion",
        kind="linear layer and norm",
        parameters=n_parameters([built.git.visual_projection]),
        passes=(
            ForwardPass(
                f"{n_tokens} image tokens",
                count_flops(lambda: built.git.visual_projection(states)),
                n_tokens,
            ),
        ),
        width=built.config.hidden_size,
    )


def _decoder(built: Any, n_image: int, parameters: int) -> Tower:
    shape = built.config
    length = n_image + TEXT
    states = tensor(1, length, shape.hidden_size)
    return Tower(
        name="decoder",
        role="language",
        kind="transformer decoder, with word embedding and head",
        parameters=parameters,
        passes=(
            ForwardPass(
                f"{n_image} image and {TEXT} text tokens, without the head",
                count_flops(lambda: built.git.encoder(states, attention_mask(length))),
                length,
            ),
            ForwardPass(
                "head, one token",
                count_flops(lambda: built.output(tensor(1, 1, shape.hidden_size))),
                1,
            ),
        ),
        depth=shape.num_hidden_layers,
        width=shape.hidden_size,
        heads=shape.num_attention_heads,
        context=shape.max_position_embeddings,
        vocabulary=shape.vocab_size,
    )


def _blocks(image: Tower, decoder: Tower) -> tuple[Block, ...]:
    grid = (image.input_size or 0) // (image.patch or 1)
    return (
        Block("image", "Image", ("grey or colour",), "input", 0, 0),
        Block("pixels", "Resize and crop", (f"{image.input_size} × {image.input_size} × 3",),
              "step", 1, 0),
        Block("vision", "Vision transformer",
              (f"{image.depth} layers × {image.width}, {image.heads} heads",
               f"{grid} × {grid} patches of {image.patch} px + CLS"), "tower", 2, 0),
        Block("bridge", "Projection", (f"{image.width} → {decoder.width}",
                                       f"{image.passes[0].n_tokens} image tokens"), "step", 3, 0),
        Block("text", "Question", ("or nothing: a caption",), "input", 0, 1),
        Block("tokens", "Tokenizer", ("class token + question",
                                      f"vocabulary {decoder.vocabulary}"), "step", 1, 1),
        Block("decoder", "Transformer decoder",
              (f"{decoder.depth} layers × {decoder.width}, {decoder.heads} heads",
               "text sees image and earlier text"), "tower", 4, 0.5),
        Block("words", "Next token", ("answer, log-likelihood",), "output", 5, 0.5),
    )  # fmt: skip
