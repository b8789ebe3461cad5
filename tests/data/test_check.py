"""`check_dataset` names everything and never raises."""

from pathlib import Path

import numpy as np
from datasetfolders import CARD, PHRASES, SAMPLES, write_folder
from imagefiles import write_nifti, write_png

from vesalius.data.check import check_dataset


def test_good_folder_is_ok(tmp_path: Path) -> None:
    """Counts are right, every file is decoded, progress is told."""
    seen: list[tuple[int, int]] = []
    report = check_dataset(
        write_folder(tmp_path), progress=lambda done, total: seen.append((done, total))
    )
    assert report.ok
    assert report.n_samples == {"train": 2, "val": 1, "test": 1}
    assert report.n_patients == {"train": 1, "val": 1, "test": 1}
    assert (report.n_questions, report.n_phrases, report.n_decoded) == (2, 2, 5)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_every_fault_is_named(tmp_path: Path) -> None:
    """Unreadable images, priors and masks, foreign values, boxes outside: each with its place."""
    samples = SAMPLES.replace(",note", ",prior_image").replace(",F,x", ",F,images/c.png", 1)
    samples = samples.replace(",x\n", ",\n")
    write_folder(
        tmp_path,
        samples=samples.replace(
            "b,p1,train,images/b.png,pneumonia,", "b,p1,train,images/b.png,pneumonia,masks/b.png"
        ),
        phrases=PHRASES + "b,big,0,0,5,3\nb,deep,0,0,1,1\n",
    )
    write_png(tmp_path / "masks/a.png", np.full((3, 4), 7, np.uint8))
    write_png(tmp_path / "masks/b.png", np.zeros((2, 2), np.uint8))
    (tmp_path / "images/c.png").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    report = check_dataset(tmp_path)
    found = {(problem.where, problem.reason) for problem in report.problems}
    assert not report.ok
    assert ("sample 'a'", "unknown_structure") in found
    assert ("sample 'a', images/c.png", "lfs_pointer") in found
    assert ("sample 'b', masks/b.png", "mask_shape") in found
    assert ("sample 'c', images/c.png", "lfs_pointer") in found
    assert ("phrase 'big' of sample 'b'", "bad_box") in found
    assert ("phrase 'deep' of sample 'b'", "bad_box") not in found


def test_pixels_need_not_be_read(tmp_path: Path) -> None:
    """Without pixels only tables are checked."""
    write_folder(tmp_path)
    (tmp_path / "images/c.png").write_bytes(b"x")
    report = check_dataset(tmp_path, read_pixels=False)
    assert (report.ok, report.n_decoded) == (True, 0)


def test_boxes_of_volumes(tmp_path: Path) -> None:
    """A volume needs boxes with three axes, within x, y and z."""
    text = "id,phrase,x0,y0,x1,y1,z0,z1\na,ok,0,0,2,3,0,4\na,flat,0,0,2,3,,\na,out,0,0,2,3,0,5\n"
    write_folder(
        tmp_path,
        phrases=text,
        samples=SAMPLES.replace("a.png,normal,masks/a.png", "a.nii.gz,normal,"),
    )
    write_nifti(tmp_path / "images/a.nii.gz", np.zeros((2, 3, 4), np.int16))
    report = check_dataset(tmp_path)
    assert [problem.where for problem in report.problems] == [
        "phrase 'flat' of sample 'a'",
        "phrase 'out' of sample 'a'",
    ]


def test_overlap_and_bad_folders_are_reported(tmp_path: Path) -> None:
    """What `load_dataset` raises, the report lists."""
    write_folder(tmp_path / "a", samples=SAMPLES + "e,p1,test,images/a.png,normal,,,,,\n")
    assert [problem.reason for problem in check_dataset(tmp_path / "a").problems] == [
        "patient_overlap"
    ]
    write_folder(tmp_path / "b", card=CARD.replace("name: little\n", ""))
    report = check_dataset(tmp_path / "b")
    assert (report.name, [problem.reason for problem in report.problems]) == ("b", ["bad_card"])
    assert check_dataset(tmp_path / "none").problems[0].reason == "missing_file"
