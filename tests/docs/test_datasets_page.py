"""The page about public data sets says what recipes and known answers say, and its example runs."""

import re
from pathlib import Path

import pytest

from vesalius.commands.known_answers import KNOWN_ANSWERS
from vesalius.data.opening import load_recipe
from vesalius.data.recipes import RECIPES

PAGE = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")


def row_of(name: str) -> str:
    """The one line of a table that begins with a name."""
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    return row


def test_the_example_runs_and_reads_a_folder(tmp_path, monkeypatch):
    """A recipe as printed passes the checks and gives samples."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(snippet, "datasets.md", "exec"), names)
    for label in ("normal", "mass"):
        path = tmp_path / "set" / "images" / label / f"{label}1.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"content is not read here")
    data = load_recipe(names["recipe"], tmp_path / "set")
    assert {(one.id, one.labels) for one in data} == {
        ("mass1", ("mass",)), ("normal1", ("normal",)),
    }  # fmt: skip


@pytest.mark.parametrize("name", [one.name for one in RECIPES.values() if one.place != "medmnist"])
def test_licence_tasks_and_way_are_those_of_the_recipe(name):
    """A table that drifts away from the code misleads about licences."""
    recipe, row = RECIPES[name], row_of(name)
    assert f"| {recipe.title} | {', '.join(recipe.tasks)} | {recipe.license} |" in row
    assert ("asked for" in row) is bool(recipe.credentials)


def test_every_subset_of_medmnist_is_named():
    """The one sentence that stands for sixty recipes."""
    for name in (one.name for one in RECIPES.values() if one.place == "medmnist"):
        assert f"`{name.partition('_')[0]}`" in PAGE


@pytest.mark.parametrize("name", KNOWN_ANSWERS)
def test_known_answers_are_listed_with_value_and_tolerance(name):
    """What a reader compares with is what the command compares with."""
    answer, row = KNOWN_ANSWERS[name], row_of(name)
    assert f"{answer.expected:.4f} ± {answer.tolerance:g}" in row
    assert answer.source in row
    assert answer.doubt in row
