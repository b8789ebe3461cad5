"""The feature cache: what is there is right, what is damaged is absent."""

import numpy as np
import pytest

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
