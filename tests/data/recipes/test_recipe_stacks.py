"""Stacks of MedMNIST and pictures in Parquet: damaged, hostile or odd files are named."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vesalius.data.opening import load_dataset, read_dataset
from vesalius.errors import DataError

NAME = "pneumoniamnist"


@pytest.fixture(autouse=True)
def private(tmp_path, monkeypatch):
    """No test touches the user's own caches."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def stack(folder, **changed):
    """A whole file with two images a split, some arrays replaced or (None) left out."""
    folder.mkdir(exist_ok=True)
    arrays = {}
    for split in ("train", "val", "test"):
        arrays[f"{split}_images"] = np.arange(128, dtype=np.uint8).reshape(2, 8, 8)
        arrays[f"{split}_labels"] = np.array([[0], [1]], np.uint8)
    arrays = {key: value for key, value in (arrays | changed).items() if value is not None}
    np.savez(folder / f"{NAME}.npz", **arrays)
    return f"{NAME}={folder}"


def test_pixels_and_labels_stay_together(tmp_path):
    """The second image of a split is the second half of the numbers, with the second label."""
    data = read_dataset(stack(tmp_path / "m"))
    second = next(one for one in data if one.id == "test-000001")
    assert second.labels == ("pneumonia",)
    assert data.read(second).pixels.tolist() == np.arange(64, 128).reshape(8, 8).tolist()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"val_labels": np.array([[0]], np.uint8)}, "val: images and labels differ in number"),
        ({"train_images": np.array([[{}], [{}]], object)}, "expected numbers in C order"),
        ({"test_labels": None}, "the decoder stopped with KeyError"),
    ],
)
def test_a_stack_that_is_not_whole_is_refused(changed, words, tmp_path):
    """Python objects could run code; an array that is not there must not become an empty split."""
    with pytest.raises(DataError, match=words):
        read_dataset(stack(tmp_path / "m", **changed))


def test_a_label_without_a_class_is_a_refused_row(tmp_path):
    """Value 7 of two classes: the row is named, the rest is kept."""
    odd = np.array([[0], [7]], np.uint8)
    data = read_dataset(stack(tmp_path / "m", test_labels=odd))
    (row,) = [one for one in data.problems if one.reason == "unknown_label"]
    assert "label 7" in row.message
    assert len(data) == 5


def test_a_cut_file_and_a_web_page_are_named(tmp_path):
    """An interrupted copy, and a login page under the name of the file."""
    name = stack(tmp_path / "m")
    path = tmp_path / "m" / f"{NAME}.npz"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="the decoder stopped with BadZipFile"):
        load_dataset(name)
    path.write_bytes(b"<html>sign in</html>")
    with pytest.raises(DataError, match="a web page"):
        load_dataset(name)


def test_parquet_of_another_kind_is_named(tmp_path):
    """A missing column, a Git LFS pointer and damaged bytes, each under its file."""
    folder = tmp_path / "rad" / "data"
    folder.mkdir(parents=True)
    for split in ("train", "test"):
        pq.write_table(pa.table({"question": ["?"]}), folder / f"{split}-0.parquet")
    name = f"vqa-rad-hub={tmp_path / 'rad'}"
    with pytest.raises(DataError, match=r"data/train-0.parquet: no column 'image', 'answer'"):
        read_dataset(name)
    (folder / "train-0.parquet").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid")
    with pytest.raises(DataError, match="Git LFS pointer"):
        read_dataset(name)
    (folder / "train-0.parquet").write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(DataError, match="not Parquet"):
        read_dataset(name)
