"""What must not leave an image file, and what must not change a number."""

import random

import numpy as np
import pyarrow.parquet as pq
import pydicom
from small_world import Brightness, write_squares

from vesalius.api import Result
from vesalius.data.manifest import load_dataset
from vesalius.engine import Grid, ModelSource, run
from vesalius.records import RunSpec
from vesalius.tasks import make_task

SPEC = RunSpec(models=(), datasets=(), n_resamples=50)
CANARY = "CANARY"


def go(out, folder):
    """A small run."""
    model = Brightness()
    tasks = [make_task("classification", "zero-shot"), make_task("retrieval", "embedding")]
    grid = Grid([ModelSource(model.card, lambda: model)], [load_dataset(folder)], tasks)
    return run(grid, SPEC, out=out)


def write_dicom(path, pixels):
    """A radiograph whose every identifying attribute holds a canary."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    file = pydicom.dataset.Dataset()
    file.file_meta = meta
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    file.PatientName, file.PatientID = f"{CANARY}^NAME", f"{CANARY}ID"
    file.InstitutionName, file.StudyDescription = f"{CANARY} HOSPITAL", f"{CANARY} STUDY"
    file.Modality, file.PhotometricInterpretation = "CR", "MONOCHROME2"
    file.Rows, file.Columns = pixels.shape
    file.SamplesPerPixel, file.PixelRepresentation = 1, 0
    file.BitsAllocated = file.BitsStored = 8
    file.HighBit = 7
    file.add_new(0x00091001, "LO", f"{CANARY} PRIVATE")
    file.PixelData = pixels.tobytes()
    file.save_as(path, enforce_file_format=True)


def test_nothing_that_identifies_a_patient_leaves_a_dicom_file(tmp_path):
    """No DICOM attribute, file name or folder name reaches predictions, journals or report."""
    folder = write_squares(tmp_path / f"{CANARY} folder")
    rng = np.random.default_rng(0)
    table = (folder / "samples.csv").read_text()
    for n, sample in enumerate(load_dataset(folder)):
        name = f"{CANARY}-{n}.dcm"
        write_dicom(folder / "images" / name, rng.integers(0, 255, (16, 16), dtype=np.uint8))
        table = table.replace(f"images/{sample.image.name}", f"images/{name}")
    (folder / "samples.csv").write_text(table)
    broken = next(s for s in load_dataset(folder) if s.split == "test").image
    broken.write_bytes(broken.read_bytes()[:400])
    result = go(tmp_path / "run", folder)
    Result(result).report()
    for path in (p for p in (tmp_path / "run").rglob("*") if p.is_file()):
        assert CANARY not in path.name
        assert CANARY.encode() not in path.read_bytes(), path.name
        if path.suffix == ".parquet":
            assert CANARY not in str(pq.read_table(path).to_pylist()), path.name
        assert path.stat().st_mode & 0o077 == 0, path.name


def test_columns_that_the_card_does_not_name_stay_in_the_table(tmp_path):
    """Names and values of other columns reach neither run folder nor report."""
    folder = write_squares(tmp_path / "data")
    header, *rows = (folder / "samples.csv").read_text().splitlines()
    lines = [f"{header},{CANARY}_column", *(f"{row},{CANARY} {n}" for n, row in enumerate(rows))]
    (folder / "samples.csv").write_text("\n".join(lines) + "\n")
    assert load_dataset(folder)[0].extra[f"{CANARY}_column"] == f"{CANARY} 0"
    Result(go(tmp_path / "run", folder)).report()
    paths = [p for p in (tmp_path / "run").rglob("*") if p.is_file()]
    assert any(path.suffix == ".html" for path in paths)
    for path in paths:
        assert CANARY.encode() not in path.read_bytes(), path.name
        if path.suffix == ".parquet":
            assert CANARY not in str(pq.read_table(path).to_pylist()), path.name


def test_row_order_of_the_table_changes_nothing(tmp_path):
    """A shuffled samples file gives the same predictions, metrics and cell identities."""
    folder = write_squares(tmp_path / "data")
    first = go(tmp_path / "one", folder)
    header, *rows = (folder / "samples.csv").read_text().splitlines()
    random.Random(1).shuffle(rows)
    (folder / "samples.csv").write_text("\n".join([header, *rows]) + "\n")
    second = go(tmp_path / "two", folder)
    assert [o.fingerprint for o in first.outcomes] == [o.fingerprint for o in second.outcomes]
    for name in ("metrics.csv", "metrics.parquet"):
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes()
