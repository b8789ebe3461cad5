"""Every recipe reads a miniature copy of its published layout, and is run through one task."""

from collections import Counter
from math import isfinite
from pathlib import Path

import layouts_chest
import layouts_medmnist
import layouts_outlines
import layouts_pictures
import layouts_volumes
import layouts_vqa
import pytest
from published import Layout
from typer.testing import CliRunner

from vesalius.api import Settings, evaluate
from vesalius.catalog import load_model
from vesalius.cli import app
from vesalius.data.check import check_dataset
from vesalius.data.opening import load_dataset, read_dataset
from vesalius.data.recipes import RECIPES
from vesalius.data.recipes.conformance import check_recipe
from vesalius.errors import DataError
from vesalius.records import Done

LAYOUTS: dict[str, Layout] = {
    **layouts_medmnist.LAYOUTS, **layouts_vqa.LAYOUTS, **layouts_chest.LAYOUTS,
    **layouts_outlines.LAYOUTS, **layouts_volumes.LAYOUTS, **layouts_pictures.LAYOUTS,
}  # fmt: skip
RUN = [name for name, layout in LAYOUTS.items() if layout.task]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Miniature copies, each built once, and a cache of their own."""
    built: dict[object, Path] = {}
    root = tmp_path_factory.mktemp("published")

    def folder(name: str) -> Path:
        if name not in built:
            built[name] = root / name
            built[name].mkdir()
            LAYOUTS[name].build(built[name])
        return built[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        patch.setenv("VESALIUS_DATA", str(root / "data"))
        yield folder


def test_every_recipe_has_a_miniature_copy():
    """A recipe that nothing reads could say anything."""
    assert set(LAYOUTS) == set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_keeps_the_rules(name):
    """Facts are complete, prompts fit classes, counts are counts, nothing contradicts itself."""
    check_recipe(RECIPES[name])


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout_is_read_whole(name, folders):
    """Every row comes, under the right split, with files that decode and boxes that fit."""
    layout, recipe = LAYOUTS[name], RECIPES[name]
    data = read_dataset(f"{name}={folders(name)}")
    splits = {sample.id: sample.split for sample in data}
    tables = {"samples": data.samples, "questions": data.questions, "phrases": data.phrases}
    for table, counts in layout.counts.items():
        assert dict(Counter(splits[row.id] for row in tables[table])) == counts
    report = check_dataset(f"{name}={folders(name)}")
    others = [p for p in report.problems if p.reason != "count_mismatch"]
    assert others == []
    assert report.n_decoded >= len(data)
    for attribute, value in layout.columns.items():
        assert getattr(data[0], attribute) == value
    assert any(layout.note in note for note in data.card.notes) or not layout.note
    assert data.card.license == recipe.license


@pytest.fixture(scope="module")
def mini():
    """The miniature that everything is run with, loaded once."""
    return load_model("mini:clip", device="cpu")


@pytest.mark.parametrize("name", RUN)
def test_layout_runs_through_a_task(name, folders, tmp_path, mini):
    """Named as on the command line, a miniature copy ends with numbers."""
    layout = LAYOUTS[name]
    settings = Settings(protocols=(layout.protocol,), device="cpu", n_resamples=2, limit=3,
                        controls=False, allow_partial=True, cache=tmp_path / "cache")  # fmt: skip
    result = evaluate(
        models=[mini],
        datasets=[f"{name}={folders(name)}"],
        tasks=[layout.task],
        out=tmp_path / "run",
        settings=settings,
    )
    assert [type(one) for one in result.outcomes] == [Done], result.outcomes
    assert any(isfinite(row.estimate.value) for row in result.metrics)


def test_the_command_line_runs_a_recipe_and_says_its_notes(folders, tmp_path):
    """`vesalius run --data NAME=FOLDER`: real overlap and a partial copy are not silent."""
    done = CliRunner().invoke(
        app,
        ["run", "--model", "mini:clip", "--data", f"vqa-rad={folders('vqa-rad')}", "--task", "vqa",
         "--protocol", "ranked-candidates", "--out", str(tmp_path / "run"), "--resamples", "2",
         "--no-controls", "--allow-partial", "--device", "cpu"],
        env={"COLUMNS": "200"},
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "1 images stand in several official splits: the authors split questions" in done.output
    assert "n_expected = 451, n_loaded = 2" in done.output
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "images stand in several official splits" in page


def test_a_part_is_refused_unless_it_is_asked_for(folders):
    """Expected and loaded counts are both named; with the option the card says it instead."""
    name = f"vqa-rad={folders('vqa-rad')}"
    with pytest.raises(DataError, match=r"n_expected = 1797, n_loaded = 3; .*--allow-partial"):
        load_dataset(name)
    part = load_dataset(name, allow_partial=True)
    assert any("test questions: n_expected = 451, n_loaded = 2" in n for n in part.card.notes)
