"""What `--help` teaches: every command has a purpose, examples that parse, and a next step."""

import re
import shlex
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from vesalius.api import choose_tasks
from vesalius.catalog import parse_model
from vesalius.cli import app
from vesalius.cli.table import COMMANDS
from vesalius.data.recipes import RECIPES
from vesalius.engine.fusion_names import split_slot

GROUP = typer.main.get_command(app)
NAMES = tuple(GROUP.commands)
PANELS = ("Start here", "Evaluate", "Look at results", "Data", "Models")


def shown(*arguments):
    """What is printed in a terminal of 80 columns."""
    done = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.output


def lines_to_type(text):
    """The example lines of a help page, joined where they end with a backslash."""
    after = re.sub(r"\\ *\n", " ", text.split("Examples")[1])
    lines = (" ".join(line.split()) for line in after.splitlines())
    return [line.removeprefix("Next: ") for line in lines if "vesalius " in line]


def parsed(line):
    """The parameters that the app's own parser makes of a line."""
    program, name, *rest = shlex.split(line)
    assert program == "vesalius"
    with GROUP.commands[name].make_context(name, rest) as context:
        return context.params


def test_the_top_page_groups_every_command():
    """Panels stand in the order in which people need them, and no command is outside of one."""
    page = shown()
    places = [page.index(f"─ {panel} ─") for panel in PANELS]
    assert places == sorted(places)
    assert "─ Commands ─" not in page
    for name in NAMES:
        assert re.search(rf"│ {name} +\w", page), name
    assert len(COMMANDS) == len(NAMES)


@pytest.mark.parametrize("name", ["", *NAMES])
def test_help_fits_80_columns(name):
    """No line is cut or folded by a usual terminal."""
    page = shown(*([name] if name else []))
    assert max(len(line.rstrip()) for line in page.splitlines()) <= 80


@pytest.mark.parametrize("name", NAMES)
def test_help_says_what_is_read_and_written(name):
    """A purpose in one sentence, then what is touched, then examples and the next command."""
    page = shown(name)
    assert "Reads " in page
    assert re.search(r"writes|written|prints", page)
    assert page.index("Examples") < page.index("Next: ")


@pytest.mark.parametrize("name", NAMES)
def test_every_example_parses_and_names_what_there_is(name):
    """A line of the help, typed as it stands, is understood by the parser and the catalogs."""
    lines = lines_to_type(shown(name))
    assert len(lines) >= 2
    assert any(shlex.split(line)[1] == name for line in lines)
    for line in lines:
        given = parsed(line)
        models = [m for m in given.get("model") or () if m not in {"all", "mini:all"}]
        for model in models:
            parse_model(model)
        for slot in given.get("features") or ():
            split_slot(slot)
        task = given.get("task") or "all"
        choose_tasks(task, given.get("protocol") or ())
        for one in given.get("name") if isinstance(given.get("name"), list) else ():
            assert one in RECIPES or parse_model(one)


def test_the_program_is_called_vesalius_however_it_is_started():
    """`python -m vesalius` gives lines that can be copied."""
    done = subprocess.run(
        [sys.executable, "-m", "vesalius", "check", "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Usage: vesalius check" in done.stdout
