"""Latency records: what was called, how often, on what; never how fast."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from vesalius.errors import InputError, ModelError
from vesalius.models import timing
from vesalius.models.timing import MeasurePlan, measure
from vesalius.records import Image

PLENTY = MeasurePlan("cpu", (1, 3), budget_s=1e6)  # ends by the number of repeats, not by time


class Encoder:
    """Capabilities: ImageEncoder, TextEncoder, Generator; counts its calls."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.network = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 2))

    def encode_images(self, images: Sequence[Image], /) -> np.ndarray:
        """One row an image."""
        self.sizes.append(len(images))
        with torch.inference_mode():
            return np.asarray(self.network(torch.ones(len(images), 8)).numpy())

    def encode_texts(self, texts: Sequence[str], /) -> np.ndarray:
        """One row a text."""
        return np.ones((len(texts), 2), np.float32)

    def generate(self, images: Sequence[Image], prompts: Sequence[str], /) -> list[str]:
        """The same answer."""
        return ["yes"] * len(prompts)


class Nothing:
    """Capabilities: none."""


def test_every_operation_and_batch_size_has_a_record() -> None:
    """Fifty repeats at most, percentiles in order, throughput from the median."""
    model, found = measure(Encoder, PLENTY)
    places = [(t.operation, t.batch_size) for t in found.timings]
    assert places == [
        ("encode_images", 1), ("encode_images", 3), ("encode_texts", 1), ("encode_texts", 3),
        ("generate", 1),
    ]  # fmt: skip
    for entry in found.timings:
        assert entry.n_repeats == 50
        assert 0 < entry.p50_s <= entry.p90_s <= entry.p99_s
        assert entry.per_second == pytest.approx(entry.batch_size / entry.p50_s)
    # one call to warm up and fifty that count, then the share of the network
    assert model.sizes == [1] * 51 + [3] * 51 + [1] * 3
    assert found.threads == torch.get_num_threads()
    assert found.device
    assert found.load_s >= 0


def test_a_slow_call_ends_the_batch_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubling what already takes too long would take minutes for nothing."""
    clock = iter(np.arange(0, 1000, 10.0))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: float(next(clock)))
    _, found = measure(Encoder, MeasurePlan("cpu", (1, 2, 4), budget_s=5.0))
    assert [t.batch_size for t in found.timings if t.operation == "encode_images"] == [1]
    assert {t.p50_s for t in found.timings} == {10.0}
    assert {t.n_repeats for t in found.timings} == {3}


def test_the_share_of_the_network_counts_nested_modules_once() -> None:
    """A module inside a module is not paid twice, and hooks do not stay behind."""
    _, found = measure(Encoder, PLENTY)
    assert 0 < found.network_share < 1
    hooks = torch.nn.modules.module._global_forward_hooks
    assert len(hooks) == 0


def test_a_model_that_encodes_nothing_has_no_timings() -> None:
    """Nothing to call is no error, and its share is undefined instead of 0."""
    _, found = measure(Nothing, PLENTY)
    assert found.timings == ()
    assert math.isnan(found.network_share)


def test_memory_is_measured_or_says_why_not(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """A number always comes with its meaning; without the system's help there is none."""

    def big() -> Encoder:
        keep = np.ones(200_000_000, np.uint8)
        made = Encoder()
        made.sizes.append(int(keep[-1]))
        return made

    _, found = measure(big, PLENTY)
    if math.isnan(found.peak_memory):
        assert "not measured" in found.memory_kind
    else:
        assert found.peak_memory > 1e6  # what the process frees meanwhile is subtracted
        assert "peak resident memory" in found.memory_kind
    monkeypatch.setattr(timing, "_CLEAR", tmp_path / "no" / "such" / "file")
    _, found = measure(big, PLENTY)
    assert math.isnan(found.peak_memory)
    assert "not measured" in found.memory_kind


def test_errors_of_loading_and_devices_come_through() -> None:
    """A broken model is a broken model, not a row of zeros."""

    def broken() -> object:
        raise ModelError("no tensor 'x'")

    with pytest.raises(ModelError, match="no tensor 'x'"):
        measure(broken, PLENTY)
    with pytest.raises(InputError, match="device must be auto, cpu or cuda"):
        measure(Encoder, MeasurePlan("abacus"))
