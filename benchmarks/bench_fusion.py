"""The whole fusion study, beside fitting and scoring the same heads one by one.

The study shares what can be shared: slots are reduced once, penalties share a decomposition, heads
without randomness are fitted once for all seeds, and every resample is evaluated for all lines
together. What one would write instead is timed in parts and scaled to the same number of fits and
resamples, as printed. Only ratios inside one table mean anything.
"""

import argparse
import json
import time
from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from vesalius.fusion.cohort import Cohort, parts_of
from vesalius.fusion.goals import Classes
from vesalius.fusion.heads import HEADS
from vesalius.fusion.linear import STRENGTHS
from vesalius.fusion.results import Settings, Study
from vesalius.fusion.slots import Slot
from vesalius.fusion.study import fusion_study
from vesalius.fusion.trained_heads import Trained
from vesalius.records import Resampling

CLOSED = [name for name, head in HEADS.items() if not isinstance(head, Trained)]


def cohort(*, n: int, dim: int, seed: int) -> Cohort:
    """Three slots that hide a number each; the label is the sign of their weighted sum."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(3, n))
    slots = []
    for place, number in enumerate(hidden):
        values = rng.normal(size=(n, dim))
        values[:, 0] = 3 * number
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        slots.append(Slot("abc"[place], values, space="one" if place < 2 else ""))
    labels = (hidden.T @ [1, 1, 0.5] > 0).astype(np.int64)
    split = np.repeat(["train", "val", "test"], [int(0.6 * n), int(0.15 * n), n - int(0.75 * n)])
    patients = np.array([f"p{i}" for i in range(n)])
    return Cohort(tuple(slots), Classes(labels, ("no", "yes")), patients, split)


def linear_one_by_one(data: Cohort) -> tuple[float, int]:
    """Seconds of one logistic regression on all slots side by side, per penalty; how many times.

    A linear head on each slot, on all, on the answers of others and on each subset: about one for
    every closed head, seed and penalty.
    """
    x = np.concatenate([slot.values for slot in data.slots], axis=1)
    rows = data.split == "train"
    started = time.perf_counter()
    LogisticRegression(C=1.0, max_iter=200).fit(x[rows], data.goal.labels[rows])
    return time.perf_counter() - started, len(CLOSED) * 3 * len(STRENGTHS)


def networks_one_by_one(data: Cohort, settings: Settings) -> tuple[float, int]:
    """Seconds of one network on features that were not reduced; how many: one a head and seed."""
    parts = parts_of(data, width=data.slots[0].values.shape[1])
    head = HEADS["gated"]
    started = time.perf_counter()
    head.fit(parts.train, parts.val, 0)
    n_trained = len(HEADS) - len(CLOSED) + 1
    return time.perf_counter() - started, n_trained * len(settings.seeds)


def resamples_one_by_one(data: Cohort, n_lines: int, settings: Settings) -> tuple[float, int]:
    """Seconds of one area under the curve in one resample; how many: lines, seeds, resamples."""
    rng = np.random.default_rng(0)
    rows = np.flatnonzero(data.split == "test")
    truth, score = data.goal.labels[rows], rng.normal(size=len(rows))
    started = time.perf_counter()
    for _ in range(100):
        drawn = rng.integers(0, len(rows), len(rows))
        roc_auc_score(truth[drawn], score[drawn])
    total = n_lines * len(settings.seeds) * settings.resampling.n_resamples
    return (time.perf_counter() - started) / 100, total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    data = cohort(n=asked.patients, dim=asked.dim, seed=0)
    settings = replace(Settings(), resampling=Resampling(n_resamples=asked.resamples))
    started = time.perf_counter()
    study: Study = fusion_study(data, HEADS, settings=settings)
    whole = time.perf_counter() - started
    n_lines = len(study.rows) + len(study.curves)
    with threadpool_limits(1):
        parts = {
            "linear heads": linear_one_by_one(data),
            "networks": networks_one_by_one(data, settings),
            "resamples": resamples_one_by_one(data, n_lines, settings),
        }
    naive = sum(seconds * times for seconds, times in parts.values())
    single = study.row(study.best_single, "single", study.best_single)
    if study.row("concat").estimate.value < single.estimate.value:
        raise SystemExit("joining slots that add up gained nothing: the study is wrong")
    found = {
        "study_s": whole,
        "lines": n_lines,
        "heads": len(HEADS),
        "one_by_one_s": naive,
        "ratio": naive / whole,
        **{f"{name}_s": s * n for name, (s, n) in parts.items()},
    }
    if asked.json:
        print(json.dumps(found))
        return
    print(f"{asked.patients} patients, 3 slots of {asked.dim}, {len(HEADS)} heads, {n_lines} lines")
    print(f"{'fusion_study':<34} {whole:>9.1f} s")
    for name, (seconds, times) in parts.items():
        print(
            f"{'  one by one, ' + name:<34} {seconds * times:>9.1f} s  ({times:,} x {seconds:.4f})"
        )
    print(f"{'one by one':<34} {naive:>9.1f} s  ratio {naive / whole:.1f}")


if __name__ == "__main__":
    main()
