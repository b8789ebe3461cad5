"""Tar shards: classes and pictures stay together; cut, hostile or odd ones are named."""

import tarfile

import pytest
from layouts_pictures import LAYOUTS, samples, shard
from published import encoded, text

from vesalius.data.opening import load_dataset, read_dataset
from vesalius.data.recipes import hub_shards
from vesalius.data.recipes.prepare import prepared_root
from vesalius.errors import DataError

NAME = "diabetic-retinopathy"


@pytest.fixture(autouse=True)
def private(tmp_path, monkeypatch):
    """No test touches the user's own caches."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path):
    """A miniature copy: five training photographs in one shard, five test ones in two."""
    folder = tmp_path / "eyes"
    LAYOUTS[NAME].build(folder)
    return folder


def refused(root, words):
    """Reading fails with these words and leaves nothing half-made."""
    with pytest.raises(DataError, match=words):
        read_dataset(f"{NAME}={root}")
    assert list(prepared_root().glob("*")) == []
    assert list(prepared_root().glob(".*")) == []


def test_numbers_become_grades_and_pictures_come_as_they_are(root):
    """0 to 4 are no to proliferative; the file written out has the bytes of the entry."""
    data = read_dataset(f"{NAME}={root}")
    found = {one.id: (one.split, *one.labels) for one in data}
    assert found["test-s0000000"] == ("test", "no diabetic retinopathy")
    assert found["test-s0000003"] == ("test", "severe diabetic retinopathy")
    assert found["train-s0000004"] == ("train", "proliferative diabetic retinopathy")
    (made,) = prepared_root().glob(f"{NAME}-*/images/test/s0000003.webp")
    assert made.read_bytes() == encoded(3, "WEBP")
    assert data.card.classes["mild diabetic retinopathy"] == ("mild diabetic retinopathy",)
    assert data.card.templates == ("a retinal image with {}",)


def test_shards_follow_their_numbers(root):
    """Shard 10 comes after shard 2, so that rows stand in the published order."""
    for number in (2, 10):
        shard(root / "test" / f"{number}.tar", samples(range(number * 10, number * 10 + 1)))
    ids = [one.id for one in read_dataset(f"{NAME}={root}") if one.split == "test"]
    assert ids == [f"test-s{number:07d}" for number in (0, 1, 2, 3, 4, 20, 100)]


def test_training_is_read_only_where_it_is_there_and_then_whole(root):
    """Training that comes later is seen; a training shard that lacks is said, not passed over."""
    (root / "train").rename(root.parent / "aside")
    assert {one.split for one in read_dataset(f"{NAME}={root}")} == {"test"}
    (root.parent / "aside").rename(root / "train")
    assert {one.split for one in read_dataset(f"{NAME}={root}")} == {"train", "test"}
    text(root / "train" / "nshards.txt", "3\n")
    (root / "train" / "0.tar").touch()
    with pytest.raises(DataError, match=r"train/nshards.txt: expected 3 shards, 1 are here"):
        read_dataset(f"{NAME}={root}")


def test_a_missing_test_shard_is_a_count_that_does_not_fit(root):
    """Half of the test photographs is no known answer."""
    with pytest.raises(DataError, match=r"n_expected = 42670, n_loaded = 5") as caught:
        load_dataset(f"{NAME}={root}")
    assert caught.value.reason == "count_mismatch"


def test_other_class_names_are_refused(root):
    """Shards hold numbers; with another order of names each would mean another grade."""
    names = ("mild", "no", "moderate", "severe", "proliferative")
    text(root / "classnames.txt", "".join(f"{one} diabetic retinopathy\n" for one in names))
    refused(root, r"classnames.txt: expected \('no diabetic")


def test_a_number_without_a_grade_is_a_refused_row(root):
    """A sixth class is named, the others are kept."""
    shard(root / "test" / "1.tar", samples(range(3, 6), n_classes=6))
    data = read_dataset(f"{NAME}={root}")
    (row,) = [one for one in data.problems if one.reason == "unknown_label"]
    assert "label 5" in row.message
    assert len(data) == 10


WEBP = encoded(0, "WEBP")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"a.cls": b"0", "../a.webp": WEBP}, r"test/1.tar: entry '../a.webp' is no file KEY"),
        ({"a.cls": b"0", "/a.webp": WEBP}, "entry '/a.webp' is no file KEY"),
        ({"a.cls": b"0", "a.txt": b"x"}, "entry 'a.txt' is no file KEY"),
        ({"a.cls": b"0", "b.webp": WEBP}, "a: expected a picture and its .cls, got cls"),
        ({"a.cls": b"0", "a.jpg": WEBP, "a.png": WEBP}, "got jpg, png, cls"),
        ({"a.cls": b"-1", "a.webp": WEBP}, "a.cls: expected a number, got b'-1'"),
        ({"a.cls": b"0", "a.webp": bytes(2001)}, "a.webp: 2,001 bytes, at most 2,000"),
        (samples(range(2, 4)), "s0000002 stands in more than one place"),
    ],
)
def test_a_shard_of_another_kind_is_refused(entries, words, root, monkeypatch):
    """Nothing is written outside, no picture without its class, none over another."""
    monkeypatch.setattr(hub_shards, "_MOST_BYTES", 2000)
    shard(root / "test" / "1.tar", entries)
    refused(root, words)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE,
                                  tarfile.GNUTYPE_SPARSE, tarfile.DIRTYPE])  # fmt: skip
def test_links_and_devices_in_a_shard_are_refused(kind, root):
    """A link to /etc/passwd must not become a picture."""
    with tarfile.open(root / "test" / "1.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        entry = tarfile.TarInfo("s0000009.webp")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    refused(root, r"is no file KEY|not a tar archive, or damaged")


def test_placeholders_and_cut_or_damaged_shards_are_named(root):
    """A cut archive ends in silence for the library, also where an entry ends."""
    path = root / "test" / "1.tar"
    whole = path.read_bytes()
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid")
    refused(root, r"test/1.tar: a Git LFS pointer")
    path.write_bytes(whole.rstrip(b"\0"))
    refused(root, "test/1.tar: cut off, or no tar archive")
    path.write_bytes(b"\xff" * 512 + whole[512:])
    refused(root, "not a tar archive, or damaged")
    path.write_bytes(b"")
    refused(root, "the file is empty")
