"""Near-duplicates: copies are found under other bytes, lookalikes are not."""

import gzip
import io
import shutil

import numpy as np
import pytest
from PIL import Image as Pillow
from small_world import squares

from vesalius.data.manifest import load_dataset
from vesalius.data.phantom import write_phantom
from vesalius.engine.duplicates import correlations, near_duplicates, perceptual_hashes
from vesalius.engine.info import dataset_info
from vesalius.engine.progress import no_progress
from vesalius.engine.sources import hash_dataset


def source_of(folder):
    """A dataset whose images have been hashed."""
    data = load_dataset(folder)
    return hash_dataset(data, tuple(data), progress=no_progress)


@pytest.fixture(scope="module")
def chests(tmp_path_factory):
    """Radiographs that all look alike, patients kept apart."""
    folder = tmp_path_factory.mktemp("near") / "chests"
    write_phantom(folder, n_patients=40, seed=3)
    return folder


@pytest.fixture
def doctored(chests, tmp_path):
    """The cohort again, with the radiograph of a train patient put in place of a test patient's."""
    folder = tmp_path / "doctored"
    shutil.copytree(chests, folder)
    data = load_dataset(folder)
    one = next(s for s in data if s.split == "train" and s.image.suffix == ".png")
    other = next(s for s in data if s.split == "test" and s.image.suffix == ".png")
    return one, other


def near(folder):
    """What run.json would say of the folder."""
    source = source_of(folder)
    return near_duplicates(source, source.samples)


def recompressed(picture):
    """Through JPEG at quality 50."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=50)
    return Pillow.open(io.BytesIO(stream.getvalue()))


CHANGES = {
    "recompressed": recompressed,
    "resized": lambda p: p.resize((p.width * 3 // 5, p.height * 3 // 5)),
    "darker and flatter": lambda p: p.point(lambda v: 20 + v * 6 // 10),
    "another order of bytes": lambda p: p,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_in_another_split_is_found(doctored, change):
    """One pair, named by ids, and no other of hundreds of lookalike chests."""
    one, other = doctored
    picture = CHANGES[change](Pillow.open(one.image).convert("L"))
    picture.save(other.image, compress_level=1)
    found = near(one.image.parents[1])
    assert found["pairs"] == [sorted([one.id, other.id])]
    assert (found["n_pairs"], found["reason"]) == (1, "")


def test_no_false_alarm_among_chests_that_look_alike(chests):
    """Different patients of one device are no duplicates, nor are visits of one patient."""
    found = near(chests)
    assert found["n_images"] == len(load_dataset(chests)) > 40
    assert (found["n_pairs"], found["pairs"]) == (0, [])


def test_volumes_are_compared_by_their_middle_slice(chests, tmp_path):
    """The same volume, compressed in another way, is found in another split."""
    folder = tmp_path / "volumes"
    shutil.copytree(chests / "ct", folder)
    data = load_dataset(folder)
    one, other = (next(s for s in data if s.split == split) for split in ("train", "test"))
    other.image.write_bytes(gzip.compress(gzip.decompress(one.image.read_bytes()), 1))
    assert near(folder)["pairs"] == [sorted([one.id, other.id])]


def test_equal_files_are_listed_once_and_elsewhere(doctored):
    """Exact duplicates have their own list."""
    one, other = doctored
    shutil.copy(one.image, other.image)
    source = source_of(one.image.parents[1])
    info = dataset_info(source, source.samples)
    assert info["near_duplicates"]["n_pairs"] == 0
    assert [sorted(pair) for pair in info["duplicates_across_splits"]] == [
        sorted([one.id, other.id])
    ]


def test_nothing_is_read_again_for_the_same_data(chests):
    """A record of the same fingerprint is taken over; one of other data is not."""
    source = source_of(chests)
    first = dataset_info(source, source.samples)
    marked = first | {"near_duplicates": first["near_duplicates"] | {"n_pairs": -1}}
    again = dataset_info(source, source.samples, marked)
    assert again["near_duplicates"]["n_pairs"] == -1
    other = marked | {"fingerprint": "of other data"}
    assert dataset_info(source, source.samples, other)["near_duplicates"]["n_pairs"] == 0


def test_an_unreadable_image_is_left_out_and_the_count_says_so(doctored):
    """A damaged file does not end the run."""
    one, other = doctored
    other.image.write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    folder = one.image.parents[1]
    assert near(folder)["n_images"] == len(load_dataset(folder)) - 1


def test_one_split_has_nothing_to_compare(tmp_path):
    """A reason, not a clean bill."""
    source = squares(tmp_path / "data", n_patients=12)
    hashed = hash_dataset(source, source.split("train"), progress=no_progress)
    assert near_duplicates(hashed, hashed.samples)["reason"] == "all images stand in one split"


def test_correlation_is_that_of_numpy_and_undefined_for_one_grey():
    """Every pair as np.corrcoef has it."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (4, 64, 64), dtype=np.uint8)
    pictures[3] = 7
    first, second = np.array([0, 1, 0]), np.array([1, 2, 3])
    found = correlations(pictures, first, second)
    expected = np.corrcoef(pictures.reshape(4, -1)[:3].astype(float))
    np.testing.assert_allclose(found[:2], [expected[0, 1], expected[1, 2]], atol=1e-6)
    assert np.isnan(found[2])


def test_hash_ignores_brightness_and_contrast():
    """Bits compare frequencies with their median, so a linear change flips none."""
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 100, (1, 64, 64), dtype=np.uint8)
    assert perceptual_hashes(picture) == perceptual_hashes(picture * np.uint8(2) + np.uint8(9))
