"""The view of the matrix in a real browser: sorting, filters, metrics, subgroups, its address."""

import csv
import io
import json
import math

import pytest
from compared import comparisons_of
from demo_run import Names, build_run

from vesalius.report.matrix import span_text
from vesalius.report.page import write_report
from vesalius.report.tables import text_of
from vesalius.store.runs import metrics_csv, read_run

pytestmark = pytest.mark.browser

COLUMNS = ["knn", "zero-shot", "embedding"]
STRONG, WEAK, NEVER = Names().models  # the last has no value anywhere
MODELS = sorted(Names().models)
BODY = ".matrix tbody "
STATIC = (
    "JSON.stringify(Array.from(document.querySelectorAll('.place'), cell => ["
    "cell.className.split(' ').filter(c => c !== 'left-out').sort().join(' '),"
    " cell.querySelector('.value')?.textContent ?? '',"
    " cell.querySelector('.ci')?.textContent ?? '']))"
)


@pytest.fixture(scope="module")
def page(run_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("view") / "r.html"
    return write_report([run_folder], out, comparisons=comparisons_of(Names()))


@pytest.fixture
def tab(page, chromium):
    opened = chromium.open(page)
    yield opened
    complaints, requests = opened.complaints(), opened.requested()
    opened.close()
    assert complaints == []
    assert set(requests) <= {page.as_uri()}


def models(tab):
    return tab.texts(f"{BODY}th .model")


def column(tab, name):
    """Values of a column from the top, as they are read."""
    place = COLUMNS.index(name) + 2
    found = tab.texts(f"{BODY}td:nth-child({place})")
    return [text.split(" ")[0] for text in found]


def said(tab):
    return tab.texts("#view-said")[0]


def sort(tab, name):
    tab.click(f".matrix .sort:text-is('{name}')")


def row_of(run_folder, model, task, protocol, metric, *, subgroup="", class_name=""):
    found = [
        row for row in read_run(run_folder).metrics
        if (row.cell.model, row.cell.task, row.cell.protocol) == (model, task, protocol)
        and (row.estimate.metric, row.subgroup, row.class_name) == (metric, subgroup, class_name)
    ]  # fmt: skip
    (row,) = found
    return row.estimate


def test_columns_are_sorted_best_first_and_then_turned_round(tab):
    """What has no value stays last either way; the header says how it is sorted."""
    assert models(tab) == MODELS
    sort(tab, "zero-shot")
    assert models(tab) == [STRONG, WEAK, NEVER]
    assert column(tab, "zero-shot") == ["0.880", "0.490", "n/a"]
    sort(tab, "zero-shot")
    assert column(tab, "zero-shot") == ["0.490", "0.880", "n/a"]
    assert models(tab) == [WEAK, STRONG, NEVER]
    sorts = "Array.from(document.querySelectorAll('.sorts'), h => h.getAttribute('aria-sort'))"
    assert tab.evaluate(sorts) == [None, None, "ascending", None]
    assert "Sorted by classification, zero-shot, ascending." in said(tab)
    sort(tab, "Model")
    assert models(tab) == MODELS
    sort(tab, "Model")
    assert models(tab) == MODELS[::-1]


def test_the_matrix_is_sorted_by_keyboard_alone(tab):
    """Tab reaches every header; Enter and Space sort; the focus stays where it was."""
    for _ in range(40):
        tab.press("Tab")
        if tab.evaluate("document.activeElement.textContent") == "embedding":
            break
    tab.press("Enter")
    assert column(tab, "embedding") == ["0.490", "0.100", "failed"]
    tab.press("Space")
    assert column(tab, "embedding") == ["0.100", "0.490", "failed"]
    assert tab.evaluate("document.activeElement.textContent") == "embedding"
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_filters_leave_only_what_they_say(tab):
    """A task and a protocol hide the other columns, and the head of a task spans what is left."""
    heads = ".matrix thead tr:nth-child(2) .protocol"
    tab.choose("#view [name=task]", "0")
    assert tab.texts(heads) == ["knn", "zero-shot"]
    tab.choose("#view [name=protocol]", "1")
    assert tab.texts(heads) == ["zero-shot"]
    assert tab.evaluate("document.querySelector('.matrix .task').colSpan") == 1
    assert said(tab) == "3 models, 1 column shown."
    tab.click("#view [name=defined]")
    assert models(tab) == [STRONG, WEAK]
    tab.click("#view [name=above]")
    assert models(tab) == [STRONG]
    tab.choose("#view [name=task]", "1")
    assert said(tab) == "Nothing is left in this view."
    tab.click("#view [type=reset]")
    tab.evaluate("new Promise(done => setTimeout(done, 50))")
    assert models(tab) == MODELS
    assert tab.texts(heads) == COLUMNS


def test_places_that_do_not_clear_are_emptied(tab):
    """Only above controls: a model that clears somewhere keeps its row, not its other places."""
    tab.click("#view [name=above]")
    assert models(tab) == [STRONG]
    left_out = "document.querySelectorAll('.place.left-out').length"
    tab.click("#view [name=above]")
    assert tab.evaluate(left_out) == 0


def test_a_subgroup_shows_its_own_values_with_intervals(tab, run_folder):
    """The numbers are those of the metric rows; where there is no row there is no number."""
    tab.choose("#view [name=subgroup]", "0")
    estimate = row_of(run_folder, STRONG, "classification", "knn", "f1", subgroup="sex=F")
    first = tab.texts(f"{BODY}tr:nth-child(2) td")
    assert first[0].startswith(f"{text_of(estimate.value)} {span_text(estimate)}")
    assert first[2] == "– no value"
    assert "Ranks and groups are known for headlines over all patients only." in said(tab)
    tab.choose("#view [name=subgroup]", "2")
    undefined = row_of(run_folder, STRONG, "classification", "knn", "f1", subgroup="sex=other")
    assert math.isnan(undefined.value)
    assert column(tab, "knn")[1] == "n/a"
    reason = tab.evaluate(f"document.querySelector('{BODY}tr:nth-child(2) td').title")
    assert reason == undefined.reason


def test_a_metric_is_chosen_for_each_task(tab, run_folder):
    """Brier scores fill the columns of their task and no other; lowest is best."""
    label = "#view [name=metric0]"
    tab.click("#view summary")
    tab.choose(label, tab.evaluate(
        "Array.from(document.querySelectorAll('#view [name=metric0] option'))"
        ".find(o => o.textContent === 'brier').value"
    ))  # fmt: skip
    brier = row_of(run_folder, STRONG, "classification", "knn", "brier")
    assert column(tab, "knn")[1] == text_of(brier.value)
    assert column(tab, "embedding")[1] == "0.490"
    assert tab.texts(".matrix thead .metric") == ["brier", "brier", "recall@5"]
    sort(tab, "knn")
    assert "ascending" in said(tab)


def test_the_script_and_the_page_agree_on_every_headline(tab):
    """Chosen by name, the headline metric gives the values, intervals, colours and marks it had."""
    before = tab.evaluate(STATIC)
    for number, metric in enumerate(("f1", "recall@5")):
        value = tab.evaluate(
            f"Array.from(document.querySelectorAll('#view [name=metric{number}] option'))"
            f".find(o => o.textContent === '{metric}').value"
        )
        tab.evaluate(f"document.querySelector('#view [name=metric{number}]').value = '{value}'")
    tab.evaluate("document.getElementById('view').dispatchEvent(new Event('change'))")
    shown = [one for one in json.loads(tab.evaluate(STATIC)) if one[1]]
    assert shown == [one for one in json.loads(before) if one[1]]
    assert len(shown) == 6
    tab.click("#view [type=reset]")
    tab.evaluate("new Promise(done => setTimeout(done, 50))")
    assert tab.evaluate(STATIC) == before
    assert tab.texts(f"{BODY}.rank i") == ["a", "a", "a", "a", "b", "b"]


def test_the_address_keeps_the_view_and_gives_it_back(tab, page, chromium):
    """After a reload, in another window and beside an anchor, the view is what it was."""
    tab.choose("#view [name=task]", "0")
    tab.click("#view [name=defined]")
    sort(tab, "knn")
    sort(tab, "knn")
    address = tab.evaluate("location.hash")
    assert address == "#matrix&task=classification&defined=yes&sort=%2Bclassification%2Fknn"
    before = (models(tab), said(tab), tab.texts(".matrix thead .protocol"))
    tab.call("reload")
    assert (models(tab), said(tab), tab.texts(".matrix thead .protocol")) == before
    tab.evaluate("location.hash = '#gaps'; new Promise(done => setTimeout(done, 100))")
    assert tab.evaluate("location.hash") == address.replace("#matrix", "#gaps")
    assert models(tab) == before[0]
    other = chromium.open(page, fragment=address)
    assert (models(other), said(other)) == before[:2]
    other.close()
    tab.click("#view [type=reset]")
    tab.evaluate("new Promise(done => setTimeout(done, 50))")
    assert tab.evaluate("location.hash") == "#gaps"


@pytest.mark.parametrize(
    "fragment",
    ["#matrix&task=never&sort=%2Bno", "#&&=&task", "#matrix&defined=%E0%A4%A&x=<b>", "#%"],
)
def test_an_address_that_is_nonsense_changes_nothing(page, chromium, fragment):
    """What is not among the choices is left alone, without a complaint."""
    tab = chromium.open(page, fragment=fragment)
    assert models(tab) == MODELS
    assert tab.texts(".matrix thead .protocol") == COLUMNS
    assert tab.complaints() == []
    tab.close()


def test_the_saved_table_is_the_metrics_table(tab, run_folder, tmp_path):
    """Made from the one block of rows, it has the same cells as the table of the run."""
    assert tab.download("#save-csv", tmp_path / "saved.csv") == "metrics.csv"
    saved = list(csv.reader(io.StringIO((tmp_path / "saved.csv").read_text(), newline="")))
    wanted = metrics_csv(read_run(run_folder).metrics).decode()
    lines = list(csv.reader(io.StringIO(wanted, newline="")))
    assert saved[0] == lines[0]
    assert len(saved) == len(lines)
    for one, other in zip(saved[1:], lines[1:], strict=True):
        assert [_number(cell) for cell in one] == [_number(cell) for cell in other]


def test_each_data_set_has_its_matrix_and_can_be_shown_alone(run_folder, tmp_path, chromium):
    """Two data sets of one name stand apart; sorting and metrics hold for both at once."""
    second = build_run(tmp_path / "second", n=20, seed=5)
    info = json.loads((second / "run.json").read_text())
    info["datasets"][Names().dataset]["digest"] = "another"
    (second / "run.json").write_text(json.dumps(info))
    page = write_report([run_folder, second], tmp_path / "r.html")
    tab = chromium.open(page)
    names = ["phantom-cxr (run 1)", "phantom-cxr (run 2)"]
    assert tab.texts(".matrix caption") == names
    tab.click(".one-matrix:nth-of-type(1) .sort:text-is('zero-shot')")
    sorts = "document.querySelectorAll('[aria-sort=descending]').length"
    assert tab.evaluate(sorts) == 2
    tab.choose("#view [name=dataset]", "1")
    assert tab.texts(".matrix caption") == names[1:]
    assert "dataset=phantom-cxr%20(run%202)" in tab.evaluate("location.hash")
    tab.click("#view [name=defined]")
    assert models(tab) == [f"{STRONG} (run 2)", f"{WEAK} (run 2)"]
    assert tab.complaints() == []
    tab.close()


def _number(text):
    try:
        return float(text)
    except ValueError:
        return text
