"""The README does what it says."""

import os
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    """Code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_dataset_example_is_a_dataset(tmp_path):
    """The two files of the example load once the image is there."""
    from vesalius import load_dataset

    (card,) = blocks("yaml")
    (table,) = blocks("csv")
    (tmp_path / "dataset.yaml").write_text(card)
    (tmp_path / "samples.csv").write_text(table)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0001.dcm").write_bytes(b"not read before it is asked for")
    data = load_dataset(tmp_path)
    assert [sample.labels for sample in data] == [("pneumonia",)]
    assert data.card.positive == yaml.safe_load(card)["positive"]


def test_readme_is_short():
    """A front page that nobody reads to its end is no front page."""
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("target", ["demo", "test", "setup"])
def test_the_commands_exist(target):
    """The Makefile has the targets that the contract promises."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_the_gate_is_executable():
    """CI calls the script directly."""
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_matrix_is_whole_and_of_miniatures_only():
    """Eight models, six tasks, no number that could be taken for that of a genuine model."""
    from vesalius.catalog import miniatures
    from vesalius.records import TASKS

    table = README.partition("<!-- matrix")[2].partition("<!-- end of matrix -->")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()[1:]
        if line.startswith("|") and "---" not in line
    ]
    assert rows[0] == ["miniature", *TASKS]
    assert [row[0] for row in rows[1:]] == [f"`{name}`" for name in sorted(miniatures())]
    number = r"\*\*\d\.\d{3}\*\*( ▽)? \[\d\.\d{3}, \d\.\d{3}\]<br>\S+<br>\S+|n/a"
    assert all(re.fullmatch(number, cell) for row in rows[1:] for cell in row[1:])
    assert "say nothing about the genuine" in README.partition("<!-- matrix")[0]
