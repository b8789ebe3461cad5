"""Splits for data sets whose publisher made none, or kept the test labels to himself."""

import hashlib

from vesalius.records import Split

MADE_HERE = "made by Vesalius from the hash of the patient key: 70 % train, 10 % val, 20 % test"
_ENDS: tuple[tuple[float, Split], ...] = ((0.7, "train"), (0.8, "val"), (1.0, "test"))


VAL_MADE_HERE = "validation made by Vesalius: an eighth of the official training patients, by hash"


def val_of_train(name: str, patient: str, /) -> Split:
    """``train`` or, for an eighth of the patients, ``val``."""
    return "val" if _place(name, patient) < 1 / 8 else "train"


def hashed_split(name: str, patient: str, /) -> Split:
    """The split of a patient: the same on every machine, whatever other patients there are.

    >>> [hashed_split("busi", str(n)) for n in range(5)]
    ['train', 'train', 'train', 'test', 'test']
    """
    place = _place(name, patient)
    return next(split for end, split in _ENDS if place < end)


def _place(name: str, patient: str) -> float:
    """Where in [0, 1) the hash of a patient lies."""
    digest = hashlib.sha256(f"{name}/{patient}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
