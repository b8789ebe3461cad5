"""Text-to-image pipelines of diffusers, from a folder on disk."""

import hashlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from diffusers.utils import logging
from safetensors import SafetensorError

from vesalius.errors import ModelError
from vesalius.models import options as declared
from vesalius.models.checkpoint import Checkpoint, card_of
from vesalius.models.loading import check_report, choose_device, load_weights
from vesalius.models.pipeline_files import LEFT_OUT, Part, parts_of, read_index
from vesalius.records import Image, Json, ModelCard

ADAPTER = "pipeline"
_WHITE = 255.0


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """Capabilities: ImageGenerator.

    A picture depends on its text, the options and the weights, not on the other texts: each text
    starts from noise of its own, drawn on the processor by the seed and the text.
    """

    card: ModelCard
    pipe: Any
    steps: int
    guidance: float
    seed: int

    @property
    def n_parameters(self) -> int:
        """Number of parameters of all networks of the pipeline."""
        networks = [c for c in self.pipe.components.values() if isinstance(c, torch.nn.Module)]
        return sum(p.numel() for network in networks for p in network.parameters())

    def generate_images(self, texts: Sequence[str], /) -> list[Image]:
        """One picture per text, in colour and of the pipeline's own size.

        Raises:
            ModelError: if a picture is not finite.
        """
        return [self._draw(text) for text in texts]

    def _draw(self, text: str) -> Image:
        digest = hashlib.sha256(f"{self.seed}\x1f{text}".encode()).digest()
        noise = torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)
        given: dict[str, Any] = {"num_inference_steps": self.steps, "guidance_scale": self.guidance}
        known = inspect.signature(self.pipe.__call__).parameters
        with _quietly(), torch.inference_mode():
            drawn = self.pipe(
                prompt=text,
                generator=noise,
                output_type="np",
                **{name: value for name, value in given.items() if name in known},
            )
        pixels = np.asarray(drawn.images[0], dtype=np.float64)
        if not np.isfinite(pixels).all():
            raise ModelError(f"{self.card.name}: the picture of {text!r} is not finite")
        levels = np.floor(np.clip(pixels, 0, 1) * _WHITE + 0.5).astype(np.uint8)
        return Image(levels, "yxc", "display", (0.0, _WHITE), source=self.card.name)


@contextmanager
def _quietly() -> Iterator[None]:
    """The library's notes, such as of every text that was cut off, would break up progress bars."""
    modules = (logging, transformers.utils.logging)
    before = [(module, module.get_verbosity()) for module in modules]
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    for module in modules:
        module.set_verbosity_error()
    try:
        yield
    finally:
        for module, level in before:
            module.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def load(
    checkpoint: Checkpoint, *, name: str, options: Mapping[str, Json], device: str = "auto"
) -> Pipeline:
    """Load a pipeline strictly, network by network; never runs code from the folder.

    Its safety checker, if it has one, is left out: it blackens pictures.

    Args:
        checkpoint: from `open_pipeline`.
        name: display name, for the card.
        options: ``steps``, ``guidance``, ``seed`` and ``dtype``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: if an option or the device is unknown.
        ModelError: if a class is unknown, a file cannot be read, a tensor is missing, unexpected
            or misshapen, or the pipeline takes no text.
    """
    settled = declared.complete(options, declared=declared.PIPELINE, adapter=ADAPTER)
    chosen, dtype = choose_device(device), getattr(torch, settled["dtype"])
    index, parts = read_index(checkpoint.folder), parts_of(checkpoint.folder)
    given = {p.name: _network(checkpoint, p, dtype=dtype) for p in parts if _is_network(p)}
    pipeline_class: Any = diffusers.DiffusionPipeline
    try:
        with _quietly():
            pipe = pipeline_class.from_pretrained(
                checkpoint.folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=dtype,
                low_cpu_mem_usage=False,
                **given,
                **dict.fromkeys(name for name in LEFT_OUT if name in index),
            )
    except (OSError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise ModelError(f"{checkpoint.folder}: cannot read the pipeline: {error}") from error
    if not {"prompt", "generator"} <= inspect.signature(pipe.__call__).parameters.keys():
        raise ModelError(f"{checkpoint.folder}: {type(pipe).__name__} makes no picture of a text")
    pipe.set_progress_bar_config(disable=True)
    return Pipeline(
        card=card_of(checkpoint, name=name, adapter=ADAPTER, options=settled),
        pipe=pipe.to(chosen),
        steps=settled["steps"],
        guidance=settled["guidance"],
        seed=settled["seed"],
    )


def _class_of(part: Part) -> Any:
    library = {"diffusers": diffusers, "transformers": transformers}[part.library]
    try:
        return getattr(library, part.kind)
    except AttributeError as error:
        raise ModelError(f"{part.name}: {part.library} has no class {part.kind!r} here") from error


def _is_network(part: Part) -> bool:
    kind = _class_of(part)
    return isinstance(kind, type) and issubclass(kind, torch.nn.Module)


def _network(checkpoint: Checkpoint, part: Part, *, dtype: torch.dtype) -> Any:
    """One network with exactly the tensors of its file."""
    prefix = f"{part.name}/"
    files = {
        name.removeprefix(prefix): digest
        for name, digest in checkpoint.files.items()
        if name.startswith(prefix)
    }
    own = Checkpoint(checkpoint.folder / part.name, checkpoint.source, checkpoint.revision, files)
    if part.library == "transformers":
        return load_weights(_class_of(part), own, device="cpu", dtype=dtype)
    try:
        with _quietly():
            network, report = _class_of(part).from_pretrained(
                own.folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=dtype,
                low_cpu_mem_usage=False,
                output_loading_info=True,
            )
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{own.folder}: cannot read the weights: {error}") from error
    check_report(report, own)
    return network.eval()
