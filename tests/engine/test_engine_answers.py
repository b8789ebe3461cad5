"""Likelihoods of answers: asked once per picture and question, whatever asks for them."""

import numpy as np
import pytest
from small_world import squares, write_squares

from vesalius.capabilities import AnswerScores
from vesalius.data.manifest import load_dataset
from vesalius.engine import Grid, ModelSource, run
from vesalius.imaging import display_pixels
from vesalius.records import Cell, Done, ModelCard, RunSpec
from vesalius.store.runs import read_predictions
from vesalius.tasks import make_task

TASK = make_task("classification", "option-likelihood")
SPEC = RunSpec(models=("speaker",), datasets=("squares",), n_resamples=100)
CELL = Cell("speaker", "squares", "classification", "option-likelihood")


class Speaker:
    """Capabilities: AnswerScorer. The brighter the picture, the likelier is ``bright``."""

    def __init__(self) -> None:
        self.card = ModelCard(name="speaker", adapter="fake")
        self.asked: list[float] = []

    def score_answers(self, image, prompt, candidates):
        """Mean grey decides; one token each."""
        grey = display_pixels(image).mean() / 255
        self.asked.append(float(grey))
        likely = [grey if "bright" in candidate else 0.5 for candidate in candidates]
        return AnswerScores(np.log(likely), np.ones(len(candidates), np.int64))


def go(out, data, model):
    """One run of the one task."""
    return run(Grid([ModelSource(model.card, lambda: model)], [data], (TASK,)), SPEC, out=out)


def test_shuffled_images_cost_nothing_and_both_sets_of_rows_share_the_answers(tmp_path):
    """A picture is asked about once, for plain, calibrated and shuffled rows together."""
    data = squares(tmp_path / "squares")
    model = Speaker()
    result = go(tmp_path / "run", data, model)
    assert all(isinstance(outcome, Done) for outcome in result.outcomes)
    # val and test once, once more with the nonsense question; a blank picture per question
    n = sum(1 for sample in data if sample.split in ("val", "test"))
    pictures = [grey for grey in model.asked if grey != 127 / 255]
    assert len(pictures) == 2 * n
    by_metric = {
        (row.cell.model, row.estimate.metric): row.estimate.value
        for row in result.metrics
        if not row.subgroup and not row.class_name
    }
    assert by_metric["speaker", "auroc"] > 0.8
    assert by_metric["control:blank-image(speaker)", "auroc"] == 0.5


def test_an_unreadable_picture_has_no_answer_and_scores_as_wrong(tmp_path):
    """Its row is there, with NaN, and the reason is kept."""
    folder = write_squares(tmp_path / "squares")
    broken = next(s for s in load_dataset(folder) if s.split == "test")
    (folder / broken.image).write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    result = go(tmp_path / "run", load_dataset(folder), Speaker())
    (outcome,) = [o for o in result.outcomes if o.cell == CELL]
    assert isinstance(outcome, Done)
    table = read_predictions(tmp_path / "run", CELL)
    rows = table["id"] == broken.id
    assert rows.sum() == 2
    assert np.isnan(table["score:bright"][rows]).all()
    assert np.isfinite(table["score:bright"][~rows]).all()


@pytest.mark.parametrize("grey", [60, 200])
def test_slices_of_a_volume_are_averaged(tmp_path, grey):
    """The mean log-likelihood over the slices that the policy takes."""
    folder = tmp_path / "volumes"
    (folder / "images").mkdir(parents=True)
    (folder / "dataset.yaml").write_text(
        "format: 1\nname: squares\nclasses: {dark: [dark], bright: [bright]}\npositive: bright\n"
        "window_hu: {center: 0, width: 510}\nmodality: ct\n"
    )
    lines = ["id,patient,split,image,label"]
    for i in range(8):
        split = ("train", "val", "test", "test")[i % 4]
        volume = np.full((12, 12, 20), float(grey) - 255 + 20 * (i % 2), np.float32)
        np.save(folder / "images" / f"v{i}.npy", volume)
        lines.append(f"v{i},p{i},{split},images/v{i}.npy,{'bright' if i % 2 else 'dark'}")
    (folder / "samples.csv").write_text("\n".join(lines) + "\n")
    model = Speaker()
    go(tmp_path / "run", load_dataset(folder), model)
    table = read_predictions(tmp_path / "run", CELL)
    plain = (table["calibrated"] == 0) & (table["id"] == "v2")
    seen = round((float(grey) - 255 + 255) / 510 * 255) / 255
    assert table["logit:bright"][plain][0] == pytest.approx(np.log(seen), abs=0.01)
