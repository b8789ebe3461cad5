"""The page on comparing models: its commands run as printed, and its Python too."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import vesalius
from vesalius.api import Settings
from vesalius.cli import app

PAGE = (Path(__file__).parents[2] / "docs/how-to/compare-models.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh[^\n]*\n(.*?)```", PAGE, flags=re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines() if line]
# what the page's own run cannot do: it has miniatures only, and no tracker is installed
REFUSED = {"hf": "miniatures are no models of the hub", "mlflow": "pip install 'vesalius[mlflow]'"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the run that the page speaks of: two miniatures at one protocol."""
    root = tmp_path_factory.mktemp("home")
    vesalius.write_phantom(root / "data", n_patients=20)
    settings = Settings(
        protocols=("zero-shot",), n_resamples=50, controls=False, device="cpu", cache=root / "cache"
    )
    vesalius.evaluate(
        models=["mini:clip", "mini:pubmedclip"],
        datasets=[root / "data"],
        out=root / "runs" / "first",
        tasks="classification",
        settings=settings,
    )
    return root


@pytest.mark.parametrize("line", LINES)
def test_its_commands_run_as_printed(home, monkeypatch, line):
    """Each ends well and writes the file it names; two say why they cannot."""
    monkeypatch.chdir(home)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    program, *words = shlex.split(line)
    assert program == "vesalius"
    done = CliRunner().invoke(app, words, env={"COLUMNS": "80"})
    (why,) = [text for word, text in REFUSED.items() if word in words] or [""]
    if why:
        assert why in str(done.exception)
        return
    assert done.exit_code == 0, done.output
    if "--out" in words:
        assert (home / words[words.index("--out") + 1]).stat().st_size > 0
    else:
        assert "Rank" in done.output


def test_its_python_runs(home, monkeypatch, capsys):
    """It prints the column, its sentence and the models."""
    monkeypatch.chdir(home)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(block, "compare-models.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "macro_auroc" in printed
    assert "mini:pubmedclip" in printed
