"""Opens what a page packs, written apart from what packs it."""

import base64
import gzip
import json
import struct
from dataclasses import dataclass


@dataclass
class Opened:
    """Header and columns of a payload."""

    header: dict
    columns: dict[str, list[int]]


def opened(payload: str) -> Opened:
    """Take a payload apart byte by byte."""
    raw = gzip.decompress(base64.b64decode(payload))
    (size,) = struct.unpack("<I", raw[:4])
    header = json.loads(raw[4 : 4 + size])
    at, columns = 4 + size, {}
    for name, (width, length) in header.pop("columns").items():
        planes = [raw[at + part * length : at + (part + 1) * length] for part in range(width)]
        columns[name] = [
            sum(byte << (8 * part) for part, byte in enumerate(row))
            for row in zip(*planes, strict=True)
        ]
        at += width * length
    assert at == len(raw)
    return Opened(header, columns)
