"""Latency, throughput and memory of a loaded model on this machine.

Times are of whole calls, from pictures or strings to numpy rows. Nothing here decides anything:
the figures describe one machine at one moment.
"""

import gc
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from vesalius.capabilities import Generator, ImageEncoder, TextEncoder
from vesalius.models.architecture import Measurement, Timing
from vesalius.models.loading import choose_device
from vesalius.records import Image

SIDE = 512
TEXT = "Chest radiograph with a small effusion at the left base and no pneumothorax."
QUESTION = "Is there a pleural effusion?"
_LEAST, _MOST = 3, 50

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class MeasurePlan:
    """What to measure.

    Attributes:
        device: as `choose_device` reads it.
        batch_sizes: of the encoders, increasing.
        budget_s: seconds of repeats per operation and batch size; a batch size whose single call
            takes longer is the last one, and every operation has at least three repeats.
    """

    device: str = "auto"
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8)
    budget_s: float = 2.0


def measure(load: Callable[[], Any], plan: MeasurePlan, /) -> tuple[Any, Measurement]:
    """Load a model and measure it; the model, and what was found.

    Raises:
        ModelError: if it cannot be loaded.
        InputError: if there is no such device.
    """
    device = choose_device(plan.device)
    with _peak_memory(device) as memory:
        started = time.perf_counter()
        model = load()
        load_s = time.perf_counter() - started
        timings = tuple(_timings(model, plan, device))
        share = _network_share(model, device)
    return model, Measurement(
        device=device_name(device),
        threads=torch.get_num_threads(),
        input=f"one grey image of {SIDE} × {SIDE} px, one sentence of {len(TEXT.split())} words",
        timings=timings,
        network_share=share,
        load_s=load_s,
        peak_memory=memory.peak,
        memory_kind=memory.kind,
    )


def _timings(model: object, plan: MeasurePlan, device: torch.device) -> Iterator[Timing]:
    if isinstance(model, ImageEncoder):
        yield from _over_batches("encode_images", model.encode_images, [picture()], plan, device)
    if isinstance(model, TextEncoder):
        yield from _over_batches("encode_texts", model.encode_texts, [TEXT], plan, device)
    if isinstance(model, Generator):
        generate = model.generate
        yield _timed("generate", lambda: generate([picture()], [QUESTION]), 1, plan, device)


def picture() -> Image:
    """A fixed grey picture of noise on a ramp; what it shows does not change the time."""
    noise = np.random.default_rng(0).integers(0, 64, (SIDE, SIDE))
    ramp = np.linspace(0, 191, SIDE)[:, None]
    return Image((noise + ramp).astype(np.uint8), "yx", "display", (0.0, 255.0), source="ramp")


def _over_batches(
    operation: str,
    encode: Callable[[Sequence[Any]], object],
    item: list[Any],
    plan: MeasurePlan,
    device: torch.device,
) -> Iterator[Timing]:
    for size in plan.batch_sizes:
        timing = _timed(operation, partial(encode, item * size), size, plan, device)
        yield timing
        if timing.p50_s > plan.budget_s:
            return


def _timed(
    operation: str,
    call: Callable[[], object],
    batch_size: int,
    plan: MeasurePlan,
    device: torch.device,
) -> Timing:
    _once(call, device)  # kernels are chosen and memory is taken at the first call
    times: list[float] = []
    while len(times) < _LEAST or (len(times) < _MOST and sum(times) < plan.budget_s):
        times.append(_once(call, device))
    p50, p90, p99 = np.quantile(times, (0.5, 0.9, 0.99), method="inverted_cdf").tolist()
    return Timing(operation, batch_size, len(times), p50, p90, p99)


def _once(call: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    started = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _network_share(model: object, device: torch.device) -> float:
    """Share of one `encode_images` that passes inside torch modules; NaN without any."""
    if not isinstance(model, ImageEncoder):
        return float("nan")
    encode, images = model.encode_images, [picture()]
    shares = []
    for _ in range(_LEAST):
        with _module_clock(device) as clock:
            whole = _once(lambda: encode(images), device)
        shares.append(clock.inside_s / whole)
    return float(np.median(shares)) if all(shares) else float("nan")


@dataclass(slots=True)
class _Clock:
    """Seconds inside outermost modules; a module within a module is counted once."""

    device: torch.device
    inside_s: float = 0.0
    depth: int = 0
    entered: float = 0.0

    def enter(self, *_: object) -> None:
        if self.depth == 0:
            _wait(self.device)
            self.entered = time.perf_counter()
        self.depth += 1

    def leave(self, *_: object) -> None:
        self.depth -= 1
        if self.depth == 0:
            _wait(self.device)
            self.inside_s += time.perf_counter() - self.entered


@contextmanager
def _module_clock(device: torch.device) -> Iterator[_Clock]:
    clock = _Clock(device)
    handles = (
        register_module_forward_pre_hook(clock.enter),
        register_module_forward_hook(clock.leave),
    )
    try:
        yield clock
    finally:
        for handle in handles:
            handle.remove()


@dataclass(slots=True)
class _Memory:
    peak: float = field(default=float("nan"))
    kind: str = ""


@contextmanager
def _peak_memory(device: torch.device) -> Iterator[_Memory]:
    """Peak of what loading and encoding take, beyond what was taken before."""
    memory = _Memory()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before: float = torch.cuda.memory_allocated(device)
        yield memory
        memory.peak = torch.cuda.max_memory_allocated(device) - before
        memory.kind = "peak of tensors on the graphics card while loading and encoding"
        return
    before = _reset_resident()
    yield memory
    if before != before:  # noqa: PLR0124 - NaN
        memory.kind = "not measured: this system does not let a process reset its peak memory"
        return
    rise = _status_bytes("VmHWM") - before
    if rise <= 0:
        memory.kind = "not measured: what was freed meanwhile hides what was taken"
        return
    memory.peak = rise
    memory.kind = "rise of the process's peak resident memory while loading and encoding"


def _reset_resident() -> float:
    """Set the process's peak resident memory back to the present one; that, or NaN."""
    gc.collect()  # garbage that is freed later would hide what is taken
    try:
        _CLEAR.write_text("5", encoding="ascii")
        return _status_bytes("VmRSS")
    except OSError:
        return float("nan")


def _status_bytes(name: str) -> float:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return 1024.0 * int(line.split()[1])
    return float("nan")


def device_name(device: torch.device, /) -> str:
    """Name of the processor or the graphics card; never of the machine."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
