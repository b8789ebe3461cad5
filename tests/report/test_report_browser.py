"""The page in a real browser: payloads stay inert, its own script runs, nothing is requested."""

import pytest

from vesalius.records import Cell
from vesalius.report.cells import anchor_of
from vesalius.report.page import write_report
from vesalius.store.runs import read_run

pytestmark = pytest.mark.browser


def test_payloads_do_not_run_and_the_script_of_the_page_does(hostile_run, tmp_path, chromium):
    """The canary in the title is untouched; the script opened the cell that the address names."""
    page = write_report([hostile_run], tmp_path / "r.html")
    cell = next(o.cell for o in read_run(hostile_run).outcomes)
    tab = chromium.open(page, fragment=f"#{anchor_of(cell)}")
    assert tab.evaluate("document.title") == "Vesalius report"
    assert tab.evaluate("document.documentElement.className") == "scripted"
    assert tab.evaluate("document.querySelectorAll('details.cell[open]').length") == 1
    assert tab.complaints() == []
    assert tab.requested() == [page.as_uri()]


def test_an_injection_that_slipped_through_is_stopped_by_the_policy(run_folder, tmp_path, chromium):
    """The second wall stands alone: raw script in the file runs only without the policy."""
    page = write_report([run_folder], tmp_path / "r.html")
    attack = "<img src=x onerror=\"document.title='PWNED'\"><script>document.title='PWNED'</script>"
    text = page.read_text().replace("<main", attack + "<main", 1)
    (tmp_path / "walled.html").write_text(text)
    bare = text.replace('http-equiv="Content-Security-Policy"', 'name="off"', 1)
    (tmp_path / "bare.html").write_text(bare)
    walled, bare = (chromium.open(tmp_path / f"{name}.html") for name in ("walled", "bare"))
    assert walled.evaluate("document.title") == "Vesalius report"
    assert "Content Security Policy" in " ".join(walled.complaints())
    assert bare.evaluate("document.title") == "PWNED"


def test_anchors_do_not_depend_on_what_is_in_a_name():
    """Two cells share no anchor, and an anchor has only hexadecimal digits."""
    cells = [Cell("a", "b", "c", "d"), Cell("a", "b", "c d", ""), Cell("<", '"', "#", "&")]
    anchors = {anchor_of(cell) for cell in cells}
    assert len(anchors) == 3
    assert all(set(anchor) <= set("cell-0123456789abcdef") for anchor in anchors)
