"""SmolVLM (Idefics3), from its configuration to its architecture."""

from collections.abc import Mapping
from typing import Any

from vesalius.models import smolvlm
from vesalius.models.architecture import Architecture, Block, ForwardPass, Tower
from vesalius.models.flops import (
    attention_mask,
    count_flops,
    n_parameters,
    plain_attention,
    tensor,
)
from vesalius.records import Json

N_TILES = 17  # a square picture at full resolution: 4 × 4 tiles and the whole
# Tokens of the prompt's own words around one tile, and around all tiles with their marks.
WORDS, WORDS_OF_TILES = 30, 80

LINKS = (
    ("image", "tiles"),
    ("tiles", "vision"),
    ("vision", "bridge"),
    ("bridge", "decoder"),
    ("text", "tokens"),
    ("tokens", "decoder"),
    ("decoder", "words"),
)


def architecture(config: Mapping[str, Json], /) -> Architecture:
    """The image encoder of one tile, the connector and the language model."""
    built = plain_attention(lambda: smolvlm.architecture(config))
    image, connector = _image_tower(built), _connector(built)
    decoder = _decoder(built, connector.passes[0].n_tokens)
    counted = image.parameters + connector.parameters + decoder.parameters
    return Architecture(
        adapter="smolvlm",
        fusion="image tokens in a decoder: each tile becomes a few tokens among the words",
        embedding_dims={"image": built.config.vision_config.hidden_size},
        tokenizer="byte-pair encoding",
        preprocessing=(
            f"resized to a tile of {image.input_size} × {image.input_size} px, Lanczos; with "
            "image_splitting also tiles of full resolution"
        ),
        towers=(image, connector, decoder),
        other_parameters=n_parameters([built]) - counted,
        blocks=_blocks(image, connector, decoder),
        links=LINKS,
    )


def _image_tower(built: Any) -> Tower:
    network, shape = built.model.vision_model, built.config.vision_config
    size = shape.image_size
    n_patches = (size // shape.patch_size) ** 2
    pixels = tensor(1, shape.num_channels, size, size)

    def forward() -> object:
        # the positions of patches depend on numbers that the meta device has not
        patches = network.embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
        return network.post_layernorm(network.encoder(inputs_embeds=patches)[0])

    one = count_flops(forward)
    return Tower(
        name="image encoder",
        role="image",
        kind="vision transformer",
        parameters=n_parameters([network]),
        passes=(
            ForwardPass(f"one tile of {size} × {size} px", one, n_patches),
            ForwardPass(f"{N_TILES} tiles", N_TILES * one, N_TILES * n_patches),
        ),
        depth=shape.num_hidden_layers,
        width=shape.hidden_size,
        heads=shape.num_attention_heads,
        patch=shape.patch_size,
        input_size=size,
    )


def _connector(built: Any) -> Tower:
    shape, factor = built.config.vision_config, built.config.scale_factor
    n_patches = (shape.image_size // shape.patch_size) ** 2
    states = tensor(1, n_patches, shape.hidden_size)
    return Tower(
        name="connector",
        role="fusion",
        kind=f"{factor} × {factor} patches joined, linear layer",
        parameters=n_parameters([built.model.connector]),
        passes=(
            ForwardPass(
                f"{n_patches} patches of one tile",
                count_flops(lambda: built.model.connector(states)),
                n_patches // factor**2,
            ),
        ),
        width=built.config.text_config.hidden_size,
    )


def _decoder(built: Any, n_image: int) -> Tower:
    shape = built.config.text_config

    def read(length: int, what: str) -> ForwardPass:
        states = tensor(1, length, shape.hidden_size)

        def forward() -> object:
            return built.model.text_model(
                inputs_embeds=states, attention_mask=attention_mask(length), use_cache=False
            )

        return ForwardPass(f"{what}, without the head", count_flops(forward), length)

    one, all_tiles = n_image + WORDS, N_TILES * n_image + WORDS_OF_TILES
    head = count_flops(lambda: built.lm_head(tensor(1, 1, shape.hidden_size)))
    return Tower(
        name="language model",
        role="language",
        kind="Llama decoder, with word embedding and head",
        parameters=n_parameters([built.model.text_model, built.lm_head]),
        passes=(
            read(one, f"{n_image} image and {WORDS} text tokens"),
            read(all_tiles, f"{N_TILES * n_image} image and {WORDS_OF_TILES} text tokens"),
            ForwardPass("head, one token", head, 1),
        ),
        depth=shape.num_hidden_layers,
        width=shape.hidden_size,
        heads=shape.num_attention_heads,
        context=shape.max_position_embeddings,
        vocabulary=shape.vocab_size,
    )


def _blocks(image: Tower, connector: Tower, decoder: Tower) -> tuple[Block, ...]:
    grid = (image.input_size or 0) // (image.patch or 1)
    return (
        Block("image", "Image", ("grey or colour",), "input", 0, 0),
        Block("tiles", "Resize, tiles", (f"{image.input_size} × {image.input_size} × 3",
                                         f"1 tile, or up to {N_TILES}"), "step", 1, 0),
        Block("vision", "Vision transformer",
              (f"{image.depth} layers × {image.width}, {image.heads} heads",
               f"{grid} × {grid} patches of {image.patch} px"), "tower", 2, 0),
        Block("bridge", "Pixel shuffle, linear",
              (connector.kind.partition(",")[0],
               f"→ {connector.passes[0].n_tokens} tokens × {connector.width}"), "step", 3, 0),
        Block("text", "Question", ("or nothing: a caption",), "input", 0, 1),
        Block("tokens", "Chat template", ("user turn with image",
                                          f"vocabulary {decoder.vocabulary}"), "step", 1, 1),
        Block("decoder", "Language model",
              (f"{decoder.depth} layers × {decoder.width}, {decoder.heads} heads",
               "image tokens among words"), "tower", 4, 0.5),
        Block("words", "Next token", ("answer, log-likelihood",), "output", 5, 0.5),
    )  # fmt: skip
