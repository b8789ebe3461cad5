"""Intervals of macro AUROC, AUPRC and F1 over resampled patients, beside a scikit-learn loop.

Both compute the same three numbers on the same resamples, in interleaved rounds in one process; the
loop runs on a few resamples and is scaled. Only ratios inside one table mean anything. The script
fails when the two disagree.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from vesalius.stats import MeanOf, bootstrap_many, statistic

METRICS = ("auroc", "auprc", "f1")


@dataclass(frozen=True)
class Cohort:
    """Several findings per image; `patient` of every image."""

    y: np.ndarray
    score: np.ndarray
    patient: np.ndarray

    @property
    def decided(self) -> np.ndarray:
        """Hard decisions at a fixed threshold."""
        return self.score > 0.5


def make_cohort(seed: int, *, n: int, n_classes: int, n_patients: int) -> Cohort:
    """Rare and common findings (3 to 20 %), scores rounded to 4 digits so that ties occur."""
    rng = np.random.default_rng(seed)
    y = rng.random((n, n_classes)) < np.linspace(0.03, 0.2, n_classes)
    logits = rng.normal(size=(n, n_classes)) + 1.2 * y - 0.8
    return Cohort(y, (1 / (1 + np.exp(-logits))).round(4), rng.integers(0, n_patients, n))


def vesalius_bootstrap(cohort: Cohort, n_resamples: int) -> dict[str, float]:
    """Three macro averages over the same resamples."""
    inputs = {"auroc": cohort.score, "auprc": cohort.score, "f1": cohort.decided}
    statistics = {
        name: MeanOf(
            tuple(statistic(name, y, x) for y, x in zip(cohort.y.T, inputs[name].T, strict=True))
        )
        for name in METRICS
    }
    estimates = bootstrap_many(statistics, groups=cohort.patient, seed=0, n_resamples=n_resamples)
    return {name: estimate.low for name, estimate in estimates.items()}


def sklearn_bootstrap(cohort: Cohort, n_resamples: int) -> dict[str, float]:
    """The loop one would write: draw patients, gather rows, three calls."""
    rng = np.random.default_rng(0)
    patients, group = np.unique(cohort.patient, return_inverse=True)
    members = [np.flatnonzero(group == g) for g in range(len(patients))]
    drawn = np.zeros((n_resamples, 3))
    for i in range(n_resamples):
        picks = rng.integers(0, len(patients), len(patients))
        rows = np.concatenate([members[p] for p in picks])
        y, score = cohort.y[rows], cohort.score[rows]
        drawn[i] = (
            roc_auc_score(y, score, average="macro"),
            average_precision_score(y, score, average="macro"),
            f1_score(y, cohort.decided[rows], average="macro"),
        )
    return dict(zip(METRICS, np.quantile(drawn, 0.025, axis=0).tolist(), strict=True))


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(cohort: Cohort, *, n_resamples: int, n_loop: int, n_rounds: int) -> dict[str, float]:
    """Seconds for `n_resamples`, median over interleaved rounds."""
    ours, theirs = [], []
    for _ in range(n_rounds):
        ours.append(timed(lambda: vesalius_bootstrap(cohort, n_resamples)))
        theirs.append(timed(lambda: sklearn_bootstrap(cohort, n_loop)) * n_resamples / n_loop)
    return {
        "vesalius_s": float(np.median(ours)),
        "sklearn_loop_s": float(np.median(theirs)),
        "ratio": float(np.median(theirs) / np.median(ours)),
        "ratio_of_minima": min(theirs) / min(ours),
    }


def check_equal(cohort: Cohort, n_resamples: int) -> float:
    """Largest difference between the lower ends that the two report; the resamples are the same."""
    ours, theirs = vesalius_bootstrap(cohort, n_resamples), sklearn_bootstrap(cohort, n_resamples)
    worst = max(abs(ours[name] - theirs[name]) for name in METRICS)
    if worst > 1e-9:
        raise SystemExit(f"vesalius and scikit-learn disagree by {worst:.2e}")
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small cohort, one round")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    n, n_patients, n_rounds, n_loop = (2000, 600, 1, 5) if options.quick else (10_000, 3000, 3, 20)
    n_resamples = 200 if options.quick else 1000
    cohort = make_cohort(0, n=n, n_classes=15, n_patients=n_patients)
    result = {"difference": check_equal(cohort, 5)} | measure(
        cohort, n_resamples=n_resamples, n_loop=n_loop, n_rounds=n_rounds
    )
    if options.json:
        print(json.dumps({"n": n, "n_classes": 15, "n_resamples": n_resamples, **result}))
        return
    print(f"{n} images, 15 findings, {n_patients} patients, {n_resamples} resamples")
    print(f"{'vesalius.stats.bootstrap_many':40} {result['vesalius_s']:8.2f} s   1.0")
    label = f"scikit-learn loop ({n_loop} run, scaled)"
    print(f"{label:40} {result['sklearn_loop_s']:8.2f} s {result['ratio']:5.1f}")
    print(f"ratio of minima {result['ratio_of_minima']:.1f}; difference {result['difference']:.1e}")


if __name__ == "__main__":
    main()
