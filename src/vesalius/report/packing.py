"""Columns packed for a script that opens them when it needs them.

A payload is base64 of gzip of: the length of a header (4 bytes, little-endian), the header as
JSON, and the columns one after the other. Numbers take one, two or four bytes; the lowest bytes
of a column come first, then the next ones, because bytes of one kind pack better together.
"""

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Shaped

from vesalius.records import Json
from vesalius.report.exports import visible

FINEST = 1000  # steps of a share between 0 and 1
NOTHING = 65535  # stands for an undefined share
_WIDTHS: Mapping[int, type[np.unsignedinteger]] = {1: np.uint8, 2: np.uint16, 4: np.uint32}


@dataclass(slots=True)
class Words:
    """Texts stored once each; control and direction-changing characters are made visible."""

    texts: list[str] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def place(self, text: str, /) -> int:
        """Number of a text, a new one if it was not there."""
        if text not in self._places:
            self._places[text] = len(self.texts)
            self.texts.append("\n".join(visible(line) for line in text.split("\n")))
        return self._places[text]


def shares(values: Float[np.ndarray, " n"], /) -> Shaped[np.ndarray, " n"]:
    """Values between 0 and 1 to the nearest thousandth; outside ones are clipped, NaN is kept.

    >>> shares(np.array([0.0, 0.12345, 1.0, np.nan])).tolist()
    [0, 123, 1000, 65535]
    """
    steps = np.floor(np.clip(np.nan_to_num(values), 0.0, 1.0) * FINEST + 0.5)
    return np.where(np.isnan(values), NOTHING, steps).astype(np.uint16)


def pack(header: Mapping[str, Json], columns: Mapping[str, np.ndarray], /) -> str:
    """The payload as text; equal content gives equal text.

    Args:
        header: anything that JSON holds; ``columns`` is added, name → (width in bytes, length).
        columns: whole numbers from 0 to 2³² − 1.
    """
    kept = {name: _narrowest(values) for name, values in columns.items()}
    places = {name: [values.itemsize, values.size] for name, values in kept.items()}
    text = json.dumps({**header, "columns": places}, separators=(",", ":"), allow_nan=False)
    head = text.encode()
    parts = [len(head).to_bytes(4, "little"), head, *map(_by_significance, kept.values())]
    return base64.b64encode(gzip.compress(b"".join(parts), compresslevel=9, mtime=0)).decode()


def _narrowest(values: np.ndarray) -> np.ndarray:
    top = int(values.max(initial=0))
    width = 1 if top <= 0xFF else 2 if top <= 0xFFFF else 4
    return values.astype(_WIDTHS[width])


def _by_significance(values: np.ndarray) -> bytes:
    little = values.astype(values.dtype.newbyteorder("<"))
    return little.view(np.uint8).reshape(-1, values.itemsize).T.tobytes()
