"""Content-addressed cache of frozen features.

A *namespace* is the hash of everything that can change a feature apart from its input: model
fingerprint (weights, revision, dtype, processor), capability, slice policy. A *key* is the hash
of the input's own bytes. A feature is an array: a row, or one row a token. Each batch is one
immutable file that names its keys and carries the hash of its numbers; a damaged file counts as
absent. Nothing here needs a lock.

Features of one shape lie in the file as they are. Where they differ in their number of rows, as
the words of texts do, they follow each other, and the file says how many rows each has.
"""

import hashlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from vesalius.errors import InputError
from vesalius.store.files import write_atomic

Place = tuple[Path, int | slice]
Features = Float[np.ndarray, "n *shape"] | Sequence[np.ndarray]


class FeatureStore:
    """Features on disk under `root`, or in memory only when `root` is None."""

    def __init__(self, root: Path | None, /) -> None:
        self._root = root
        self._places: dict[str, dict[str, Place]] = {}
        self._memory: dict[tuple[str, str], np.ndarray] = {}

    def get(self, namespace: str, keys: Sequence[str], /) -> dict[str, np.ndarray]:
        """What was put under the keys that are there; float32."""
        found = {k: self._memory[namespace, k] for k in keys if (namespace, k) in self._memory}
        places = self._index(namespace)
        wanted: dict[Path, list[str]] = {}
        for key in keys:
            if key not in found and key in places:
                wanted.setdefault(places[key][0], []).append(key)
        for path, here in wanted.items():
            rows = _read_rows(path)
            if rows is None:
                self._forget(namespace, path)
                continue
            found.update({key: rows[places[key][1]] for key in here})
        return found

    def put(self, namespace: str, keys: Sequence[str], features: Features, /) -> None:
        """Keep a batch; on return it survives a crash.

        Raises:
            InputError: if a feature is not finite, the counts differ, or shapes differ in more
                than their first axis.
        """
        rows, lengths = _joined(keys, features)
        if self._root is None:
            found = zip(keys, _places(len(keys), lengths), strict=True)
            self._memory.update({(namespace, key): rows[place] for key, place in found})
            return
        name = hashlib.sha256("\n".join(keys).encode() + rows.tobytes() + lengths.encode())
        path = self._folder(namespace) / f"{name.hexdigest()[:32]}.safetensors"
        metadata = {"keys": json.dumps(list(keys)), "sha256": _hash(rows, lengths)}
        if lengths:
            metadata["lengths"] = lengths
        write_atomic(path, save({"rows": rows}, metadata=metadata))
        self._index(namespace).update(_in_file(path, keys, lengths))

    def _folder(self, namespace: str) -> Path:
        assert self._root is not None
        return self._root / namespace[:2] / namespace

    def _index(self, namespace: str) -> dict[str, Place]:
        if self._root is None:
            return {}
        if namespace not in self._places:
            places: dict[str, Place] = {}
            for path in sorted(self._folder(namespace).glob("*.safetensors")):
                places.update(_read_places(path))
            self._places[namespace] = places
        return self._places[namespace]

    def _forget(self, namespace: str, path: Path) -> None:
        places = self._places[namespace]
        self._places[namespace] = {k: place for k, place in places.items() if place[0] != path}
        path.unlink(missing_ok=True)


def _joined(keys: Sequence[str], features: Features) -> tuple[np.ndarray, str]:
    """All numbers in one array, and the lengths as JSON where features differ in their length."""
    n_bad = sum(not np.isfinite(one).all() for one in features)
    if len(keys) != len(features) or n_bad:
        raise InputError(
            f"expected {len(keys)} finite features, got {len(features)}, {n_bad} not finite"
        )
    shapes = sorted({np.shape(one) for one in features})
    if len(shapes) <= 1:
        return np.ascontiguousarray(features, dtype=np.float32), ""
    if any(len(shape) < 2 or shape[1:] != shapes[0][1:] for shape in shapes):
        raise InputError(f"expected features that differ in their length only, got {shapes}")
    rows = np.concatenate(features, dtype=np.float32)
    return rows, json.dumps([len(one) for one in features])


def _places(n: int, lengths: str) -> list[int | slice]:
    """Where each of n features lies along the first axis."""
    if not lengths:
        return list(range(n))
    ends = list(itertools.accumulate(json.loads(lengths)))
    return [slice(start, end) for start, end in itertools.pairwise([0, *ends])]


def _in_file(path: Path, keys: Sequence[str], lengths: str) -> dict[str, Place]:
    found = zip(keys, _places(len(keys), lengths), strict=True)
    return {key: (path, place) for key, place in found}


def _hash(rows: np.ndarray, lengths: str) -> str:
    return hashlib.sha256(rows.tobytes() + lengths.encode()).hexdigest()


def _read_places(path: Path) -> dict[str, Place]:
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata()
            return _in_file(path, json.loads(metadata["keys"]), metadata.get("lengths", ""))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return {}


def _read_rows(path: Path) -> np.ndarray | None:
    try:
        with safe_open(path, framework="np") as file:
            rows: np.ndarray = file.get_tensor("rows")
            metadata = file.metadata()
            is_whole = metadata["sha256"] == _hash(rows, metadata.get("lengths", ""))
            return rows if is_whole else None
    except (SafetensorError, OSError, KeyError, TypeError):
        return None
