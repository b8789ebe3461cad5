"""The feature cache: what is there is right, what is damaged is absent."""

import hashlib
import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from vesalius.errors import InputError
from vesalius.store.features import FeatureStore

ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)
KEYS = ("k0", "k1", "k2")


@pytest.fixture(params=["memory", "disk"])
def store(request, tmp_path):
    """A store of either kind."""
    return FeatureStore(tmp_path if request.param == "disk" else None)


def test_rows_come_back_under_their_keys(store):
    """Each key gives its own row; unknown keys and other namespaces give nothing."""
    store.put("n1", KEYS, ROWS)
    found = store.get("n1", ("k2", "k0", "other"))
    assert set(found) == {"k0", "k2"}
    np.testing.assert_array_equal(found["k2"], ROWS[2])
    assert store.get("n2", KEYS) == {}


def test_another_process_finds_what_was_put(tmp_path):
    """A new store on the same folder has all rows."""
    FeatureStore(tmp_path).put("n1", KEYS, ROWS)
    again = FeatureStore(tmp_path).get("n1", KEYS)
    np.testing.assert_array_equal(np.stack([again[k] for k in KEYS]), ROWS)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_file_counts_as_absent_and_can_be_replaced(tmp_path, damage):
    """A flipped bit, a cut file or an empty one never gives a wrong feature."""
    FeatureStore(tmp_path).put("n1", KEYS, ROWS)
    (path,) = tmp_path.rglob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes({"flip": bytes(content), "cut": bytes(content[:-3]), "empty": b""}[damage])
    store = FeatureStore(tmp_path)
    assert store.get("n1", KEYS) == {}
    store.put("n1", KEYS, ROWS)
    assert set(FeatureStore(tmp_path).get("n1", KEYS)) == set(KEYS)


def test_rows_that_are_not_finite_are_refused(store):
    """NaN never becomes a cached feature."""
    with pytest.raises(InputError, match="finite"):
        store.put("n1", ("k",), np.array([[np.nan, 1.0]], dtype=np.float32))


def test_counts_must_agree(store):
    """Two keys for three rows are refused."""
    with pytest.raises(InputError, match="expected 2"):
        store.put("n1", ("a", "b"), ROWS)


WORDS = [np.full((n, 2), n, dtype=np.float32) for n in (3, 1, 2)]
GRIDS = np.arange(24, dtype=np.float32).reshape(3, 4, 2)


def test_features_of_several_rows_come_back_as_they_are(store):
    """Grids of one shape, and words of different number, keep their own rows and shape."""
    store.put("grids", KEYS, GRIDS)
    store.put("words", KEYS, WORDS)
    for namespace, features in (("grids", GRIDS), ("words", WORDS)):
        found = store.get(namespace, KEYS)
        assert list(found) == list(KEYS)
        for key, feature in zip(KEYS, features, strict=True):
            np.testing.assert_array_equal(found[key], feature)


def test_another_process_finds_features_of_several_rows(tmp_path):
    """Where each feature begins and ends is in the file."""
    FeatureStore(tmp_path).put("words", KEYS, WORDS)
    found = FeatureStore(tmp_path).get("words", ("k2", "k0"))
    np.testing.assert_array_equal(found["k2"], WORDS[2])
    np.testing.assert_array_equal(found["k0"], WORDS[0])


@pytest.mark.parametrize("lengths", ["[1, 3, 2]", "[3, 1]", "[3, 1", ""])
def test_lengths_that_were_changed_make_the_file_absent(tmp_path, lengths):
    """Numbers are intact, but no longer those of their keys."""
    FeatureStore(tmp_path).put("words", KEYS, WORDS)
    (path,) = tmp_path.rglob("*.safetensors")
    with safe_open(path, framework="np") as file:
        metadata, rows = file.metadata(), file.get_tensor("rows")
    path.write_bytes(save({"rows": rows}, metadata=metadata | {"lengths": lengths}))
    assert FeatureStore(tmp_path).get("words", KEYS) == {}


def test_files_of_rows_are_as_they_were(tmp_path):
    """A cache that was filled before features could have several rows stays valid."""
    metadata = {"keys": json.dumps(KEYS), "sha256": hashlib.sha256(ROWS.tobytes()).hexdigest()}
    path = tmp_path / "n1" / "n1" / "any.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(save({"rows": ROWS}, metadata=metadata))
    np.testing.assert_array_equal(FeatureStore(tmp_path).get("n1", KEYS)["k1"], ROWS[1])


def test_features_of_other_dimensions_are_refused(store):
    """What cannot lie in one array is an error of the caller, as is a mixture of rows."""
    odd = [np.zeros((2, 2), np.float32), np.zeros((2, 3), np.float32)]
    with pytest.raises(
        InputError, match=r"differ in their length only, got \[\(2, 2\), \(2, 3\)\]"
    ):
        store.put("n1", ("a", "b"), odd)
    with pytest.raises(InputError, match="differ in their length only"):
        store.put("n1", ("a", "b"), [np.zeros(2, np.float32), np.zeros(3, np.float32)])
    assert store.get("n1", ("a", "b")) == {}
