"""Code blocks of a page, and what becomes of each: run, written as a file, parsed, or excused.

A page runs from top to bottom in one folder, in which ``my-cxr`` is a small dataset folder,
``runs/first`` a finished run on it, and ``generated`` and ``true`` are folders of pictures. What a
block is stands in its opening line:

- ``python``: executed; all blocks of a page share their names.
- ``bash`` or ``sh``: executed line by line, ``vesalius …`` in this process. ``exit code N`` in the
  title says how the last line ends.
- any block whose title is a file name: written to that file first.
- ``yaml``, ``csv``, ``json``: read by the parsers that Vesalius reads such files with.
- ``text``, or no language: only shown. ``text title="Prints"``: lines that the block before
  printed, where ``…`` stands for anything.
- a title that begins with ``Needs``: not executed; test_pages.py counts these.
"""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

_OPENING = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>[\w+-]*)(?P<rest>[^`]*)$")
_TITLE = re.compile(r'title="([^"]*)"')
_FILE_NAME = re.compile(r"[\w./-]+\.\w+")
_EXIT_CODE = re.compile(r"exit code (\d+)")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        line: of its opening, counted from 1.
        language: first word of the opening; empty where there is none.
    """

    page: Path
    line: int
    language: str
    title: str
    text: str

    @property
    def where(self) -> str:
        """Page and line, as an editor takes them."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file_name(self) -> str:
        """The file that the block shows; empty if it shows none."""
        return self.title if _FILE_NAME.fullmatch(self.title) else ""

    @property
    def exit_code(self) -> int:
        """How its last command ends."""
        found = _EXIT_CODE.search(self.title)
        return int(found[1]) if found else 0

    @property
    def is_excused(self) -> bool:
        """Whether the title says what the block needs that is not here."""
        return self.title.startswith("Needs ")

    @property
    def is_shell(self) -> bool:
        """Whether it holds command lines; the front page's have no language."""
        return self.language in {"bash", "sh"} or (
            not self.language and self.text.startswith(("vesalius ", "make "))
        )


def blocks_of(page: Path, /) -> tuple[Block, ...]:
    """Every fenced block of a page, in order."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        opening = _OPENING.match(lines[at])
        if opening is None:
            at += 1
            continue
        closing = opening["indent"] + opening["fence"]
        end = next(i for i in range(at + 1, len(lines)) if lines[i].rstrip() == closing)
        title = _TITLE.search(opening["rest"])
        text = textwrap.dedent("\n".join(lines[at + 1 : end]) + "\n")
        found.append(Block(page, at + 1, opening["language"], title[1] if title else "", text))
        at = end + 1
    return tuple(found)


def commands_of(block: Block, /) -> list[str]:
    """Its command lines, those that end in a backslash joined with the next."""
    joined = re.sub(r"\\\n\s*", "", block.text)
    return [
        line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
