"""Writes the matrix of a finished demo between two marks of README.md.

Run: ``.venv/bin/python scripts/readme_matrix.py demo-run``, after `make demo`. Each place shows the
first protocol of its task, in the order of the catalog, that the model can do.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from vesalius.records import TASKS
from vesalius.report.sources import read_results
from vesalius.report.tables import Entry, entries, interval_text, text_of
from vesalius.tasks import default_protocols

README = Path(__file__).parents[1] / "README.md"
FIRST, LAST = "<!-- matrix: written by scripts/readme_matrix.py -->", "<!-- end of matrix -->"


def place(found: Sequence[Entry], task: str) -> str:
    """Value, interval, metric and protocol; ``n/a`` with no number."""
    by_protocol = {entry.cell.protocol: entry for entry in found if entry.headline is not None}
    for protocol in default_protocols(task):
        entry = by_protocol.get(protocol)
        if entry is not None and entry.headline is not None:
            e = entry.headline.estimate
            mark = " ▽" if entry.clearance == "does not clear" else ""
            return f"**{text_of(e.value)}**{mark} {interval_text(e)}<br>{e.metric}<br>{protocol}"
    return "n/a"


def table(run: Path) -> str:
    """Models × tasks in Markdown."""
    results = read_results([run])
    made = [e for e in entries(results.outcomes, results.metrics) if not e.is_control]
    models = sorted({entry.cell.model for entry in made})
    if strangers := [name for name in models if not name.startswith("mini:")]:
        sys.exit(f"{run}: expected miniatures only, got {', '.join(strangers)}")
    lines = [
        "| miniature | " + " | ".join(TASKS) + " |",
        "|---" * (len(TASKS) + 1) + "|",
    ]
    for model in models:
        own = [entry for entry in made if entry.cell.model == model]
        cells = (place([e for e in own if e.cell.task == task], task) for task in TASKS)
        lines.append(f"| `{model}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(run: Path) -> None:
    """Replace what stands between the marks."""
    before, _, rest = README.read_text(encoding="utf-8").partition(FIRST)
    _, _, after = rest.partition(LAST)
    if not after:
        sys.exit(f"{README}: expected the lines {FIRST!r} and {LAST!r}")
    README.write_text(f"{before}{FIRST}\n{table(run)}\n{LAST}{after}", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} RUN")
    main(Path(sys.argv[1]))
