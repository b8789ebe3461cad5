"""Content-addressed cache of frozen features.

A *namespace* is the hash of everything that can change a feature apart from its input: model
fingerprint (weights, revision, dtype, processor), capability, slice policy. A *key* is the hash
of the input's own bytes. Each batch is one immutable file that names its keys and carries the
hash of its numbers; a damaged file counts as absent. Nothing here needs a lock.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from vesalius.errors import InputError
from vesalius.store.files import write_atomic


class FeatureStore:
    """Features on disk under `root`, or in memory only when `root` is None."""

    def __init__(self, root: Path | None, /) -> None:
        self._root = root
        self._places: dict[str, dict[str, tuple[Path, int]]] = {}
        self._memory: dict[tuple[str, str], np.ndarray] = {}

    def get(self, namespace: str, keys: Sequence[str], /) -> dict[str, np.ndarray]:
        """Rows of the keys that are there; float32, shape (dim,)."""
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

    def put(self, namespace: str, keys: Sequence[str], rows: Float[np.ndarray, "n dim"], /) -> None:
        """Keep a batch; on return it survives a crash.

        Raises:
            InputError: if a row is not finite or the counts differ.
        """
        if len(keys) != len(rows) or not np.isfinite(rows).all():
            raise InputError(f"expected {len(keys)} finite feature rows, got {rows.shape}")
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        if self._root is None:
            self._memory.update({(namespace, k): row for k, row in zip(keys, rows, strict=True)})
            return
        name = hashlib.sha256("\n".join(keys).encode() + rows.tobytes()).hexdigest()[:32]
        path = self._folder(namespace) / f"{name}.safetensors"
        metadata = {"keys": json.dumps(list(keys)), "sha256": _hash(rows)}
        write_atomic(path, save({"rows": rows}, metadata=metadata))
        self._index(namespace).update({key: (path, i) for i, key in enumerate(keys)})

    def _folder(self, namespace: str) -> Path:
        assert self._root is not None
        return self._root / namespace[:2] / namespace

    def _index(self, namespace: str) -> dict[str, tuple[Path, int]]:
        if self._root is None:
            return {}
        if namespace not in self._places:
            places: dict[str, tuple[Path, int]] = {}
            for path in sorted(self._folder(namespace).glob("*.safetensors")):
                places.update({key: (path, i) for i, key in enumerate(_read_keys(path))})
            self._places[namespace] = places
        return self._places[namespace]

    def _forget(self, namespace: str, path: Path) -> None:
        places = self._places[namespace]
        self._places[namespace] = {k: place for k, place in places.items() if place[0] != path}
        path.unlink(missing_ok=True)


def _hash(rows: np.ndarray) -> str:
    return hashlib.sha256(rows.tobytes()).hexdigest()


def _read_keys(path: Path) -> list[str]:
    try:
        with safe_open(path, framework="np") as file:
            keys: list[str] = json.loads(file.metadata()["keys"])
            return keys
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return []


def _read_rows(path: Path) -> np.ndarray | None:
    try:
        with safe_open(path, framework="np") as file:
            rows: np.ndarray = file.get_tensor("rows")
            return rows if _hash(rows) == file.metadata()["sha256"] else None
    except (SafetensorError, OSError, KeyError, TypeError):
        return None
