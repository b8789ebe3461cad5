"""A folder in the navigation stands for all of its pages.

``Metrics: metrics/`` in mkdocs.yml becomes the folder's index page, then its pages by title, then
the folders in it, each a section. A folder without pages is left out.
"""

import re
from pathlib import Path

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_HEADING = re.compile(r"^# +(.+?)\s*$", re.MULTILINE)


def on_config(config, /):
    """Replace folders in ``nav`` by what lies in them."""
    config.nav = _expanded(config.nav, Path(config.docs_dir))
    return config


def _expanded(entries, docs):
    found = []
    for entry in entries:
        if not isinstance(entry, dict):
            found.append(entry)
            continue
        ((title, content),) = entry.items()
        if isinstance(content, list):
            content = _expanded(content, docs)
        elif content.endswith("/"):
            content = pages_in(docs / content, docs)
        if content:
            found.append({title: content})
    return found


def pages_in(folder: Path, docs: Path, /) -> list[object]:
    """Entries for the pages of a folder: its index, its pages by title, its folders."""
    if not folder.is_dir():
        return []
    index = folder / "index.md"
    pages = sorted((p for p in folder.glob("*.md") if p != index), key=_order)
    entries: list[object] = [p.relative_to(docs).as_posix() for p in pages]
    if index.exists():
        entries.insert(0, index.relative_to(docs).as_posix())
    folders = [(one, pages_in(one, docs)) for one in sorted(folder.iterdir()) if one.is_dir()]
    return entries + [{_section_title(one): content} for one, content in folders if content]


def _section_title(folder):
    index = folder / "index.md"
    return title_of(index) if index.exists() else folder.name.replace("-", " ").capitalize()


def _order(page):
    # decisions count up; everything else is looked up by its name
    return (page.name if page.name[0].isdigit() else "", title_of(page).casefold())


def title_of(page: Path, /) -> str:
    """The first heading of a page, without marks of code."""
    text = _FRONT_MATTER.sub("", page.read_text(encoding="utf-8"))
    found = _HEADING.search(text)
    return found[1].replace("`", "") if found else page.stem
