"""BLIP-2 with a T5, from its configuration to its architecture."""

from collections.abc import Mapping
from typing import Any

from transformers.modeling_outputs import BaseModelOutput

from vesalius.models import blip2
from vesalius.models.architecture import Architecture, Block, ForwardPass, Tower
from vesalius.models.flops import count_flops, n_parameters, plain_attention, tensor, token_ids
from vesalius.records import Json

WORDS, ANSWER = 20, 4  # tokens of a question in its form, and of a short answer

LINKS = (
    ("image", "pixels"),
    ("pixels", "vision"),
    ("vision", "bridge"),
    ("queries", "bridge"),
    ("bridge", "encoder"),
    ("text", "encoder"),
    ("encoder", "words"),
)


def architecture(config: Mapping[str, Json], /) -> Architecture:
    """The image encoder, the Q-Former with its projection, and the language model."""
    built = plain_attention(lambda: blip2.architecture(config))
    towers = (_image_tower(built), _qformer(built), _language(built))
    return Architecture(
        adapter="blip2",
        fusion="Q-Former: learned queries read the image and stand before the words of the prompt",
        embedding_dims={
            "Q-Former": built.config.qformer_config.hidden_size,
            "vision": built.config.vision_config.hidden_size,
        },
        tokenizer="SentencePiece unigram",
        preprocessing=f"squashed to {towers[0].input_size} × {towers[0].input_size} px, bicubic",
        towers=towers,
        other_parameters=n_parameters([built]) - sum(tower.parameters for tower in towers),
        blocks=_blocks(built, towers),
        links=LINKS,
    )


def _n_tokens(shape: Any) -> int:
    return int((shape.image_size // shape.patch_size) ** 2 + 1)


def _image_tower(built: Any) -> Tower:
    shape = built.config.vision_config
    size = shape.image_size
    pixels = tensor(1, 3, size, size)
    flops = count_flops(lambda: built.vision_model(pixel_values=pixels))
    return Tower(
        name="image encoder",
        role="image",
        kind="vision transformer",
        parameters=n_parameters([built.vision_model]),
        passes=(ForwardPass(f"one image of {size} × {size} px", flops, _n_tokens(shape)),),
        depth=shape.num_hidden_layers,
        width=shape.hidden_size,
        heads=shape.num_attention_heads,
        patch=shape.patch_size,
        input_size=size,
    )


def _qformer(built: Any) -> Tower:
    shape, n_queries = built.config.qformer_config, built.config.num_query_tokens
    seen = tensor(1, _n_tokens(built.config.vision_config), shape.encoder_hidden_size)
    queries = tensor(1, n_queries, shape.hidden_size)

    def forward() -> object:
        read = built.qformer(query_embeds=queries, encoder_hidden_states=seen)
        return built.language_projection(read.last_hidden_state)

    return Tower(
        name="Q-Former",
        role="fusion",
        kind=f"transformer of {n_queries} learned queries, with the projection to the words",
        parameters=n_parameters([built.qformer, built.language_projection])
        + built.query_tokens.numel(),
        passes=(
            ForwardPass(f"{n_queries} queries over one image", count_flops(forward), n_queries),
        ),
        depth=shape.num_hidden_layers,
        width=shape.hidden_size,
        heads=shape.num_attention_heads,
    )


def _language(built: Any) -> Tower:
    shape, language = built.config.text_config, built.language_model
    length = built.config.num_query_tokens + WORDS
    states = tensor(1, length, shape.d_model)

    def answer() -> object:
        read = BaseModelOutput(last_hidden_state=states)
        ids = token_ids(ANSWER)
        return language(encoder_outputs=read, decoder_input_ids=ids, use_cache=False)

    encoded = count_flops(lambda: language.get_encoder()(inputs_embeds=states))
    what = f"encoder, {built.config.num_query_tokens} queries and {WORDS} text tokens"
    return Tower(
        name="language model",
        role="language",
        kind=f"T5, {shape.num_layers} encoder and {shape.num_decoder_layers} decoder layers",
        parameters=n_parameters([language]),
        passes=(
            ForwardPass(what, encoded, length),
            ForwardPass(f"decoder, {ANSWER} answer tokens", count_flops(answer), ANSWER),
        ),
        depth=shape.num_layers + shape.num_decoder_layers,
        width=shape.d_model,
        heads=shape.num_heads,
        vocabulary=shape.vocab_size,
    )


def _blocks(built: Any, towers: tuple[Tower, Tower, Tower]) -> tuple[Block, ...]:
    image, bridge, language = towers
    shape = built.config.text_config
    grid = (image.input_size or 0) // (image.patch or 1)
    n_queries = built.config.num_query_tokens
    every = built.config.qformer_config.cross_attention_frequency
    return (
        Block("image", "Image", ("grey or colour",), "input", 0, 0),
        Block("pixels", "Squash", (f"{image.input_size} × {image.input_size} × 3",), "step", 1, 0),
        Block("vision", "Vision transformer",
              (f"{image.depth} layers × {image.width}, {image.heads} heads",
               f"{grid} × {grid} patches of {image.patch} px + CLS"), "tower", 2, 0),
        Block("queries", "Queries", (f"{n_queries} × {bridge.width}, learned",), "step", 2, 1),
        Block("bridge", "Q-Former",
              (f"{bridge.depth} layers × {bridge.width}, {bridge.heads} heads",
               f"image read every {every} layers",
               f"→ {n_queries} tokens × {language.width}"), "tower", 3, 0.5),
        Block("text", "Question", ("Question: … Answer:",), "input", 3, 1.5),
        Block("encoder", "T5 encoder–decoder",
              (f"{shape.num_layers} + {shape.num_decoder_layers} layers × {language.width}",
               f"{language.heads} heads, vocabulary {language.vocabulary}"), "tower", 4, 0.5),
        Block("words", "Next token", ("answer, log-likelihood",), "output", 5, 0.5),
    )  # fmt: skip
