"""Draws docs/img/report_samples.png and report_viewer.png from the pages of two finished runs.

Run: ``.venv/bin/python scripts/sample_screenshots.py demo-run ct-run``, after `make demo` and
`make browser`, and after ``vesalius run`` on the CT of a cohort (``demo-run/cohort/ct``) with
segmentation. NiiVue must be there (``vesalius fetch viewer``).
"""

import sys
from pathlib import Path

from screenshots import FOLDER, MOST_BYTES

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "report"))

from headless import Tab, browser  # noqa: E402 - lies beside the tests

from vesalius.report.page import write_report  # noqa: E402

IN_SOFTWARE = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
ROW = "Array.from(document.querySelectorAll('#sample-table tbody tr')).find("
ROW += "r => r.textContent.includes('{}')).querySelector('button').click()"


def take(tab: Tab, where: str, name: str) -> None:
    """A picture of the window after something was done in it."""
    tab.evaluate(f"{where}; new Promise(done => setTimeout(done, 800))")
    raw = FOLDER / f"{name}.png"
    tab.screenshot(raw)
    if raw.stat().st_size > MOST_BYTES:
        sys.exit(f"{name}.png has {raw.stat().st_size} bytes; at most {MOST_BYTES} are allowed")


def main(demo: Path, deep: Path) -> None:
    """Write both pages and take their pictures."""
    with browser(IN_SOFTWARE) as chromium:
        tab = chromium.open(write_report([demo], demo / "report.html"), width=1280, height=900)
        tab.evaluate("document.getElementById('samples').scrollIntoView()")
        tab.call("waitForSelector", "#sample-table tbody th button")
        tab.choose("#pick-task", "segmentation")
        tab.call("waitForSelector", "#pick-measure [value=dice]", {"state": "attached"})
        tab.click("[data-preset=disagree]")
        take(tab, ROW.format("effusion"), "report_samples")
        tab = chromium.open(write_report([deep], deep / "report.html"), width=1280, height=900)
        tab.evaluate("document.getElementById('samples').scrollIntoView()")
        tab.call("waitForSelector", "#sample-table tbody th button")
        tab.choose("#pick-task", "segmentation")
        tab.call("waitForSelector", "#pick-measure [value=dice]", {"state": "attached"})
        tab.evaluate(ROW.format("heart"))
        tab.click("#sample-volume")
        tab.call("waitForSelector", ".niivue-frame canvas")
        tab.call("waitForTimeout", 8000)
        take(tab, "document.querySelector('.viewer').scrollIntoView()", "report_viewer")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} RUN CT-RUN")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
