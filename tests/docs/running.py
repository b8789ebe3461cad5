"""Carry out the blocks of a page in a folder."""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from unittest import mock

import yaml
from pages import ROOT, Block, blocks_of, commands_of

from vesalius.cli import main
from vesalius.commands import terminal
from vesalius.data.card import read_card
from vesalius.data.tables import read_table
from vesalius.records import DatasetCard
from vesalius.spec_file import SpecFile, read_spec

_CARD_KEYS = {field.name for field in fields(DatasetCard)} - {"digest"} | {"format"}
_LEAST = {"format": 1, "name": "part"}
_FRAME = re.compile(r"[\u2500-\u257f]")  # lines around tables
_FOR_THE_SHELL = set("|<>$;&*`(")


def run_page(page: Path, folder: Path, /) -> dict[str, object]:
    """Carry out every block of a page in `folder`, the current one; the names of its Python."""
    names: dict[str, object] = {"__name__": "__main__"}
    printed = ""
    for block in blocks_of(page):
        if block.is_excused:
            continue
        if block.file_name:
            _write(block, folder)
        if block.language == "python":
            printed = _python(block, names)
        elif block.is_shell:
            printed = _shell(block)
        elif block.language == "text" and block.title == "Prints":
            _was_printed(block, printed)
        elif block.language in _PARSERS:
            _PARSERS[block.language](block, folder)
    return names


def _write(block: Block, folder: Path) -> None:
    path = folder / block.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")


def _python(block: Block, names: dict[str, object]) -> str:
    # line numbers of a traceback are those of the page
    code = compile("\n" * block.line + block.text, str(block.page), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, names)
    return out.getvalue()


def _shell(block: Block) -> str:
    printed = ""
    commands = commands_of(block)
    for at, line in enumerate(commands):
        code, printed = _command(line)
        expected = block.exit_code if at == len(commands) - 1 else 0
        assert code == expected, f"{block.where}: {line}\nexit code {code}\n{printed}"
    return printed


def _command(line: str) -> tuple[int, str]:
    if line.startswith("make "):
        _is_a_target(shlex.split(line, comments=True)[1])
        return 0, ""
    words = shlex.split(line, comments=True)
    plain = _FOR_THE_SHELL.isdisjoint(_unquoted(line))
    if words[0] == "vesalius" and plain:
        return _vesalius([*words, *_less_waiting(words)])
    script = f'python() {{ "{sys.executable}" "$@"; }}; vesalius() {{ python -m vesalius "$@"; }}\n'
    paths = f"{ROOT / 'src'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script + line],
        env={**os.environ, "PYTHONPATH": paths}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def _less_waiting(words: list[str]) -> list[str]:
    """Options that a page leaves open, set low: the same path, sooner."""
    command, options = words[1], []
    if command in {"run", "fuse", "compare"} and "--resamples" not in words:
        options += ["--resamples", "100"]
    if command == "fuse" and "--seeds" not in words:
        options += ["--seeds", "1"]
    if command == "run":
        options += ["--no-controls"]
        if "--data" in words and not {"--task", "--limit"} & set(words):
            options += ["--limit", "6"]  # all nineteen protocols
    return options


def _unquoted(line: str) -> str:
    """The part of a line outside quotes and comments, in which the shell would read signs."""
    lexer = shlex.shlex(line, posix=False, punctuation_chars=False)
    lexer.whitespace_split = True
    return " ".join(word for word in lexer if word[0] not in "'\"")


def _vesalius(words: list[str]) -> tuple[int, str]:
    """Run the command line in this process; exit code, and all that it printed."""
    out = io.StringIO()
    with (
        mock.patch.object(sys, "argv", words),
        mock.patch.object(terminal.console, "_width", 200),  # no message is broken or cut
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
    ):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue()


def _is_a_target(name: str) -> None:
    """CI runs the targets themselves."""
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith(f"{name}:") for line in lines), f"no target {name}"


def _was_printed(block: Block, printed: str) -> None:
    """Each line of the block stands in what was printed; white space and frames aside."""
    got = " ".join(_FRAME.sub(" ", printed).split())
    for line in block.text.splitlines():
        for part in line.split("…"):
            words = " ".join(part.split())
            assert words in got, f"{block.where}: {words!r} was not printed:\n{printed}"


def _yaml(block: Block, folder: Path) -> None:
    """A dataset card, part of one, or a specification, by the keys it has."""
    keys = set(yaml.safe_load(block.text))
    place = folder / f"yaml-{block.line}"
    place.mkdir()
    if keys <= _CARD_KEYS:
        missing = "".join(f"{key}: {value}\n" for key, value in _LEAST.items() if key not in keys)
        (place / "dataset.yaml").write_text(missing + block.text, encoding="utf-8")
        read_card(place)
    elif keys <= set(SpecFile.model_fields):
        (place / "spec.yaml").write_text(block.text, encoding="utf-8")
        read_spec(place / "spec.yaml")
    else:
        assert block.title, f"{block.where}: say in the title what kind of YAML this is"


def _csv(block: Block, folder: Path) -> None:
    path = folder / f"table-{block.line}.csv"
    path.write_text(block.text, encoding="utf-8")
    assert not read_table(path).problems, block.where


def _json(block: Block, folder: Path) -> None:
    json.loads(block.text)


_PARSERS = {"yaml": _yaml, "csv": _csv, "json": _json}
