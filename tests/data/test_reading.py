"""The gate that every file passes first: memory, descriptors and packed data."""

import gzip
import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from imagefiles import nifti_bytes

from vesalius.data.nifti import decode_nifti
from vesalius.data.reading import Limits, Reading, inflate, read_bytes
from vesalius.errors import DataError

READING = Reading(source="a")


def test_a_small_file_reserves_little_memory(tmp_path: Path) -> None:
    """Memory follows the size of the file, not the limit of a gigabyte."""
    (tmp_path / "a").write_bytes(b"abc")
    tracemalloc.start()
    try:
        assert read_bytes(tmp_path / "a", READING) == b"abc"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_folder_leaves_no_descriptor_open(tmp_path: Path) -> None:
    """Refusing a folder a hundred times uses up no descriptor."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not followed
    for _ in range(20):
        with pytest.raises(DataError) as caught:
            read_bytes(tmp_path, READING)
        assert caught.value.reason == "unreadable"
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_many_gzip_members_are_joined_in_linear_time() -> None:
    """Thirty thousand members of one byte take about a second, and give their bytes."""
    member = gzip.compress(b"x", 1) * 30_000
    begin = time.process_time()
    assert inflate(member, 30_000, READING) == b"x" * 30_000
    assert time.process_time() - begin < 5


def test_large_members_are_joined_across_chunks() -> None:
    """Members longer than one chunk keep their order and their checksums."""
    parts = [np.random.default_rng(seed).bytes(2_500_000) for seed in range(2)]
    raw = b"".join(gzip.compress(part, 1) for part in parts)
    assert inflate(raw, 5_000_000, READING) == b"".join(parts)


def test_endless_empty_members_are_a_bomb() -> None:
    """Members without content could go on for ever; more than a thousand are refused."""
    with pytest.raises(DataError) as caught:
        inflate(gzip.compress(b"") * 1001 + gzip.compress(b"x"), 1, READING)
    assert caught.value.reason == "bomb"


@pytest.mark.parametrize(("intercept", "accepted"), [(0, True), (-1024, False)])
def test_an_intercept_alone_makes_float_voxels(intercept: int, accepted: bool) -> None:
    """Bytes with an intercept become float32, so the gate must count four bytes a voxel."""
    raw = nifti_bytes(np.zeros((4, 4, 4), np.uint8), scl_slope=1, scl_inter=intercept)
    reading = Reading(source="a", limits=Limits(max_bytes=100))
    if accepted:
        assert decode_nifti(raw, reading).voxels.dtype == np.uint8
    else:
        with pytest.raises(DataError) as caught:
            decode_nifti(raw, reading)
        assert caught.value.reason == "too_large"
