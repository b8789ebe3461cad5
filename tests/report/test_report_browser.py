"""The page in a real browser: payloads stay inert, its own script runs, nothing is requested."""

import subprocess
from pathlib import Path

import pytest
from headless import QUIET, chromium

from vesalius.records import Cell
from vesalius.report.cells import anchor_of
from vesalius.report.page import write_report
from vesalius.store.runs import read_run

pytestmark = pytest.mark.browser


def dump(page: Path, profile: Path, *, fragment: str = "") -> str:
    """The document after scripts ran, as the browser holds it."""
    command = [
        chromium(), *QUIET, f"--user-data-dir={profile}", "--virtual-time-budget=3000",
        "--dump-dom", page.as_uri() + fragment,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def test_payloads_do_not_run_and_the_script_of_the_page_does(hostile_run, tmp_path):
    """The canary in the title is untouched; the script opened the cell that the address names."""
    page = write_report([hostile_run], tmp_path / "r.html")
    cell = next(o.cell for o in read_run(hostile_run).outcomes)
    dom = dump(page, tmp_path / "profile", fragment=f"#{anchor_of(cell)}")
    assert "<title>Vesalius report</title>" in dom
    assert 'class="scripted"' in dom
    assert dom.count('<details class="cell" open="">') == 1


def test_an_injection_that_slipped_through_would_be_stopped_by_the_policy(run_folder, tmp_path):
    """The second wall stands alone: raw script in the file runs only without the policy."""
    page = write_report([run_folder], tmp_path / "r.html")
    attack = "<img src=x onerror=\"document.title='PWNED'\"><script>document.title='PWNED'</script>"
    text = page.read_text().replace("<main", attack + "<main", 1)
    (tmp_path / "walled.html").write_text(text)
    bare = text.replace('http-equiv="Content-Security-Policy"', 'name="off"', 1)
    (tmp_path / "bare.html").write_text(bare)
    assert "<title>Vesalius report</title>" in dump(tmp_path / "walled.html", tmp_path / "a")
    assert "<title>PWNED</title>" in dump(tmp_path / "bare.html", tmp_path / "b")


def test_anchors_do_not_depend_on_what_is_in_a_name():
    """Two cells share no anchor, and an anchor has only hexadecimal digits."""
    cells = [Cell("a", "b", "c", "d"), Cell("a", "b", "c d", ""), Cell("<", '"', "#", "&")]
    anchors = {anchor_of(cell) for cell in cells}
    assert len(anchors) == 3
    assert all(set(anchor) <= set("cell-0123456789abcdef") for anchor in anchors)
