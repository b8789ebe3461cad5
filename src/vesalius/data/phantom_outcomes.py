"""Planted outcomes: class words that depend on image, history and table in a known way.

Each study has three independent yes-or-no facts, its `Facts`. Every planted target says yes with a
chance that depends on them alone, so the best score that any reader of some of the inputs can reach
is a sum over eight cases: `best_auroc`. The random numbers have a stream of their own; images,
masks, reports and questions of the cohort do not change with them.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from vesalius.data.phantom_plan import STREAM_OUTCOMES, PatientPlan, StudyPlan, stream
from vesalius.data.phantom_text import pick
from vesalius.errors import InputError, did_you_mean

INPUTS = ("image", "history", "table")
SEEN_AS_IMAGE = ("effusion", "pneumothorax", "cardiomegaly")
BNP_MEDIAN_PG_ML = {False: 60.0, True: 900.0}
BNP_LOG_SPREAD = 0.35
BNP_MOST_SPREADS = 3.0  # the lowest high value stays well above the highest low one
BNP_CUT_PG_ML = 232  # geometric mean of the two medians
N_BEDS = 60
FLIPPED_SHARE = 0.05  # of planted_product
SUM_WEIGHT = 1.5
THREE_WEIGHTS = (1.5, 1.5, 1.0)  # image, history, table

OPENINGS = ("Referred with {reason}", "Seen for {reason}", "Patient with {reason}")
REASONS = ("cough", "fever", "chest pain", "weight loss")
# each wording of one side has few letters in common with those of the other: the text features of
# a miniature show the symptom among the rest of the sentence, so that small cohorts can be learnt
SYMPTOM = {
    True: (
        "now breathless when lying flat",
        "with orthopnoea",
        "sleeps upright on three pillows",
    ),
    False: (
        "no breathlessness when lying flat",
        "no orthopnoea",
        "no trouble when lying flat",
    ),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What planted outcomes depend on, each on its own.

    Attributes:
        image: whether the image shows an effusion, a pneumothorax or an enlarged heart.
        history: whether the patient is breathless when lying flat; probability 1/2.
        table: whether the natriuretic peptide is high; probability 1/2.
    """

    image: bool
    history: bool
    table: bool


def _logistic(weights: Sequence[float], facts: Facts) -> float:
    """Every fact adds its weight to the logit when it holds and takes it away when not."""
    values = (facts.image, facts.history, facts.table)
    logit = sum(w if holds else -w for w, holds in zip(weights, values, strict=True))
    return 1 / (1 + math.exp(-logit))


_CHANCES: Mapping[str, Callable[[Facts], float]] = {
    "planted_image": lambda facts: float(facts.image),
    "planted_sum": lambda facts: _logistic((SUM_WEIGHT, SUM_WEIGHT, 0.0), facts),
    "planted_product": lambda facts: (
        1 - FLIPPED_SHARE if facts.image != facts.history else FLIPPED_SHARE
    ),
    "planted_three": lambda facts: _logistic(THREE_WEIGHTS, facts),
}
TARGETS = tuple(_CHANCES)
OUTCOME_COLUMNS = ("history", "bnp_pg_ml", "bed", *TARGETS)


def chance_of_yes(target: str, facts: Facts, /) -> float:
    """Probability that a planted target is yes, given all facts.

    Raises:
        InputError: if `target` is none of `TARGETS`.

    >>> chance_of_yes("planted_product", Facts(image=True, history=False, table=True))
    0.95
    """
    if target not in _CHANCES:
        hint = did_you_mean(target, TARGETS)
        raise InputError(f"target {target!r}{hint}: expected one of {', '.join(TARGETS)}")
    return _CHANCES[target](facts)


def facts_of(patient: PatientPlan, study: StudyPlan, /) -> Facts:
    """The facts of one study: one follows from its labels, the others are drawn."""
    return _facts(study, _stream(patient, study))


def outcome_columns(patient: PatientPlan, study: StudyPlan, /) -> dict[str, object]:
    """Cells of ``samples.csv`` by `OUTCOME_COLUMNS`; ``bed`` depends on nothing."""
    rng = _stream(patient, study)
    facts = _facts(study, rng)
    cells: dict[str, object] = {
        "history": _history(rng, facts.history),
        "bnp_pg_ml": _bnp_pg_ml(rng, facts.table),
        "bed": int(rng.integers(1, N_BEDS + 1)),
    }
    drawn = {target: rng.random() < chance_of_yes(target, facts) for target in TARGETS}
    return cells | {target: "yes" if is_yes else "no" for target, is_yes in drawn.items()}


def _stream(patient: PatientPlan, study: StudyPlan) -> np.random.Generator:
    return stream(patient.seed, patient.index, STREAM_OUTCOMES, study.visit)


def _facts(study: StudyPlan, rng: np.random.Generator) -> Facts:
    history, table = (bool(rng.random() < 0.5) for _ in range(2))
    return Facts(any(kind in study.labels for kind in SEEN_AS_IMAGE), history, table)


def _history(rng: np.random.Generator, has_symptom: bool) -> str:
    """One sentence: why the patient came, and whether it is hard to lie flat."""
    opening = pick(rng, OPENINGS).format(reason=pick(rng, REASONS))
    return f"{opening}, {pick(rng, SYMPTOM[has_symptom])}."


def _bnp_pg_ml(rng: np.random.Generator, is_high: bool) -> int:
    """B-type natriuretic peptide: log-normal, its tails cut; high values exceed the cut."""
    spreads = float(np.clip(rng.normal(), -BNP_MOST_SPREADS, BNP_MOST_SPREADS))
    return round(BNP_MEDIAN_PG_ML[is_high] * math.exp(BNP_LOG_SPREAD * spreads))


def best_auroc(target: str, known: Collection[str], /, *, p_e: float) -> float:
    """Area under the ROC curve of the best possible score that sees only the `known` inputs.

    That score is the chance of yes given what is known (Neyman–Pearson); the area is the exact sum
    over the eight combinations of facts. Ties count one half; nothing known gives 0.5. In [0, 1];
    NaN when the target can be only yes or only no.

    Args:
        target: one of `TARGETS`.
        known: any of `INPUTS`; ``table`` is ``bnp_pg_ml`` alone: age and site hint at the image.
        p_e: share of rows whose image shows what `Facts.image` asks for; in [0, 1].

    Raises:
        InputError: for an unknown target or input, or if `p_e` is no share.

    >>> best_auroc("planted_product", ("image", "history"), p_e=0.5)
    0.95
    """
    unknown = sorted(set(known) - set(INPUTS))
    if unknown or not 0 <= p_e <= 1:
        raise InputError(f"expected inputs among {INPUTS} and a share, got {unknown}, p_e={p_e}")
    groups: dict[tuple[bool, ...], tuple[float, float]] = {}
    for values in product((False, True), repeat=len(INPUTS)):
        facts = Facts(*values)
        share = (p_e if facts.image else 1 - p_e) / 4
        yes = share * chance_of_yes(target, facts)
        seen = tuple(value for name, value in zip(INPUTS, values, strict=True) if name in known)
        before = groups.get(seen, (0.0, 0.0))
        groups[seen] = (before[0] + yes, before[1] + share - yes)
    return _area([counts for counts in groups.values() if sum(counts)])


def _area(groups: Sequence[tuple[float, float]]) -> float:
    """Chance that a yes ranks above a no, rows grouped by score: (share of yes, of no) each."""
    won = below = all_yes = 0.0
    for yes, no in sorted(groups, key=lambda group: group[0] / sum(group)):
        won += yes * (below + no / 2)
        below, all_yes = below + no, all_yes + yes
    return won / (all_yes * below) if all_yes and below else math.nan


def best_shapley(target: str, /, *, p_e: float) -> dict[str, float]:
    """What each input adds to `best_auroc`, the mean over all orders of joining them.

    The three add up to the best area of all inputs minus 0.5. NaN where `best_auroc` is.

    Raises:
        InputError: as `best_auroc`.

    Source: Shapley (1953), doi:10.1515/9781400881970-018.

    >>> {k: round(v, 3) for k, v in best_shapley("planted_product", p_e=0.5).items()}
    {'image': 0.225, 'history': 0.225, 'table': 0.0}
    """
    orders = list(permutations(INPUTS))
    added = dict.fromkeys(INPUTS, 0.0)
    for order in orders:
        for place, name in enumerate(order):
            with_it = best_auroc(target, order[: place + 1], p_e=p_e)
            added[name] += with_it - best_auroc(target, order[:place], p_e=p_e)
    return {name: total / len(orders) for name, total in added.items()}
