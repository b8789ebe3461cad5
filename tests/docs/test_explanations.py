"""The pages about metrics, protocols and statistics: complete, in one order, and as the code is."""

import re
import shlex
from collections import Counter

import pytest
from explanations import DOCS, PLACES, Page, pages_of, place_of, read_page, with_tables

from vesalius.api import choose_tasks
from vesalius.cli import app
from vesalius.metrics import METRICS
from vesalius.report.tables import HEADLINE
from vesalius.tasks import make_task

SECTIONS = {
    "metrics": [
        "Formula",
        "Unit, range and direction",
        "Ties and thresholds",
        "Edge cases",
        "Worked example",
        "Traps",
        "When to use it",
        "Source",
    ],
    "protocols": [
        "What goes in",
        "Steps",
        "Fitted and tested",
        "Settings",
        "Controls",
        "Metrics",
        "Edge cases",
        "Cost",
        "How to run it",
        "Known differences",
        "Sources",
    ],
    "statistics": ["Definition", "Edge cases", "Worked example", "Traps", "Source"],
}
PAGES = {folder: pages_of(folder) for folder in SECTIONS}
EVERY = [page for pages in PAGES.values() for page in pages]
INDEXES = [read_page(DOCS / folder / "index.md") for folder in SECTIONS]
REASONS = " ".join(
    re.sub(r'"\n\s*f?"', "", path.read_text(encoding="utf-8"))
    for path in (DOCS.parent / "src" / "vesalius" / "tasks").glob("*.py")
)


def each(folder):
    """One test a page."""
    return pytest.mark.parametrize("page", PAGES[folder], ids=lambda page: page.path.stem)


every_page = pytest.mark.parametrize(
    "page", EVERY, ids=lambda p: f"{p.path.parent.name}/{p.path.stem}"
)


def test_every_metric_has_exactly_one_page():
    """A number in a report that nothing explains, or that two pages explain."""
    covered = Counter(name for page in PAGES["metrics"] for name in page.facts["metrics"])
    assert covered == Counter(list(METRICS))


def test_every_protocol_has_exactly_one_page():
    """A protocol that nothing explains; the file is found by task and name."""
    assert Counter(map(place_of, PAGES["protocols"])) == Counter(list(PLACES))
    for page in PAGES["protocols"]:
        assert page.path.stem == "-".join(place_of(page))


@every_page
def test_sections_stand_in_one_order(page: Page):
    """A reader finds the same thing at the same place; a question or claim comes first."""
    assert page.headings == SECTIONS[page.path.parent.name]
    assert page.answer[-1] in "?."
    assert all(page.section(title).strip() for title in page.headings)


@pytest.mark.parametrize(
    "page", [*EVERY, *INDEXES], ids=lambda p: f"{p.path.parent.name}/{p.path.stem}"
)
def test_tables_are_those_of_the_code(page: Page):
    """Units, ranges, directions, defaults; mend with `python tests/docs/explanations.py`."""
    assert with_tables(page) == page.text


@each("metrics")
def test_a_page_of_a_metric_has_formula_scale_and_sources(page: Page):
    """What the table of metrics cites is cited, and the definition is no prose alone."""
    assert "$$" in page.section("Formula")
    assert "<!-- table: scale -->" in page.section("Unit, range and direction")
    for name in page.facts["metrics"]:
        for cited in re.findall(r"(?:doi|arXiv):[^\s;,]+", METRICS[name].source):
            assert cited.rstrip(":") in page.section("Source"), name


@each("protocols")
def test_controls_and_settings_are_those_of_the_protocol(page: Page):
    """Every control that runs is explained, in order, and none that does not run."""
    task = make_task(*place_of(page))
    named = re.findall(r"^- `([\w-]+)`: ", page.section("Controls"), flags=re.MULTILINE)
    assert tuple(named) == task.controls
    assert "<!-- table: settings -->" in page.section("Settings")


@each("protocols")
def test_the_headline_comes_first_among_known_metrics(page: Page):
    """What the matrix of a report shows is named first, and no metric is made up."""
    text = page.section("Metrics")
    first = re.match(r"\s*Headline: `([^`]+)`", text)
    assert first, "the section begins with the headline"
    assert first[1] in {name for name, _ in HEADLINE[page.facts["task"]]}
    for name in re.findall(r"`([^`]+)`", text):
        stem = re.sub(r"^fid\b", "fd", name.partition("[")[0])
        known = name in METRICS or any(m.partition("[")[0] == stem for m in METRICS)
        assert known or name.startswith(("[", "judge=", "max", "std", "side", "tolerance_mm")), name


@each("protocols")
def test_reasons_for_na_are_those_of_the_code(page: Page):
    """A reader looks for the words that the report shows; those with numbers are left out."""
    (line,) = re.findall(r"^- n/a: (.*(?:\n  .*)*)", page.section("Edge cases"), flags=re.MULTILINE)
    for reason in re.findall(r'"([^"]+)"', " ".join(line.split())):
        if not re.search(r"\d|…|rows", reason):
            assert reason in REASONS


@each("protocols")
def test_the_command_runs_this_protocol(page: Page):
    """Options that exist, the page's task and protocol, settings that are accepted."""
    (command,) = re.findall(r"`(?:``bash\n)?(vesalius run [^`\n]+)", page.section("How to run it"))
    words = shlex.split(command)[2:]
    given = dict(zip(words[::2], words[1::2], strict=True))
    (run,) = [c for c in app.registered_commands if c.callback.__name__ == "run"]
    assert {name[2:].replace("-", "_") for name in given} <= set(run.callback.__annotations__)
    (task,) = choose_tasks([given["--task"]], [given["--protocol"]])
    assert (task.card.task, task.card.protocol) == place_of(page)


@every_page
def test_its_python_runs(page: Page, tmp_path, monkeypatch):
    """Worked examples are true: each page states a value and asserts it."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    assert any("assert " in block for block in page.blocks)
    for block in page.blocks:
        exec(compile(block, page.path.name, "exec"), names)


def test_the_overview_leads_to_every_protocol():
    """Whoever reads docs/tasks.md finds the page of each row."""
    text = (DOCS / "tasks.md").read_text(encoding="utf-8")
    for page in PAGES["protocols"]:
        assert f"(protocols/{page.path.name})" in text


def test_the_index_of_statistics_names_every_page():
    """Its table is written by hand."""
    text = INDEXES[-1].text
    for page in PAGES["statistics"]:
        assert f"({page.path.name})" in text
