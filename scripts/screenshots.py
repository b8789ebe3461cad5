"""Draws docs/img/report_matrix.png and report_cell.png from the page of a finished run.

Run: ``.venv/bin/python scripts/screenshots.py demo-run``, after `make demo` and `make browser`,
which brings the browser that takes them.
"""

import io
import sys
from pathlib import Path

from PIL import Image as Picture

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "report"))

from headless import Tab, browser  # noqa: E402 - lies beside the tests

from vesalius.ranking import paired_differences  # noqa: E402
from vesalius.report.page import write_report  # noqa: E402

FOLDER = ROOT / "docs" / "img"
MOST_BYTES, COLOURS = 300_000, 256
MATRIX = "document.getElementById('matrix').scrollIntoView()"
CELL = (
    "(() => { const cell = Array.from(document.querySelectorAll('details.cell')).find("
    "c => c.querySelector('.protocol').textContent === 'zero-shot');"
    " cell.querySelector('summary').click(); cell.scrollIntoView(); })()"
)


def take(tab: Tab, where: str, name: str) -> None:
    """A picture of the window once the page has been scrolled, in few colours."""
    tab.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    tab.evaluate(f"{where}; new Promise(done => setTimeout(done, 500))")
    raw = FOLDER / f"{name}.png"
    tab.screenshot(raw)
    stream = io.BytesIO()
    with Picture.open(raw) as picture:
        few = picture.convert("RGB").quantize(COLOURS, dither=Picture.Dither.NONE)
        few.save(stream, format="PNG", optimize=True)
    if stream.tell() > MOST_BYTES:
        sys.exit(f"{name}.png would have {stream.tell()} bytes; at most {MOST_BYTES} are allowed")
    raw.write_bytes(stream.getvalue())
    sys.stdout.write(f"{raw.relative_to(ROOT)}: {stream.tell()} bytes\n")


def main(run: Path) -> None:
    """Write the page of the run and take its pictures."""
    page = write_report([run], run.resolve() / "report.html", comparisons=paired_differences([run]))
    with browser() as chromium:
        tab = chromium.open(page, width=1440, height=1010)
        take(tab, MATRIX, "report_matrix")
        take(tab, CELL, "report_cell")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} RUN")
    main(Path(sys.argv[1]))
