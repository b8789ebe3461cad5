"""What chat models of transformers have in common: processor, prompt, greedy decoding.

The text around a question is the checkpoint's own chat template; an empty question is replaced by
one fixed request for a caption.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import PIL.Image
import torch
from transformers import AutoProcessor, GenerationConfig

from vesalius.errors import InputError, ModelError
from vesalius.models import towers
from vesalius.models.checkpoint import Checkpoint
from vesalius.models.loading import load_image_processor, load_tokenizer
from vesalius.models.preprocessing import Fit, as_pil, pad_to_square
from vesalius.records import Image

CAPTION_REQUEST = "Describe this image."
MAX_NEW_TOKENS = 128  # of an answer or caption; what is longer is cut off


def load_processor(checkpoint: Checkpoint, /, *, vocabulary_size: int) -> Any:
    """The checkpoint's processor on Pillow, with a tokenizer that suits the model.

    Raises:
        ModelError: if a part is missing, there is no chat template, or the processor needs special
            tokens that the tokenizer lacks (it would add them, with ids the model has no row for).
    """
    tokenizer = load_tokenizer(checkpoint, vocabulary_size=vocabulary_size)
    pixels = load_image_processor(checkpoint)
    try:
        processor = AutoProcessor.from_pretrained(
            checkpoint.folder, backend="pil", local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{checkpoint.folder}: cannot read the processor: {error}") from error
    _check_parts(processor, tokenizer, pixels, checkpoint)
    processor.chat_template = processor.chat_template or tokenizer.chat_template
    if not processor.chat_template:
        raise ModelError(
            f"{checkpoint.folder}: no chat template (chat_template.json, chat_template.jinja or in "
            "tokenizer_config.json), so the form of a question is unknown"
        )
    return processor


def _check_parts(processor: Any, tokenizer: Any, pixels: Any, checkpoint: Checkpoint) -> None:
    parts = vars(processor)
    if type(parts.get("image_processor")) is not type(pixels) or "tokenizer" not in parts:
        raise ModelError(
            f"{checkpoint.folder}: expected a processor of {type(pixels).__name__} and a tokenizer "
            f"(processor_config.json), got {type(processor).__name__}"
        )
    added = set(processor.tokenizer.get_vocab()) - set(tokenizer.get_vocab())
    if added:
        raise ModelError(
            f"{checkpoint.folder}: the tokenizer is without {', '.join(sorted(added))}, which "
            f"{type(processor).__name__} needs; its files are incomplete or of another model"
        )


def picture(image: Image, processor: Any, /, *, fit: Fit) -> PIL.Image.Image:
    """The image as shown, padded to a square with the colour that becomes zero if `fit` is pad."""
    shown = as_pil(image)
    return pad_to_square(shown, colour=mean_colour(processor)) if fit == "pad" else shown


def mean_colour(processor: Any, /) -> tuple[int, int, int]:
    """The 8-bit RGB colour that is nearest to zero after normalisation."""
    red, green, blue = (round(255 * value) for value in processor.image_processor.image_mean)
    return red, green, blue


def prompt_text(processor: Any, question: str, /, *, n_images: int = 1) -> str:
    """The chat template's text for images and a question, up to where the answer begins.

    Raises:
        InputError: if there is no image, or the question contains a special token, which would
            be read as one.
    """
    if n_images < 1:
        raise InputError(f"expected an image with the question {question!r}, got none")
    check_plain([question], processor)
    asked = _asked(question, n_images=n_images)
    text = processor.apply_chat_template([asked], add_generation_prompt=True)
    assert isinstance(text, str)
    return text


def dialogue_text(processor: Any, question: str, answer: str, /) -> str:
    """The chat template's text for one image, a question and its answer."""
    reply = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
    text = processor.apply_chat_template([_asked(question), reply])
    assert isinstance(text, str)
    return text


def _asked(question: str, *, n_images: int = 1) -> dict[str, object]:
    request = question if question.strip() else CAPTION_REQUEST
    shown = [{"type": "image"} for _ in range(n_images)]
    return {"role": "user", "content": [*shown, {"type": "text", "text": request}]}


def check_plain(texts: Sequence[str], processor: Any, /) -> None:
    """Refuse texts that contain a special token such as ``<image>``.

    Raises:
        InputError: names the text and the token.
    """
    for index, text in enumerate(towers.check_texts(texts)):
        for token in processor.tokenizer.get_added_vocab():
            if token in text:
                raise InputError(f"texts[{index}]: contains the special token {token!r}: {text!r}")


def check_pairs(images: Sequence[Image], prompts: Sequence[str], /) -> None:
    """Refuse lists of different length.

    Raises:
        InputError: if there is not one prompt for each image.
    """
    if len(images) != len(towers.check_texts(prompts)):
        raise InputError(f"expected one prompt an image, got {len(prompts)} for {len(images)}")


def end_tokens(model: Any, *first: int) -> list[int]:
    """`first` and whatever else the checkpoint's generation settings say ends a text."""
    stated = model.generation_config.eos_token_id
    others = [] if stated is None else [stated] if isinstance(stated, int) else list(stated)
    return list(dict.fromkeys([*first, *others]))


def decode_greedily(
    model: Any, inputs: Mapping[str, torch.Tensor], /, *, tokenizer: Any, ends: Sequence[int]
) -> list[str]:
    """Continue left-padded prompts greedily up to one of `ends`; without the prompts."""
    settings = GenerationConfig(
        max_new_tokens=MAX_NEW_TOKENS,
        do_sample=False,
        num_beams=1,
        eos_token_id=list(ends),
        pad_token_id=ends[0] if tokenizer.pad_token_id is None else tokenizer.pad_token_id,
    )
    with torch.inference_mode():
        ids = model.generate(**inputs, generation_config=settings)
    answers = [_until_end(row, ends) for row in ids[:, inputs["input_ids"].shape[1] :].tolist()]
    texts = tokenizer.batch_decode(
        answers, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return [text.strip() for text in texts]


def _until_end(ids: list[int], ends: Sequence[int]) -> list[int]:
    """Tokens before the first end token; what follows it is padding."""
    places = [place for place, token in enumerate(ids) if token in ends]
    return ids[: places[0]] if places else ids


def on_device(inputs: Mapping[str, torch.Tensor], model: Any, /) -> dict[str, torch.Tensor]:
    """Inputs on the model's device; pixels in its precision."""
    return {
        name: tensor.to(model.device, model.dtype if tensor.is_floating_point() else tensor.dtype)
        for name, tensor in inputs.items()
    }
