"""The notebook is executed, its outputs belong to these sources, and a check can tell."""

import base64
import importlib.util
import io
import json
import re
from pathlib import Path

import nbformat
import pytest
from PIL import Image as Pillow

from vesalius.markup import MINIATURE_NOTE
from vesalius.tasks import TASKS

ROOT = Path(__file__).parents[2]
MOST_BYTES = 2_000_000
REMEDY = "run make notebook and commit what it writes"


@pytest.fixture(scope="module")
def script():
    """The script that executes the notebook."""
    place = importlib.util.spec_from_file_location(
        "execute_notebook", ROOT / "scripts" / "execute_notebook.py"
    )
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def notebook():
    """The notebook with its outputs."""
    return nbformat.read(ROOT / "models.ipynb", as_version=4)


def code_cells(notebook):
    """All cells that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_it_is_short_and_every_cell_is_explained():
    """At most 15 cells; above each that runs stand words; none is longer than a screenful."""
    notebook = nbformat.read(ROOT / "models.ipynb", as_version=4)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert len(kinds) <= 15
    assert kinds == ["markdown", "code"] * (len(kinds) // 2)
    assert max(len(cell.source.splitlines()) for cell in notebook.cells) <= 12


def test_it_was_executed_in_one_go(notebook):
    """Every cell ran, in order, once, showed something, and none failed or complained."""
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)], REMEDY
    for cell in cells:
        assert cell.outputs, f"{cell.id} shows nothing: {REMEDY}"
        assert not [o for o in cell.outputs if o.output_type == "error"], cell.id
        assert not [o for o in cell.outputs if o.get("name") == "stderr"], cell.id
        assert cell.metadata == {}


def test_its_outputs_belong_to_these_sources(notebook, script):
    """A change of cells, protocols, miniatures, cohort or version asks for a new execution."""
    kept = notebook.metadata[script.STAMP]
    now = script.identity(notebook)
    moved = [name for name in now if kept.get(name) != now[name]]
    assert not moved, f"{', '.join(moved)} changed since the outputs were made: {REMEDY}"


def test_it_names_no_place_and_stays_small(notebook, script):
    """No folder or name of a machine, nothing to scroll through for ever."""
    assert not re.search(r"/(tmp|var|home|root|Users)/|site-packages", script.words(notebook))
    assert (ROOT / "models.ipynb").stat().st_size < MOST_BYTES


def test_miniatures_are_marked_in_every_table(notebook, script):
    """No number of a miniature stands without saying what it is worth."""
    tables = [
        "".join(output.data["text/html"])
        for cell in code_cells(notebook)
        for output in cell.outputs
        if "text/html" in output.get("data", {}) and "<table>" in output.data["text/html"]
    ]
    about_models = [html for html in tables if "mini:" in html]
    assert len(about_models) >= 8
    assert all(MINIATURE_NOTE in html for html in about_models)


def test_its_pictures_can_be_seen(notebook):
    """Samples and five tasks, each a picture that is not empty."""
    pictures = [
        base64.b64decode(output.data["image/jpeg"])
        for cell in code_cells(notebook)
        for output in cell.outputs
        if "image/jpeg" in output.get("data", {})
    ]
    assert len(pictures) == 6
    for content in pictures:
        with Pillow.open(io.BytesIO(content)) as stored:
            low, high = stored.convert("L").getextrema()
        assert high - low > 100


def test_all_models_were_evaluated_at_all_tasks(notebook, script):
    """Eight models and six tasks, none failed, and every task has numbers."""
    found = script.headlines(notebook)
    assert len({one["model"] for one in found}) == 8
    assert {one["task"] for one in found} == set(TASKS)
    assert {one["status"] for one in found} == {"done", "n/a"}
    assert {one["task"] for one in found if one["value"] is not None} == set(TASKS)


def headline(value, *, model="m", status="done", metric="f1"):
    """One headline."""
    place = {"model": model, "dataset": "d", "task": "t", "protocol": "p"}
    return {**place, "status": status, "metric": metric, "value": value}


def test_the_check_sees_what_moved(script):
    """Rounding passes; a jump, a missing model, another metric and a lost number do not."""
    two = [headline(0.5), headline(0.8, model="n")]

    def problems(*after):
        return list(script.differences(two, list(after)))

    assert problems(headline(0.505), headline(0.8, model="n")) == []
    assert problems(headline(0.64), headline(0.8, model="n")) != []  # the median is 0.07
    (jump, *_) = problems(headline(0.7), headline(0.8, model="n"))
    assert jump == "('m', 't', 'p'): was 0.5, is 0.7"
    assert "stands in only one of both" in problems(headline(0.5))[0]
    assert (
        "was ('done', 'f1', False), is ('done', 'dice', False)"
        in (problems(headline(0.5, metric="dice"), headline(0.8, model="n"))[0])
    )
    assert problems(headline(None, status="failed"), headline(0.8, model="n")) != []
    assert "no headlines" in next(iter(script.differences([], two)))


def test_the_check_judges_large_values_by_their_share(script):
    """A value of 40 may move by more than one of 0.4."""
    before = [headline(40.0, metric="psnr")]
    assert list(script.differences(before, [headline(40.2, metric="psnr")])) == []
    assert list(script.differences(before, [headline(50.0, metric="psnr")])) != []


def test_cells_are_cleaned(script):
    """What says when and where it ran goes; what is shown stays."""
    cell = nbformat.v4.new_code_cell("x", metadata={"execution": {"started": "now"}})
    data = {"text/html": "<b>", "text/plain": "<object at 0x7f>", script.HEADLINES: [1]}
    cell.outputs = [
        nbformat.v4.new_output("display_data", data=data),
        nbformat.v4.new_output("stream", text="said"),
        nbformat.v4.new_output("display_data", data={"text/plain": "3"}),
    ]
    script.clean(cell)
    assert cell.metadata == {}
    kept = [json.loads(json.dumps(output.get("data", {}))) for output in cell.outputs]
    assert kept == [{"text/html": "<b>", script.HEADLINES: [1]}, {}, {"text/plain": "3"}]
    assert "said" in script.words(nbformat.v4.new_notebook(cells=[cell]))
