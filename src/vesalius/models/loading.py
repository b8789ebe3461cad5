"""Strict loading: what the files say is what runs, or the load fails by name.

Every call goes to a local folder with remote code and network switched off. Weights are read as
float32, in evaluation mode, and no tensor may be missing, left over or of another shape.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pickle import UnpicklingError
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import AutoImageProcessor, AutoTokenizer
from transformers.utils import logging

from vesalius.errors import InputError, ModelError
from vesalius.models.checkpoint import Checkpoint, image_processor

# Position indices were saved by old versions; they are counted anew and hold no knowledge.
_HARMLESS = ("position_ids",)
_KNOWN_TEXT = "chest x-ray of the lung"


def choose_device(device: str) -> torch.device:
    """The torch device for ``auto`` (CUDA if there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: if the name is unknown or the machine has no such device.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"device must be auto, cpu or cuda, got {device!r}") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device {device!r}: this machine has {torch.cuda.device_count()} CUDA devices; "
            "use device='cpu' or 'auto'"
        )
    return chosen


@contextmanager
def _without_progress_bar() -> Iterator[None]:
    """Loading is over in seconds; its bar would break up the caller's own."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def load_weights(
    model_class: Any,
    checkpoint: Checkpoint,
    /,
    *,
    device: str,
    dtype: torch.dtype = torch.float32,
    attention: Literal["sdpa", "eager"] = "sdpa",
    unused: tuple[str, ...] = (),
) -> Any:
    """A transformers model of `model_class` with exactly the tensors of `checkpoint`.

    Args:
        model_class: its ``from_pretrained`` reads the folder.
        checkpoint: where the files lie.
        device: as `choose_device` reads it.
        dtype: of weights and arithmetic.
        attention: ``eager`` where attention weights are wanted; the other kernels hide them.
        unused: endings of tensor names that the published file holds and the model has no use for.

    Raises:
        ModelError: if a file cannot be read, or a tensor is missing, unexpected or mis-shaped.
    """
    chosen = choose_device(device)
    try:
        with _without_progress_bar():
            model, report = model_class.from_pretrained(
                checkpoint.folder,
                dtype=dtype,
                attn_implementation=attention,
                local_files_only=True,
                trust_remote_code=False,
                weights_only=True,
                use_safetensors=not checkpoint.pickles,
                ignore_mismatched_sizes=True,  # so that the report can name the tensor
                output_loading_info=True,
            )
    except (SafetensorError, UnpicklingError, OSError, EOFError, RuntimeError) as error:
        names = ", ".join(n for n in checkpoint.files if not n.endswith((".json", ".txt")))
        raise ModelError(
            f"{checkpoint.folder}: cannot read the weights ({names}): {error}; "
            "copy or download them again"
        ) from error
    check_report(report, checkpoint, unused=unused)
    return model.to(chosen).eval()


def check_report(
    report: dict[str, Any], checkpoint: Checkpoint, /, *, unused: tuple[str, ...] = ()
) -> None:
    """Libraries fill gaps with random numbers and print a table; here it is an error.

    Args:
        report: the loading information of ``from_pretrained``.
        checkpoint: what was read.
        unused: endings of tensor names that the file holds and the model has no use for.

    Raises:
        ModelError: if a tensor is missing, unexpected, mis-shaped or unreadable; lists them all.
    """
    harmless = (*_HARMLESS, *unused)
    mismatched = {
        f"{name} (file {tuple(found)}, model {tuple(expected)})"
        for name, found, expected in report["mismatched_keys"]
    }
    wrong_shape = {entry[0] for entry in report["mismatched_keys"]}
    faults = {
        "missing": {n for n in report["missing_keys"] if n not in wrong_shape},
        "unexpected": report["unexpected_keys"],
        "of another shape": mismatched,
        "unreadable": report["error_msgs"],
    }
    found = [
        f"{kind}: {', '.join(names)}"
        for kind, all_names in faults.items()
        if (names := sorted(n for n in all_names if not n.endswith(harmless)))
    ]
    if found:
        raise ModelError(
            f"{checkpoint.folder}: the weights do not fit config.json; {'; '.join(found)}. "
            "The files belong to another architecture or are incomplete"
        )


def load_image_processor(checkpoint: Checkpoint, /) -> Any:
    """The checkpoint's image processor in its Pillow form.

    The torchvision form gives other pixels (up to one grey level), so it is never taken.

    Raises:
        ModelError: if there is none, or another class came than the card names.
    """
    expected = image_processor(checkpoint)
    if not expected:
        raise ModelError(
            f"{checkpoint.folder}: preprocessor_config.json is missing or names no image processor"
        )
    try:
        processor = AutoImageProcessor.from_pretrained(
            checkpoint.folder, backend="pil", local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"{checkpoint.folder}: cannot read the image processor {expected}: {error}"
        ) from error
    name = type(processor).__name__
    if name.removesuffix("Pil") != expected or processor.backend != "pil":
        raise ModelError(
            f"{checkpoint.folder}: expected the Pillow form of {expected}, got {name} "
            f"({processor.backend})"
        )
    return processor


def load_tokenizer(
    checkpoint: Checkpoint, /, *, vocabulary_size: int, tokenizer_class: Any = AutoTokenizer
) -> Any:
    """The checkpoint's tokenizer, with proof that it knows words.

    A folder without tokenizer files gives a five-word tokenizer in silence, which maps every
    text to the same ids.

    Args:
        checkpoint: where the files lie.
        vocabulary_size: rows of the model's embedding table.
        tokenizer_class: where the files name a class of the repository's own code, that of
            transformers which reads them.

    Raises:
        ModelError: if its size does not suit the model, or common words are unknown to it.
    """
    try:
        tokenizer = tokenizer_class.from_pretrained(
            checkpoint.folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{checkpoint.folder}: cannot read the tokenizer: {error}") from error
    size = len(tokenizer)
    # Some embedding tables are padded to a round number of rows; none by as much as a tenth.
    if not 0.9 * vocabulary_size <= size <= vocabulary_size:
        raise ModelError(
            f"{checkpoint.folder}: the tokenizer has {size} entries, the model {vocabulary_size}; "
            "tokenizer files (tokenizer.json, vocab.json, merges.txt) are missing or not its own"
        )
    ids = tokenizer(_KNOWN_TEXT, add_special_tokens=False)["input_ids"]
    if not ids or tokenizer.unk_token_id in ids:
        raise ModelError(
            f"{checkpoint.folder}: the tokenizer does not know the words {_KNOWN_TEXT!r}; "
            "its files are incomplete"
        )
    return tokenizer
