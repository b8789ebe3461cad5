"""What the notebook shows of a finished run: pictures, rankings, cards and costs."""

import io
from dataclasses import asdict, replace

import numpy as np
import pytest
from fake_everything import Everything, everything
from PIL import Image as Pillow

import vesalius as vs
from vesalius import notebook
from vesalius.api import Settings
from vesalius.engine.comparison import compare_runs
from vesalius.engine.scoring import task_and_card
from vesalius.errors import InputError, WeightsMissingError
from vesalius.markup import MINIATURE, MINIATURE_NOTE
from vesalius.records import Resampling
from vesalius.report.sheets import HEIGHT, Tile, composed, in_rows
from vesalius.stats import paired_difference
from vesalius.store.runs import read_predictions

PROTOCOLS = ("zero-shot", "inversion", "embedding", "similarity-map", "free-text")
SHOWN = ("segmentation", "generation", "retrieval", "grounding", "vqa")
RESAMPLING = Resampling(seed=3, n_resamples=40)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The dataset that asks for everything."""
    return everything(tmp_path_factory.mktemp("data") / "everything", n_patients=48)


@pytest.fixture(scope="module")
def result(data, tmp_path_factory):
    """Two models of equal answers, one protocol of each task."""
    twin = Everything()
    twin.card = replace(twin.card, name="twin <b>", weights={"other": "2"})
    return vs.evaluate(
        models=[Everything(), twin],
        datasets=[data],
        out=tmp_path_factory.mktemp("runs") / "run",
        settings=Settings(
            protocols=PROTOCOLS,
            n_resamples=40,
            controls=False,
            cache=tmp_path_factory.mktemp("cache"),
        ),
    )


def decoded(sheet):
    """The picture of a sheet."""
    with Pillow.open(io.BytesIO(sheet.picture)) as stored:
        return np.array(stored)


@pytest.mark.parametrize("task", SHOWN)
def test_examples_of_every_task(result, data, task):
    """A picture that is not empty, and words that name task, protocol and model as text."""
    sheet = notebook.examples(result, task, data=data, model="twin <b>")
    assert decoded(sheet).std() > 1
    assert f"{task} · " in sheet.words
    assert "twin &lt;b&gt;" in sheet.words
    assert "<b>" not in sheet.words
    assert MINIATURE not in sheet.words


def test_searches_show_captions_and_frame_what_is_right(result, data):
    """The query is the caption of its sample; a right hit has a cyan frame."""
    sheet = notebook.examples(result, "retrieval", data=data)
    assert any(sample.caption and sample.caption in sheet.words for sample in data)
    cyan = np.abs(decoded(sheet).astype(int) - (0, 229, 255)).max(axis=2) < 40
    assert cyan.any()


def test_what_has_no_examples_is_an_error(result):
    """A wrong name gets a hint; classification has nothing to look at."""
    with pytest.raises(InputError, match=r"'groundin' \(did you mean 'grounding'\?\)"):
        notebook.examples(result, "groundin")
    with pytest.raises(InputError, match="expected one of generation, grounding"):
        notebook.examples(result, "classification")


def test_equal_models_cannot_be_told_apart(result):
    """Twins share the letter of every line, and every protocol has its line."""
    html = notebook.compared(result)._repr_html_()
    assert html.count("<tr>") == 1 + len(
        compare_runs([result.path], task=None, resampling=RESAMPLING)
    )
    assert html.count("<sup><b>a</b></sup>") == 2 * (html.count("<tr>") - 1)
    assert "twin &lt;b&gt;" in html


def test_comparisons_are_those_of_each_pair_alone(result):
    """Resampling all models of a column together gives what every pair gives by itself."""
    run = result.run
    done = {outcome.cell: outcome for outcome in run.outcomes}
    found = compare_runs([result.path], task=None, resampling=RESAMPLING)
    assert {one.first.task for one in found} == {"classification", *SHOWN}
    for one in found:
        statistics = []
        for cell in (one.first, one.second):
            predictions = read_predictions(run.path, cell)
            task, card = task_and_card(run.info, done[cell])
            statistics.append(on_rows(task.score(predictions, card)[0]))
        alone = paired_difference(*statistics, groups=predictions["patient"], **asdict(RESAMPLING))
        estimate, expected = one.difference.estimate, alone.estimate
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
            (expected.value, expected.low, expected.high), nan_ok=True, abs=1e-12
        )
        assert one.difference.p_value == pytest.approx(alone.p_value, nan_ok=True)


def on_rows(scored):
    """The plain statistic on the rows that it is defined on."""
    rows = scored.rows
    if rows is None:
        return scored.statistic
    return lambda drawn: scored.statistic(drawn[np.isin(drawn, rows)])


def test_the_result_shows_itself_and_its_numbers(result):
    """The matrix as HTML, the headlines as JSON for programs, the metrics as a table."""
    assert "<table>" in result._repr_html_()
    ((kind, found),) = result._repr_mimebundle_(include=None, exclude=None).items()
    assert kind.endswith("+json")
    assert len(found) == 12
    assert len(result.metrics.filter(model="everything")) > 0


def test_samples_are_shown_with_their_words(data):
    """As many as asked for, of the split asked for, numbered."""
    sheet = notebook.sample_pictures(data, n=3, split="val")
    assert sheet.words.count("<tr>") == 1 + 3
    assert [one.id in sheet.words for one in data.split("val")[:3]] == [True] * 3
    assert decoded(sheet).shape == (HEIGHT + 2, 3 * (HEIGHT + 2), 3)


def test_rows_of_tiles_hold_all_of_them():
    """Short rows are padded; a missing picture leaves a black square."""
    assert [len(row) for row in in_rows([Tile(None)] * 7, per_row=3)] == [3, 3, 1]
    with Pillow.open(io.BytesIO(composed(in_rows([Tile(None)] * 7, per_row=3)))) as stored:
        assert stored.size == (3 * (HEIGHT + 2), 3 * (HEIGHT + 2))
        assert np.array(stored).max() == 0


def test_the_default_models_are_the_miniatures():
    """All eight, and the choice says what their numbers are worth."""
    choice = notebook.choose_models(genuine=False)
    assert len(choice.names) == 8
    assert all(name.startswith("mini:") for name in choice.names)
    assert MINIATURE_NOTE in choice._repr_html_()


def test_missing_weights_are_named(monkeypatch):
    """Of genuine models those on disk are taken, the others named with the command to run."""
    monkeypatch.setattr(notebook, "is_on_disk", lambda request: request.entry.name == "clip")
    choice = notebook.choose_models(genuine=True)
    assert choice.names == ("clip",)
    assert "git is not on disk: vesalius fetch git" in choice._repr_html_()
    assert MINIATURE_NOTE not in choice._repr_html_()
    monkeypatch.setattr(notebook, "is_on_disk", lambda request: False)
    with pytest.raises(WeightsMissingError, match="vesalius fetch clip pubmedclip"):
        notebook.choose_models(genuine=True)


def test_cards_show_the_miniature_and_what_it_imitates():
    """Parameters, arithmetic and input of both, and what the model can do."""
    html = notebook.architectures(["mini:clip"])._repr_html_()
    for words in ("1.12 M", "(151 M)", "(8.82 GFLOPs)", "128 px", "(224 px)", "encode_images"):
        assert words in html
    assert html.count(MINIATURE) == 1
    card = vs.inspect_model("mini:clip")
    assert MINIATURE in card._repr_html_()


def test_costs_stand_beside_quality(result):
    """Time of a call and parameters; a task that the model was not run at is n/a."""
    html = notebook.costs(result, ["mini:clip"], budget_s=0.01)._repr_html_()
    assert "1.12 M" in html
    assert " ms</td>" in html
    assert html.count(">n/a<") >= 6
    assert MINIATURE_NOTE in html
