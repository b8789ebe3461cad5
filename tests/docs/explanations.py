"""Tables of the pages that explain metrics and protocols, made from the code.

``python tests/docs/explanations.py`` writes them anew; the tests fail where a page has another one.
"""

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import yaml

from vesalius.catalog import MODELS
from vesalius.metrics import METRICS
from vesalius.report.glossary import Term, glossary
from vesalius.report.tables import HEADLINE
from vesalius.tasks import ON_REQUEST, TASKS, make_task

DOCS = Path(__file__).parents[2] / "docs"
TERMS = {term.name: term for term in glossary(METRICS)}
PLACES = {(task, name): None for task, protocols in TASKS.items() for name in protocols}
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", flags=re.DOTALL)
_BLOCK = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A page with its front matter."""

    path: Path
    facts: dict
    text: str

    @property
    def body(self) -> str:
        """Everything below the title."""
        return f"\n{self.text}".partition("\n# ")[2].partition("\n")[2]

    @property
    def answer(self) -> str:
        """The first paragraph: what a reader learns from the number."""
        return " ".join(self.body.partition("\n## ")[0].split())

    @property
    def headings(self) -> list[str]:
        """Titles of its sections, in order."""
        return re.findall(r"^## (.+)$", self.text, flags=re.MULTILINE)

    @property
    def blocks(self) -> list[str]:
        """Its Python, block by block."""
        return _BLOCK.findall(self.text)

    def section(self, title: str) -> str:
        """What stands under a heading."""
        return self.text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def read_page(path: Path) -> Page:
    """A page of the documentation; pages without front matter have no facts."""
    text = path.read_text(encoding="utf-8")
    found = re.match(r"---\n(.*?)\n---\n", text, flags=re.DOTALL)
    return Page(path, yaml.safe_load(found[1]) if found else {}, text)


def pages_of(folder: str) -> list[Page]:
    """All pages of a folder but its index, in the order of the code where it has one."""
    pages = [read_page(path) for path in sorted((DOCS / folder).glob("*.md"))]
    return sorted((p for p in pages if p.path.stem != "index"), key=_order)


def _order(page: Page) -> int:
    if "metrics" in page.facts:
        return list(METRICS).index(page.facts["metrics"][0])
    return list(PLACES).index(place_of(page)) if "protocol" in page.facts else 0


def place_of(page: Page) -> tuple[str, str]:
    """Task and protocol that a page explains."""
    return page.facts["task"], page.facts["protocol"]


def with_tables(page: Page) -> str:
    """The page with every table as the code has it."""
    return _TABLE.sub(lambda m: f"{m[1]}\n{_written(m[2], page)}\n\n{m[3]}", page.text)


def _written(name: str, page: Page) -> str:
    """The lines of a table, without empty ones around them, which Markdown needs once."""
    return "\n".join(_TABLES[name](page)).strip()


def _scale(page: Page) -> Iterator[str]:
    yield "| name | definition | unit and range | direction |"
    yield "|---|---|---|---|"
    for name in page.facts["metrics"]:
        yield _metric_row(TERMS[name], f"`{name}`")


def _metric_row(term: Term, shown: str) -> str:
    range_ = term.unit.replace(", ", ",\u00a0")  # a range stays on one line
    return f"| {shown} | {term.definition} | {range_} | {term.direction} |"


def _metrics(page: Page) -> Iterator[str]:
    del page
    for task in TASKS:
        yield from (f"## {task.capitalize().replace('Vqa', 'Questions')}", "")
        yield "| name | definition | unit and range | direction |"
        yield "|---|---|---|---|"
        for one in pages_of("metrics"):
            if one.facts["task"] == task:
                for name in one.facts["metrics"]:
                    yield _metric_row(TERMS[name], f"[`{name}`]({one.path.name})")
        yield ""


def _protocols(page: Page) -> Iterator[str]:
    del page
    yield "| task | protocol | what it answers | headline |"
    yield "|---|---|---|---|"
    for one in pages_of("protocols"):
        task, protocol = place_of(one)
        link = f"[`{protocol}`]({one.path.name})" + " (on request)" * (place_of(one) in ON_REQUEST)
        headline = ", ".join(f"`{name}`" for name, _ in HEADLINE[task])
        yield f"| {task} | {link} | {one.answer} | {headline} |"


def _settings(page: Page) -> Iterator[str]:
    task = make_task(*place_of(page))
    meanings, hints = _attributes(type(task)), get_type_hints(type(task))
    yield "| setting | default | meaning |"
    yield "|---|---|---|"
    for field in dataclasses.fields(task):
        choices = get_args(hints[field.name]) if get_origin(hints[field.name]) is Literal else ()
        meaning = meanings.get(field.name, "")
        if len(choices) > 1:
            meaning = f"{meaning} One of {', '.join(f'`{c}`' for c in choices)}.".strip()
        elif choices:
            meaning = "fixed; a part of the task card"
        yield f"| `{field.name}` | {_shown(getattr(task, field.name))} | {meaning} |"


def _attributes(record: type) -> dict[str, str]:
    """Meanings of the attributes, from the docstring."""
    text = (record.__doc__ or "").partition("Attributes:\n")[2]
    text = re.split(r"\n\s*\n", text)[0]
    found = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", text, flags=re.MULTILINE)
    return {name: " ".join(words.split()).replace("|", "\\|") for name, words in found}


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value)) or "none"
    return "`" + str(value).replace("|", "\\|") + "`"


def _models(page: Page) -> Iterator[str]:
    """Built-in models with the capabilities that the front matter names."""
    groups = [set(needs) for needs in page.facts["needs"]]
    able = [
        name
        for name, entry in MODELS.items()
        if any(group <= set(entry.capabilities) for group in groups)
    ]
    words = " or ".join("`" + "` with `".join(sorted(group)) + "`" for group in groups)
    named = ", ".join(f"`{name}`" for name in able)
    yield f"Capability in the catalogue: {words}. Built-in models: {named or 'none'}."


_TABLES = {
    "scale": _scale,
    "metrics": _metrics,
    "protocols": _protocols,
    "settings": _settings,
    "models": _models,
}

if __name__ == "__main__":
    for written in DOCS.glob("*/*.md"):
        page = read_page(written)
        written.write_text(with_tables(page), encoding="utf-8")
