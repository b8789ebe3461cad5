"""The sample browser of a report on 10,000 samples and 8 models: size, first paint, filters.

A synthetic run of one multilabel classification is written, its page made and opened in headless
Chromium. Times are the best of several rounds, because other work on the machine only adds to them;
without a browser only the sizes are printed.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from vesalius.records import Cell, DatasetCard, Done, ModelCard, Predictions, RunSpec, TaskCard
from vesalius.report.cells import anchor_of
from vesalius.report.page import write_report
from vesalius.store.runs import FORMAT, RunFolder

TESTS = Path(__file__).parents[1] / "tests"
CLASSES = ("nodule", "consolidation", "effusion", "pneumothorax", "cardiomegaly")
CARD = TaskCard("classification", "zero-shot", {})
ACTIONS = {
    "part of an id": "const i = document.getElementById('pick-id'); i.value = 's0012';"
    " i.dispatchEvent(new Event('input')); i.value = '';",
    "wrong and confident": "document.querySelector('[data-preset=confident]').click();",
    "models disagree": "document.querySelector('[data-preset=disagree]').click();",
    "found by none": "document.querySelector('[data-preset=none]').click();",
    "all": "document.querySelector('[data-preset=all]').click();",
    "sort by a model": "document.querySelectorAll('#sample-table thead button')[3].click();",
    "sort by id": "document.querySelectorAll('#sample-table thead button')[0].click();",
    "one model": "const m = document.getElementById('pick-model'); m.value = m.value === '3' ? ''"
    " : '3'; m.dispatchEvent(new Event('change'));",
}


def write_run(path: Path, *, n: int, n_models: int, seed: int) -> tuple[Path, Cell]:
    """A run without pictures; labels are rare, models of different strength."""
    folder = RunFolder(path)
    models = [f"model-{number}" for number in range(n_models)]
    card = DatasetCard("cohort", "xray", classes={c: (c,) for c in CLASSES}, multilabel=True)
    cards = [ModelCard(name, "clip") for name in models]
    folder.write_info({
        "format": FORMAT, "spec": asdict(RunSpec(tuple(models), ("cohort",), ("classification",))),
        "seed": seed, "versions": {}, "git_commit": "", "device": {}, "timings": {},
        "models": {c.name: asdict(c) | {"fingerprint": c.fingerprint} for c in cards},
        "datasets": {"cohort": asdict(card) | {"n_samples": {"test": n}, "n_patients": n}},
        "task_cards": {CARD.digest: asdict(CARD)},
    })  # fmt: skip
    rng = np.random.default_rng(seed)
    truth = rng.random((n, len(CLASSES))) < 0.15
    for number, model in enumerate(models):
        cell = Cell(model, "cohort", "classification", "zero-shot")
        folder.write_predictions(cell, _predictions(truth, 1 + 0.3 * number, rng))
        folder.write_outcome(Done(cell, "f" * 64, CARD.digest, n, 0, 1.0))
    folder.close()
    return path, cell


def _predictions(truth: np.ndarray, strength: float, rng: np.random.Generator) -> Predictions:
    scores = 1 / (1 + np.exp(-(rng.normal(size=truth.shape) + strength * (truth - 0.5))))
    ids = np.array([f"s{row:05d}" for row in range(len(truth))])
    labels = ["|".join(c for c, there in zip(CLASSES, row, strict=True) if there) for row in truth]
    return Predictions(
        {"id": ids, "patient": ids, "split": np.full(len(ids), "test"), "key": ids,
         "label": np.array(labels), "subgroup:sex": np.where(np.arange(len(ids)) % 2, "F", "M")}
        | {f"score:{name}": scores[:, i] for i, name in enumerate(CLASSES)}
        | {f"threshold:{name}": np.full(len(ids), 0.6) for name in CLASSES}
    )  # fmt: skip


def in_browser(page: Path, cell: Cell, rounds: int) -> dict[str, float]:
    """Milliseconds until something is painted, until rows are there, and of every action."""
    sys.path.insert(0, str(TESTS / "report"))
    from headless import browser

    found: dict[str, list[float]] = {}
    with browser() as chromium:
        for _ in range(rounds):
            tab = chromium.open(page, fragment=f"#samples-{anchor_of(cell)}")
            tab.call("waitForSelector", "#sample-table tbody th button")
            paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            found.setdefault("first paint", []).append(tab.evaluate(paint))
            found.setdefault("rows there", []).append(tab.evaluate("performance.now()"))
            tab.choose("#pick-model", "")
            for name, script in ACTIONS.items():
                timed = (
                    f"(() => {{ const t = performance.now(); {script}"
                    " document.getElementById('sample-table').getBoundingClientRect();"
                    " return performance.now() - t; })()"
                )
                found.setdefault(name, []).append(tab.evaluate(timed))
            tab.close()
    return {name: min(times) for name, times in found.items()}


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run, cell = write_run(Path(scratch) / "run", n=given.samples, n_models=given.models, seed=0)
        start = time.perf_counter()
        page = write_report([run], Path(scratch) / "r.html")
        made: dict[str, float] = {"page made (s)": time.perf_counter() - start}
        made["page (MB)"] = page.stat().st_size / 1e6
        text = page.read_text().partition('id="samples-0">')[2].partition("<")[0]
        made["packed rows (MB)"] = len(text) / 1e6
        has_kit = (TESTS / "browser" / "node_modules").is_dir() and shutil.which("node")
        if has_kit and (shutil.which("chromium") or shutil.which("chrome")):
            times = in_browser(page, cell, given.rounds)
            made |= {f"{name} (ms)": value for name, value in times.items()}
    if given.json:
        print(json.dumps(made, indent=2))
        return
    print(f"{given.samples:,} samples, {given.models} models")
    for name, value in made.items():
        print(f"  {name:28} {value:10.2f}")
    if "first paint (ms)" not in made:
        print("  no browser here: `make browser` installs what drives Chromium")


if __name__ == "__main__":
    main()
