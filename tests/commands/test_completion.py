"""What the shell offers: the right words, for every shell, without a heavy import."""

import os
import subprocess
import sys

import pytest

from vesalius.catalog import miniatures, models
from vesalius.cli import words
from vesalius.commands.evaluation import TABLES
from vesalius.commands.known_answers import KNOWN_ANSWERS
from vesalius.data.recipes import RECIPES
from vesalius.engine.fusion_names import KINDS
from vesalius.fusion.heads import HEADS
from vesalius.tasks import TASKS

HEAVY = ["torch", "transformers", "sklearn", "pyarrow", "scipy", "matplotlib", "PIL"]
CODE = f"""\
import sys
from vesalius.cli import main
try:
    main()
finally:
    heavy = set({HEAVY!r}) & set(sys.modules)
    assert not heavy, heavy
"""


def offered(line, *, shell="bash"):
    """The words that the program answers to the shell's question about a line."""
    typed = line.split(" ")
    asked = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(typed) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, **asked, "_VESALIUS_COMPLETE": f"complete_{shell}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vesalius ru", ["run"]),
        ("vesalius run --batch", ["--batch-size"]),
        ("vesalius run --model mini:bio", ["mini:biomedclip", "mini:biovil-t"]),
        ("vesalius run --task seg", ["segmentation"]),
        ("vesalius run --protocol free", ["free-text"]),
        ("vesalius run --data pneu", [n for n in RECIPES if "pneumoniam" in n]),
        ("vesalius fuse --head gat", ["gated"]),
        ("vesalius fuse --features mini:clip:wo", ["mini:clip:words"]),
        ("vesalius fuse --features tab", ["tabular"]),
        ("vesalius report --format l", ["latex"]),
        ("vesalius run --device c", ["cpu", "cuda"]),
        ("vesalius fetch slake", ["slake", "slake-zh"]),
        ("vesalius inspect clip", ["clip", "clipmd"]),
        ("vesalius reproduce clip-d", ["clip-diabetic-retinopathy"]),
    ],
)  # fmt: skip
def test_values_are_completed(line, expected):
    """Each option offers its own names, and only those that go on from what was typed."""
    assert offered(line).split() == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_its_answer(shell):
    """The same word in the form of each shell."""
    assert "segmentation" in offered("vesalius run --task seg", shell=shell)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_that_a_shell_loads_can_be_shown(shell):
    """`--show-completion` prints the script with this program's own variable."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, "--show-completion"],
        env={**os.environ, "SHELL": f"/bin/{shell}", "_VESALIUS_COMPLETE": f"source_{shell}"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "_VESALIUS_COMPLETE=complete_" + shell in done.stdout


def test_folders_are_completed(tmp_path, monkeypatch):
    """`--data` also takes a path."""
    (tmp_path / "my-cxr").mkdir()
    monkeypatch.chdir(tmp_path)
    assert offered("vesalius check my").split() == ["my-cxr/"]


@pytest.mark.parametrize(
    ("written", "table"),
    [
        (words.RECIPES, RECIPES),
        (words.HEADS, HEADS),
        (words.KINDS, KINDS),
        (words.KNOWN_ANSWERS, KNOWN_ANSWERS),
        (words.FORMATS, ("html", *TABLES)),
    ],
)
def test_words_written_down_are_those_of_the_tables(written, table):
    """A new recipe, head or known answer is offered, too."""
    assert tuple(written) == tuple(table)


def test_nothing_of_the_live_tables_is_left_out():
    """Models, miniatures, tasks and protocols come from their own tables."""
    assert set(offered("vesalius run --model ").split()) == {
        "all", "mini:all", *models(), *miniatures()
    }  # fmt: skip
    assert offered("vesalius run --task ").split() == list(TASKS)
