"""The folder of a synthetic cohort: bytes, tables, and files that read back as the truth."""

import csv
import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import yaml
from PIL import Image as Picture

from vesalius.data.check import check_dataset
from vesalius.data.manifest import load_dataset
from vesalius.data.phantom import make_patient, write_phantom
from vesalius.data.phantom_outcomes import OUTCOME_COLUMNS
from vesalius.data.phantom_study import STRUCTURES
from vesalius.errors import InputError
from vesalius.imaging import display_pixels

N_PATIENTS = 20
SEED = 2


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cohort, written once."""
    return write_phantom(tmp_path_factory.mktemp("c") / "new", n_patients=N_PATIENTS, seed=SEED)


def table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def hashes(folder: Path) -> dict[str, str]:
    """Relative path → SHA-256 of every file."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_equal_seeds_give_equal_bytes(tmp_path: Path) -> None:
    """Everything, the DICOM identifiers and gzip headers included, and whatever the threads do."""
    first = hashes(write_phantom(tmp_path / "a", n_patients=3, seed=SEED))
    assert first == hashes(write_phantom(tmp_path / "b", n_patients=3, seed=SEED))
    assert first != hashes(write_phantom(tmp_path / "c", n_patients=3, seed=SEED + 1))


def test_a_larger_cohort_starts_with_the_smaller(cohort: Path, tmp_path: Path) -> None:
    """Patient i does not depend on how many are asked for."""
    small = hashes(write_phantom(tmp_path / "a", n_patients=2, seed=SEED))
    large = hashes(cohort)
    images = {name: digest for name, digest in small.items() if "images" in name}
    assert images.items() <= large.items()
    assert images


def test_every_named_file_exists_and_no_other(cohort: Path) -> None:
    """Tables and files agree, in both arms."""
    for arm in (cohort, cohort / "ct"):
        rows = table(arm / "samples.csv")
        named = {row[column] for row in rows for column in ("image", "mask")}
        found = {str(p.relative_to(arm)) for f in ("images", "masks") for p in (arm / f).iterdir()}
        assert named == found
        assert {row["prior_image"] for row in rows} - {""} <= named


def test_splits_keep_patients_together(cohort: Path) -> None:
    """No patient is in two splits, all three exist, and some patients have two studies."""
    rows = table(cohort / "samples.csv")
    splits = {(row["patient"], row["split"]) for row in rows}
    assert len(splits) == len({patient for patient, _ in splits}) == N_PATIENTS
    assert {split for _, split in splits} == {"train", "val", "test"}
    assert len(rows) > N_PATIENTS


def test_prior_image_is_the_same_patients_earlier_study(cohort: Path) -> None:
    """A prior belongs to the same patient and is a row of its own."""
    rows = table(cohort / "samples.csv")
    by_image = {row["image"]: row for row in rows}
    priors = [row for row in rows if row["prior_image"]]
    assert priors
    for row in priors:
        earlier = by_image[row["prior_image"]]
        assert earlier["patient"] == row["patient"]
        assert earlier["id"] < row["id"]


def test_card_names_what_the_tables_use(cohort: Path) -> None:
    """Classes cover the labels, structures the label maps; both arms are multilabel."""
    for arm, modality in ((cohort, "xray"), (cohort / "ct", "ct")):
        card = yaml.safe_load((arm / "dataset.yaml").read_text(encoding="utf-8"))
        assert (card["format"], card["modality"], card["multilabel"]) == (1, modality, True)
        rows = table(arm / "samples.csv")
        labels = {label for row in rows for label in row["label"].split("|")} - {""}
        assert labels == set(card["classes"])
        assert card["structures"] == STRUCTURES
        assert set(card["structure_prompts"]) == set(STRUCTURES)
        assert set(card["tabular"]) | set(card["subgroups"]) <= set(rows[0])


def test_files_read_back_as_the_study(cohort: Path) -> None:
    """DICOM of both polarities, PNG of both depths and NIfTI hold what was drawn."""
    kinds = set()
    for index in range(N_PATIENTS):
        study = make_patient(SEED, index)[0]
        if (kind := (study.patient.site, index % 2)) in kinds:
            continue
        kinds.add(kind)
        name, north = study.plan.id, study.patient.site == "north"
        if north:
            dicom = pydicom.dcmread(cohort / f"images/{name}.dcm")
            assert dicom.PhotometricInterpretation == f"MONOCHROME{2 - index % 2}"
            stored = dicom.pixel_array / 4095
            shown = 1 - stored if index % 2 else stored
            step = 4095
        else:
            shown = np.asarray(Picture.open(cohort / f"images/{name}.png")).astype(float)
            step = 65535 if study.patient.site == "south" else 255
            shown = shown / step
        assert np.abs(shown - study.radiograph).max() <= 0.5 / step + 1e-9
        mask = np.asarray(Picture.open(cohort / f"masks/{name}.png"))
        assert np.array_equal(mask, study.labels_2d)
        volume = nib.load(cohort / f"ct/images/{name}.nii.gz")
        assert np.array_equal(np.asarray(volume.dataobj), study.hu)
        assert nib.aff2axcodes(volume.affine) == ("R", "A", "S")
        assert volume.header.get_zooms() == (3.75, 3.75, 3.75)
        labels = np.asarray(nib.load(cohort / f"ct/masks/{name}.nii.gz").dataobj)
        assert np.array_equal(labels, study.labels)
    assert {("north", 0), ("north", 1)} <= kinds
    assert {site for site, _ in kinds} == {"north", "south", "coast"}


def test_both_arms_pass_the_check(cohort: Path) -> None:
    """`vesalius check` finds nothing: tables, files, masks and boxes are an ordinary dataset."""
    for arm in (cohort, cohort / "ct"):
        report = check_dataset(arm)
        assert report.ok, report


def test_every_site_looks_the_same_to_a_reader(cohort: Path) -> None:
    """The display pixels of any format are the drawn radiograph to a grey level, priors too."""
    data = load_dataset(cohort)
    drawn = {study.plan.id: study for index in range(6) for study in make_patient(SEED, index)}
    for sample in data:
        if (study := drawn.get(sample.id)) is None:
            continue
        image = data.read(sample)
        wanted = np.floor(study.radiograph * 255 + 0.5)
        assert np.abs(display_pixels(image).astype(float) - wanted).max() <= 1
        assert np.array_equal(data.read_mask(sample, like=image), study.labels_2d)
        assert sample.labels == study.plan.labels
        if sample.prior_image is not None:
            before = drawn[sample.prior_image.stem]
            shown = display_pixels(data.read_prior(sample)).astype(float)
            assert np.abs(shown - np.floor(before.radiograph * 255 + 0.5)).max() <= 1
    assert any(sample.prior_image for sample in data if sample.id in drawn)


def test_volumes_load_back(cohort: Path) -> None:
    """The CT arm gives the drawn Hounsfield units and labels, in RAS+ at 3.75 mm."""
    data = load_dataset(cohort / "ct")
    sample, study = data[0], make_patient(SEED, 0)[0]
    image = data.read(sample)
    assert (image.axes, image.intensity, image.spacing_mm) == ("xyz", "hu", (3.75, 3.75, 3.75))
    assert np.array_equal(image.pixels, study.hu)
    assert np.array_equal(data.read_mask(sample, like=image), study.labels)
    boxes = {phrase.phrase: phrase.box for phrase in data.phrases if phrase.id == sample.id}
    assert boxes == {phrase.phrase: phrase.box for phrase in study.phrases_3d}


def test_phrase_boxes_fit_their_arm(cohort: Path) -> None:
    """Half-open boxes inside the picture; absent phrases have no coordinate at all."""
    for arm, size, axes in ((cohort, 256, "xy"), (cohort / "ct", 96, "xyz")):
        rows = table(arm / "phrases.csv")
        boxed = [row for row in rows if row["x0"]]
        assert 0 < len(boxed) < len(rows)
        for row in rows:
            values = [row[f"{axis}{end}"] for axis in axes for end in "01"]
            assert all(values) == any(values)
        for row in boxed:
            assert all(0 <= int(row[f"{a}0"]) < int(row[f"{a}1"]) <= size for a in axes)


def test_both_arms_tell_the_same_story(cohort: Path) -> None:
    """Captions, labels and questions are those of one patient, whatever the picture."""
    same = ("id", "patient", "split", "label", "caption", "age", "sex", "site", *OUTCOME_COLUMNS)
    flat, deep = (table(arm / "samples.csv") for arm in (cohort, cohort / "ct"))
    assert [[row[c] for c in same] for row in flat] == [[row[c] for c in same] for row in deep]
    assert table(cohort / "questions.csv") == table(cohort / "ct/questions.csv")


def test_progress_counts_every_patient(tmp_path: Path) -> None:
    """The callback sees 1..n of n."""
    calls: list[tuple[int, int]] = []
    write_phantom(
        tmp_path / "a", n_patients=3, seed=0, progress=lambda done, n: calls.append((done, n))
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_a_full_folder_is_left_alone(tmp_path: Path) -> None:
    """Somebody's files are never mixed with a cohort."""
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not an empty folder"):
        write_phantom(tmp_path, n_patients=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    """The folder appears complete or not at all."""

    def stop(done: int, n_patients: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantom(tmp_path / "a", n_patients=2, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    """An existing but empty folder is a fine target."""
    (tmp_path / "a").mkdir()
    assert (write_phantom(tmp_path / "a", n_patients=1) / "dataset.yaml").is_file()


@pytest.mark.parametrize(("n_patients", "seed"), [(0, 0), (-1, 0), (1, -1)])
def test_impossible_requests_are_refused(tmp_path: Path, n_patients: int, seed: int) -> None:
    """The message names what was expected and what came."""
    with pytest.raises(InputError, match="expected n_patients >= 1 and seed >= 0"):
        write_phantom(tmp_path / "a", n_patients=n_patients, seed=seed)
