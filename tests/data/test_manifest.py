"""Dataset folders: what a good one gives, and how every fault is told."""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasetfolders import CARD, PHRASES, QUESTIONS, SAMPLES, write_folder

from vesalius.data.manifest import load_dataset
from vesalius.data.readers import content_digest
from vesalius.errors import DataError


def test_good_folder(tmp_path: Path) -> None:
    """Every column arrives in its field, with its type."""
    data = load_dataset(write_folder(tmp_path))
    assert data.problems == ()
    assert [sample.id for sample in data] == ["a", "b", "c", "d"]
    first, second, third, last = data
    assert (first.patient, first.split, first.labels) == ("p1", "train", ("normal",))
    assert first.caption == "clear, both sides"
    assert first.image == tmp_path.resolve() / "images/a.png"
    assert first.extra == {"age": 30.0, "sex": "F", "note": "x"}
    assert math.isnan(second.extra["age"])
    assert third.extra["sex"] is None
    assert (last.labels, last.labelled, last.mask, last.caption) == ((), False, None, None)
    assert data[1:3] == (second, third)
    assert data.split("test") == (last,)
    assert data.questions[0].answers == ("yes", "normal")
    assert data.questions[1].answers == ("left",)
    assert [phrase.box for phrase in data.phrases] == [(1.0, 0.0, 3.0, 2.5), None]
    assert list(data.card.classes) == ["normal", "pneumonia"]
    assert data.card.classes["pneumonia"] == ("pneumonia", "consolidation")


def test_reading_through_the_dataset(tmp_path: Path) -> None:
    """Images and masks come with names relative to the folder and cached digests."""
    data = load_dataset(write_folder(tmp_path))
    image = data.read(data[1])
    assert image.source == "images/b.png"
    assert image.pixels.max() == 50
    assert data.read_prior(data[1]) is None
    assert data.read_mask(data[1], like=image) is None
    mask = data.read_mask(data[0], like=data.read(data[0]))
    assert np.unique(mask).tolist() == [0, 1, 2]
    assert data.digest(data[1]) == image.digest == content_digest(tmp_path / "images/b.png")


def test_digest_is_kept_until_the_file_changes(tmp_path: Path) -> None:
    """A second call does not read the file; a changed or vanished file is noticed."""
    data = load_dataset(write_folder(tmp_path))
    before = data.digest(data[0])
    assert data.digest(data[0]) == before
    (tmp_path / "images/a.png").write_bytes((tmp_path / "images/b.png").read_bytes() + b"\0")
    assert data.digest(data[0]) != before
    (tmp_path / "images/a.png").unlink()
    with pytest.raises(DataError, match=r"images/a\.png"):
        data.digest(data[0])


def test_digest_notices_new_data_of_an_old_header(tmp_path: Path) -> None:
    """The digest of an ``.mhd`` is taken anew when only its data file changed."""
    samples = "id,split,image,age,sex\na,test,images/a.mhd,,\n"
    data = load_dataset(
        write_folder(
            tmp_path,
            samples=samples,
            questions="id,question,answer,type\n",
            phrases=PHRASES.split("\n")[0],
        )
    )
    assert len(data) == 0  # the file is not there yet
    header = "NDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\nElementDataFile = a.raw\n"
    (tmp_path / "images/a.mhd").write_text(header)
    (tmp_path / "images/a.raw").write_bytes(bytes(8))
    data = load_dataset(tmp_path)
    before = data.digest(data[0])
    (tmp_path / "images/a.raw").write_bytes(bytes(9))
    assert data.digest(data[0]) != before


def test_license_and_citation_change_no_digest(tmp_path: Path) -> None:
    """Correcting a citation must not make results worthless; another template does."""
    digests = {
        load_dataset(write_folder(tmp_path, card=CARD + extra)).card.digest
        for extra in ("", "license: CC0\n", "citation: Somebody\n")
    }
    assert len(digests) == 1
    other = CARD.replace("x-ray showing {}", "{}")
    assert load_dataset(write_folder(tmp_path, card=other)).card.digest not in digests


def test_every_other_column_is_kept_as_text(tmp_path: Path) -> None:
    """What the card does not name is there for fusion; columns with a field are not repeated."""
    samples = "id,split,image,age,sex,bnp,history\na,test,images/a.png,,F, 12.5,\n"
    (only,) = load_dataset(write_folder(tmp_path, samples=samples))[:1]
    assert list(only.extra) == ["age", "sex", "bnp", "history"]
    assert (only.extra["bnp"], only.extra["history"]) == (" 12.5", None)


def test_every_row_of_ragged_jsonl_has_every_column(tmp_path: Path) -> None:
    """A key that a row leaves out is None, not absent."""
    root = write_folder(tmp_path, questions=QUESTIONS.split("\n")[0])
    rows = [
        {"id": "a", "split": "test", "image": "images/a.png", "age": "", "sex": "F", "bnp": 3},
        {"id": "b", "split": "test", "image": "images/b.png", "history": "well"},
    ]
    _as_jsonl(root, "samples", rows)
    first, second = load_dataset(root)
    assert (first.extra["history"], first.extra["bnp"]) == (None, "3")
    assert (second.extra["history"], second.extra["bnp"]) == ("well", None)


def test_only_named_columns_change_the_digest(tmp_path: Path) -> None:
    """Somebody's note must not make results worthless; a column of the card does."""
    digests = [
        load_dataset(write_folder(tmp_path, samples=samples)).card.digest
        for samples in (
            SAMPLES,
            SAMPLES.replace(",x\n", ",another note\n"),
            SAMPLES.replace("30,F", "31,F"),
            SAMPLES.replace("30,F", "30,M"),
        )
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_blanks_around_names_do_not_matter(tmp_path: Path) -> None:
    """``p1`` and ``p1 `` are one patient, a blank patient is none, and ids find each other."""
    samples = (
        "id,patient,split,image,age,sex\na ,p1 ,train,images/a.png,,\nb,p1,train,images/b.png,,\n"
    )
    samples += "c,  ,val,images/c.png,,\nb ,p2,val,images/d.png,,\n"
    questions = "id,question,answer,type\n b,Where?,left,open\n"
    data = load_dataset(
        write_folder(
            tmp_path,
            samples=samples,
            questions=questions,
            phrases="id,phrase,x0,y0,x1,y1\na  ,opacity,,,,\n",
        )
    )
    assert [(sample.id, sample.patient) for sample in data] == [
        ("a", "p1"),
        ("b", "p1"),
        ("c", "c"),
    ]
    assert [problem.reason for problem in data.problems] == ["duplicate_id"]
    assert (data.questions[0].id, data.phrases[0].id) == ("b", "a")


def test_one_patient_with_blanks_cannot_stand_in_two_splits(tmp_path: Path) -> None:
    """Leakage is found although one of the names ends in a blank."""
    with pytest.raises(DataError) as caught:
        load_dataset(write_folder(tmp_path, samples=SAMPLES.replace("c,p2", "c,p1 ")))
    assert caught.value.reason == "patient_overlap"


def test_a_closed_answer_must_be_offered(tmp_path: Path) -> None:
    """A question whose answer no choice can reach would always count as wrong."""
    questions = QUESTIONS.replace("yes,closed", "maybe,closed")
    data = load_dataset(write_folder(tmp_path, questions=questions))
    assert [problem.reason for problem in data.problems] == ["bad_value"]
    assert "'maybe' is not among its choices" in data.problems[0].message


def test_multilabel_and_defaults(tmp_path: Path) -> None:
    """Labels split at |; an empty cell is labelled normal; the patient defaults to the id."""
    samples = "id,split,image,label\na,test,images/a.png,normal|pneumonia\nb,test,images/b.png,\n"
    data = load_dataset(
        write_folder(
            tmp_path,
            card=CARD.split("tabular")[0] + "multilabel: true",
            samples=samples,
            questions=QUESTIONS.split("\n")[0],
            phrases=PHRASES.split("\n")[0],
        )
    )
    assert [sample.labels for sample in data] == [("normal", "pneumonia"), ()]
    assert [sample.labelled for sample in data] == [True, True]
    assert data[0].patient == "a"


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def _as_jsonl(root: Path, stem: str, rows: list[dict[str, str]]) -> None:
    (root / f"{stem}.csv").unlink()
    lines = (json.dumps({key: value or None for key, value in row.items()}) for row in rows)
    (root / f"{stem}.jsonl").write_text("\n".join(lines) + "\n\n")


def test_digest_does_not_depend_on_order_or_format(tmp_path: Path) -> None:
    """CSV, JSONL and Parquet of the same rows in any order are one dataset."""
    data = load_dataset(write_folder(tmp_path / "csv"))
    jsonl = write_folder(tmp_path / "jsonl")
    for stem, text in (("samples", SAMPLES), ("questions", QUESTIONS), ("phrases", PHRASES)):
        _as_jsonl(jsonl, stem, _rows(text)[::-1])
    parquet = write_folder(tmp_path / "parquet")
    (parquet / "samples.csv").unlink()
    rows = _rows(SAMPLES)
    columns = {key: [row[key] or None for row in rows] for key in rows[0]}
    columns["age"] = [float(age) if age else math.nan for age in columns["age"]]
    pq.write_table(pa.table(columns), parquet / "samples.parquet")
    for other in (load_dataset(jsonl), load_dataset(parquet)):
        assert other.problems == ()
        assert other.card.digest == data.card.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (SAMPLES, SAMPLES.replace("44.5", "44.6")),
        (SAMPLES, SAMPLES.replace("c,p2,val", "c,p2,test")),
        (CARD, CARD.replace("no finding", "nothing")),
        (
            CARD,
            CARD.replace('  normal: ["no finding"]\n', "").replace(
                'consolidation"]\n', 'consolidation"]\n  normal: ["no finding"]\n'
            ),
        ),
        (QUESTIONS, QUESTIONS.replace("left", "right")),
        (PHRASES, PHRASES.replace("2.5", "2")),
    ],
)
def test_digest_depends_on_everything_else(tmp_path: Path, old: str, new: str) -> None:
    """A changed cell, split, prompt, order of classes, answer or box is another dataset."""
    assert old != new
    key = {SAMPLES: "samples", CARD: "card", QUESTIONS: "questions", PHRASES: "phrases"}[old]
    before = load_dataset(write_folder(tmp_path / "a")).card.digest
    assert load_dataset(write_folder(tmp_path / "b", **{key: new})).card.digest != before


BAD_ROWS = [
    (",p,test,images/a.png,normal,,,,,", "bad_value", "id is empty"),
    ("a,p,test,images/a.png,normal,,,,,", "duplicate_id", "samples.csv line 2"),
    ("e,p,validation,images/a.png,normal,,,,,", "bad_split", "did you mean 'val'"),
    ("e,p,,images/a.png,normal,,,,,", "bad_value", "split is empty"),
    ("e,p,test,,normal,,,,,", "bad_value", "image is empty"),
    ("e,p,test,images/z.png,normal,,,,,", "missing_file", "images/z.png"),
    ("e,p,test,images/a.png,pneumonai,,,,,", "unknown_label", "did you mean 'pneumonia'"),
    ("e,p,test,images/a.png,normal|pneumonia,,,,,", "unknown_label", "multilabel: true"),
    ("e,p,test,images/a.png,normal,masks/z.png,,,,", "missing_file", "mask"),
    ("e,p,test,images/a.png,normal,,,old,,", "bad_value", "age is numeric"),
    ("e,p,test,images/a.png,normal,,,inf,,", "bad_value", "age is numeric"),
    ("e,p,test,images/a.png,normal,,", "bad_row", "expected 10 cells, got 7"),
    ("e,p,test,../secret.png,normal,,,,,", "path_escapes", "secret"),
    ("e,p,test,images/../../secret.png,normal,,,,,", "path_escapes", "secret"),
    ("e,p,test,/etc/passwd,normal,,,,,", "path_escapes", "passwd"),
    ("e,p,test,C:/windows/a.png,normal,,,,,", "path_escapes", "windows"),
    ("e,p,test,\\\\host\\share\\a.png,normal,,,,,", "path_escapes", "share"),
    ("e,p,test,.,normal,,,,,", "path_escapes", "leads out"),
    ("e,p,test," + "x" * 300 + ",normal,,,,,", "path_escapes", "below the dataset folder"),
    ("e,p,test,link.png,normal,,,,,", "path_escapes", "leads out"),
    ("e,p,test,loop.png,normal,,,,,", "missing_file", "loop.png"),
]


@pytest.mark.parametrize(("row", "reason", "hint"), BAD_ROWS)
def test_bad_row_is_refused_alone(tmp_path: Path, row: str, reason: str, hint: str) -> None:
    """One bad row costs itself, says its line and what to do, and the others load."""
    root = tmp_path / "data"
    write_folder(root, samples=SAMPLES + row + "\n")
    (tmp_path / "secret.png").write_bytes(b"x")
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "loop.png").symlink_to(root / "loop.png")
    data = load_dataset(root)
    assert len(data) == 4
    (problem,) = data.problems
    assert (problem.where, problem.reason) == ("samples.csv line 6", reason)
    assert hint in problem.message


def test_link_inside_the_folder_is_allowed(tmp_path: Path) -> None:
    """Links are followed as long as they stay in the folder."""
    write_folder(tmp_path, samples=SAMPLES + "e,p,test,link.png,normal,,,,,\n")
    (tmp_path / "link.png").symlink_to(tmp_path / "images" / "a.png")
    assert load_dataset(tmp_path).problems == ()


def test_nul_in_a_path(tmp_path: Path) -> None:
    """A NUL byte cannot cut a path short."""
    root = write_folder(tmp_path)
    _as_jsonl(
        root,
        "samples",
        [{"id": "a", "split": "test", "image": "images/a.png\0.txt", "age": "", "sex": ""}],
    )
    data = load_dataset(root)
    assert "path_escapes" in {problem.reason for problem in data.problems}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("z,Why?,so,open,,,", "unknown_sample"),
        ("bad,Why?,so,open,,,", "refused_sample"),
        ("a,,so,open,,,", "bad_value"),
        ("a,Why?,,open,,,", "bad_value"),
        ("a,Why?,so,opne,,,", "bad_value"),
    ],
)
def test_bad_questions(tmp_path: Path, row: str, reason: str) -> None:
    """Questions without sample, answer or type are refused one by one."""
    samples = SAMPLES + "bad,p,never,images/a.png,normal,,,,,\n"
    data = load_dataset(write_folder(tmp_path, samples=samples, questions=QUESTIONS + row + "\n"))
    assert len(data.questions) == 2
    assert data.problems[-1].where == "questions.csv line 4"
    assert data.problems[-1].reason == reason


@pytest.mark.parametrize(
    "box", ["1,2,3,", "3,0,1,2", "1,2,3,2", "-1,0,3,2", "nan,0,3,2", "a,0,3,2", "1,0,inf,2"]
)
def test_bad_boxes(tmp_path: Path, box: str) -> None:
    """Incomplete, reversed, empty, negative and non-numeric boxes are refused."""
    data = load_dataset(write_folder(tmp_path, phrases=PHRASES + f"a,nodule,{box}\n"))
    (problem,) = data.problems
    assert (problem.where, problem.reason) == ("phrases.csv line 4", "bad_box")


def test_volume_boxes_have_six_numbers(tmp_path: Path) -> None:
    """z0 and z1 make a box of a volume; one of them alone is incomplete."""
    text = "id,phrase,x0,y0,x1,y1,z0,z1\na,nodule,1,2,3,4,5,6\na,nodule,1,2,3,4,,6\n"
    data = load_dataset(write_folder(tmp_path, phrases=text))
    assert data.phrases[0].box == (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    assert [problem.reason for problem in data.problems] == ["bad_box"]


def test_patient_in_two_splits_ends_the_load(tmp_path: Path) -> None:
    """Leakage makes every number untrustworthy, so nothing is loaded."""
    write_folder(tmp_path, samples=SAMPLES + "e,p1,test,images/a.png,normal,,,,,\n")
    with pytest.raises(DataError, match=r"patient 'p1' is in test \(e\) and train \(a\)") as caught:
        load_dataset(tmp_path)
    assert caught.value.reason == "patient_overlap"


def test_misspelt_columns_are_told(tmp_path: Path) -> None:
    """A column that looks like a known one is not ignored in silence."""
    data = load_dataset(write_folder(tmp_path, samples=SAMPLES.replace(",label,", ",Labels,")))
    (problem,) = data.problems
    assert problem.reason == "unknown_column"
    assert "did you mean 'label'" in problem.message
    assert not data[0].labelled


@pytest.mark.parametrize("column", ["id", "split", "image", "age", "sex"])
def test_needed_column_is_required(tmp_path: Path, column: str) -> None:
    """Columns of the contract and of the card must be there."""
    header, rows = SAMPLES.split("\n", 1)
    changed = ",".join("other" if name == column else name for name in header.split(","))
    changed += "\n" + rows
    with pytest.raises(DataError, match=f"no column '{column}'") as caught:
        load_dataset(write_folder(tmp_path, samples=changed))
    assert caught.value.reason == "bad_table"


def test_labels_without_classes_are_kept(tmp_path: Path) -> None:
    """A dataset that declares no classes keeps its labels as text."""
    card = "format: 1\nname: free\n"
    assert load_dataset(write_folder(tmp_path, card=card))[1].labels == ("pneumonia",)


def test_folders_that_are_none(tmp_path: Path) -> None:
    """A missing folder, card or table and two tables of one kind are told apart."""
    with pytest.raises(DataError, match="expected a dataset folder"):
        load_dataset(tmp_path / "none")
    with pytest.raises(DataError, match=r"has a dataset\.yaml") as caught:
        load_dataset(tmp_path)
    assert caught.value.reason == "bad_card"
    write_folder(tmp_path)
    (tmp_path / "samples.jsonl").write_text("{}")
    with pytest.raises(DataError, match="keep one of"):
        load_dataset(tmp_path)
    (tmp_path / "samples.jsonl").unlink()
    (tmp_path / "samples.csv").unlink()
    with pytest.raises(DataError, match=r"expected samples\.csv"):
        load_dataset(tmp_path)
