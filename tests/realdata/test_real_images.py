"""Real images through the whole path, from the folder to the report.

What the miniatures score here means nothing; that every cell ends, that the stored rows give the
printed numbers, and that a repeated run changes nothing, does.
"""

import shutil

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from vesalius.api import Settings, evaluate
from vesalius.data.manifest import load_dataset
from vesalius.records import Cell, Done, NotApplicable
from vesalius.store.pictures import picture_path
from vesalius.store.runs import read_predictions

pytestmark = pytest.mark.realdata
TASKS = ("classification", "retrieval")


def go(out, *folders, models=("mini:clip",), protocols=()):
    """One run of both tasks with few resamples."""
    settings = Settings(
        protocols=protocols, n_resamples=100, device="cpu", cache=out.parent / "cache"
    )
    return evaluate(models=models, datasets=folders, tasks=TASKS, out=out, settings=settings)


def outcomes_of(result, model="mini:clip"):
    """Outcome of every protocol of one model."""
    return {o.cell.protocol: o for o in result.outcomes if o.cell.model == model}


def files_of(folder):
    """Every file with its bytes."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def chest(shared_data, tmp_path_factory):
    """Two miniatures on the chest radiographs, all protocols."""
    out = tmp_path_factory.mktemp("chest") / "run"
    return go(out, shared_data / "nih-cxr", models=("mini:clip", "mini:clipmd"))


def test_chest_radiographs_end_in_a_report(chest):
    """Every cell is done on every row, but what only models that write can; the page is there."""
    done = [o for o in chest.outcomes if isinstance(o, Done)]
    rest = [o for o in chest.outcomes if not isinstance(o, Done)]
    assert {o.cell.protocol for o in rest} == {"option-likelihood", "likelihood"}
    assert {o.reason for o in rest if isinstance(o, NotApplicable)} == {
        "model gives no likelihood of answers"
    }
    assert all(o.n_missing == 0 for o in done)
    assert outcomes_of(chest)["zero-shot"].n_expected == 89
    page = chest.report()
    assert 100_000 < page.stat().st_size < 6_000_000


def test_stored_chest_predictions_give_the_printed_numbers(chest):
    """An independent library finds the same values in the stored rows, to 1e-9."""
    for model in ("mini:clip", "mini:clipmd"):
        for protocol in ("zero-shot", "linear-probe", "knn"):
            cell = Cell(model, "nih-cxr", "classification", protocol)
            table = read_predictions(chest.path, cell)
            truth, scores = table["label"] == "pneumonia", table["score:pneumonia"]
            expected = {
                "auroc": sklearn_metrics.roc_auc_score(truth, scores),
                "auprc": sklearn_metrics.average_precision_score(truth, scores),
                "f1": sklearn_metrics.f1_score(truth, scores >= table["threshold"]),
                "accuracy": sklearn_metrics.accuracy_score(truth, scores >= table["threshold"]),
            }
            rows = [r for r in chest.metrics if r.cell == cell and not r.subgroup]
            for metric, value in expected.items():
                found = [r.estimate.value for r in rows if r.estimate.metric == metric]
                assert min(abs(v - value) for v in found) < 1e-9, (cell, metric)


def test_a_second_run_on_chest_radiographs_changes_nothing(chest, shared_data):
    """Not a byte of the run folder."""
    before = files_of(chest.path)
    go(chest.path, shared_data / "nih-cxr", models=("mini:clip", "mini:clipmd"))
    assert files_of(chest.path) == before


def test_no_patient_is_in_two_splits(shared_data):
    """The real folder keeps patients together, or loading it would fail."""
    data = load_dataset(shared_data / "nih-cxr")
    splits = {}
    for sample in data:
        splits.setdefault(sample.patient, set()).add(sample.split)
    assert {len(found) for found in splits.values()} == {1}


def test_captions_are_retrieved_over_the_whole_gallery(shared_data, tmp_path):
    """All 168 test captions are in the gallery, and duplicates are positives of each other."""
    result = go(tmp_path / "run", shared_data / "medpix-captions", protocols=("embedding",))
    cell = Cell("mini:clip", "medpix-captions", "retrieval", "embedding")
    table = read_predictions(result.path, cell)
    text = (table["direction"] == "image→text") & (table["relevance"] == "pair")
    assert text.sum() == 168
    assert set(table["gallery"][text]) == {168}
    assert table["n_positive"][text].min() >= 1
    assert np.isfinite([r.estimate.value for r in result.metrics if r.cell == cell]).any()


def test_volumes_are_classified_slice_by_slice(shared_data, tmp_path):
    """3D shapes go through a 2D encoder; retrieval without captions still has image→image."""
    result = go(
        tmp_path / "run",
        shared_data / "adrenalmnist3d",
        protocols=("zero-shot", "knn", "embedding"),
    )
    found = outcomes_of(result)
    assert isinstance(found["zero-shot"], Done)
    assert isinstance(found["knn"], Done)
    assert isinstance(found["embedding"], (Done, NotApplicable))
    cell = Cell("mini:clip", "adrenalmnist3d", "classification", "knn")
    assert read_predictions(result.path, cell).n_rows == 36


CARD = """\
format: 1
name: loose
modality: other
classes:
  ct: ["computed tomography"]
  mri: ["magnetic resonance imaging"]
  xray: ["radiograph"]
templates: ["{}"]
"""
PLACES = {
    "ct_b": ("dicom/ct_b", "ct", "test"),
    "cxr": ("dicom/cxr_mono1_j2k.dcm", "xray", "test"),
    "mr_c": ("volumes/totalsegmentator/mr_c_small.nii.gz", "mri", "test"),
    "ct_a": ("volumes/totalsegmentator/ct_a_small.nii.gz", "ct", "train"),
}


@pytest.fixture
def loose(shared_data, tmp_path):
    """A dataset folder of a DICOM series, a MONOCHROME1 file and two NIfTI volumes."""
    folder = tmp_path / "loose"
    folder.mkdir()
    lines = ["id,patient,split,image,label,caption"]
    for name, (place, label, split) in PLACES.items():
        source = shared_data / "loose" / place
        target = folder / source.name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        lines.append(f"{name},{name},{split},{source.name},{label},a {label} study called {name}")
    (folder / "dataset.yaml").write_text(CARD)
    (folder / "samples.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_dicom_series_and_inverted_radiograph_go_the_whole_way(loose, tmp_path):
    """Mixed 2D and 3D files are encoded, scored, shown and reported without a loss."""
    result = go(tmp_path / "run", loose, protocols=("zero-shot", "embedding"))
    found = outcomes_of(result)
    assert {type(o) for o in found.values()} == {Done}
    assert all(o.n_missing == 0 for o in found.values())
    for name in ("ct_b", "cxr", "mr_c"):
        assert picture_path(result.path, "loose", name).is_file()
    assert result.report().is_file()


def test_a_broken_slice_is_named_and_counted(loose, tmp_path):
    """One damaged file of a series makes that sample unreadable, not the run."""
    victim = sorted((loose / "ct_b").iterdir())[3]
    victim.write_bytes(victim.read_bytes()[:600])
    result = go(tmp_path / "run", loose, protocols=("zero-shot",))
    outcome = outcomes_of(result)["zero-shot"]
    assert isinstance(outcome, Done)
    assert outcome.n_missing == 1
    assert any(note.startswith("no feature for ct_b: ") for note in outcome.notes)
