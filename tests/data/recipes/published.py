"""Miniature copies of published layouts: what every builder shares.

A builder writes the files of one data set as its publisher lays them out, with made content, and
says how many rows each table must then have.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from vesalius.data.recipes.splits import hashed_split

Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Layout:
    """A miniature copy.

    Attributes:
        build: writes it into a folder.
        counts: table → split → rows that must be loaded.
        task: what it is run through, empty if its recipe is run under another name.
        columns: cells of the first sample that must come out so: attribute → value.
        note: words that a note of the card must hold.
    """

    build: Callable[[Path], None]
    counts: Counts
    task: str
    protocol: str
    columns: Mapping[str, object] = field(default_factory=dict)
    note: str = ""


def pixels(seed: int, size: tuple[int, ...] = (24, 32)) -> np.ndarray:
    """Noise that differs from seed to seed."""
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def picture(path: Path, seed: int, size: tuple[int, ...] = (24, 32)) -> None:
    """Write noise as PNG, JPEG or TIFF, by the ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(pixels(seed, size)).save(path)


def label_map(path: Path, values: np.ndarray) -> None:
    """Write a mask as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(values).save(path)


def encoded(seed: int, form: str = "JPEG") -> bytes:
    """A picture as bytes."""
    buffer = BytesIO()
    Pillow.fromarray(pixels(seed)).save(buffer, form)
    return buffer.getvalue()


def text(path: Path, content: str) -> None:
    """Write a text file and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


SPREAD = {"train": 4, "val": 2, "test": 4}


def numbers(recipe: str, key: Callable[[int], str]) -> list[int]:
    """Numbers whose patients fall into the three made splits as `SPREAD` says, half of them odd."""
    wanted = {(split, odd): n // 2 for split, n in SPREAD.items() for odd in (0, 1)}
    found = []
    for number in range(1, 1000):
        place = (hashed_split(recipe, key(number)), number % 2)
        if wanted[place]:
            wanted[place] -= 1
            found.append(number)
    return found
