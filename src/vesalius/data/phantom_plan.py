"""Who the synthetic patients are and what they have, before any voxel is drawn.

Everything follows from ``(seed, index)`` alone, so patient 7 of a cohort is the same whether 10 or
10,000 patients are asked for. The planted correlations stand in `draw_findings`: cardiomegaly
depends on age, pleural effusion on the site, and the site also sets the look of the radiograph.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vesalius.records import Split

Kind = Literal["nodule", "consolidation", "effusion", "pneumothorax", "cardiomegaly"]
Side = Literal["right", "left", "midline"]
Zone = Literal["upper", "mid", "lower", "apex", "base", "none"]
Change = Literal["new", "unchanged", "resolved"]

KINDS: tuple[Kind, ...] = ("nodule", "consolidation", "effusion", "pneumothorax", "cardiomegaly")
SITES = ("north", "south", "coast")
SITE_SHARES = (0.40, 0.35, 0.25)
OLD_AGE_YEARS = 60
P_CARDIOMEGALY = {"young": 0.12, "old": 0.38}
P_EFFUSION = {"north": 0.16, "south": 0.16, "coast": 0.48}
P_NODULE, P_CONSOLIDATION, P_PNEUMOTHORAX = 0.24, 0.24, 0.20
P_BILATERAL_EFFUSION = 0.25
P_PRIOR = 0.25
SPLIT_BLOCK: tuple[Split, ...] = ("train",) * 12 + ("val",) * 3 + ("test",) * 5
STREAM_PLAN, STREAM_SPLIT, STREAM_ANATOMY, STREAM_FINDINGS, STREAM_EXPOSURE, STREAM_TEXT = range(6)
STREAM_OUTCOMES = 6


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding to draw; `size` in [0, 1] runs from subtle to gross."""

    kind: Kind
    side: Side
    zone: Zone
    size: float


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """One visit: its findings, and how they compare with the visit before (empty without one)."""

    id: str
    visit: int
    findings: tuple[Finding, ...]
    changes: tuple[tuple[Kind, Change], ...] = ()

    @property
    def labels(self) -> tuple[Kind, ...]:
        """Kinds present, each once, in the order of `KINDS`."""
        present = {finding.kind for finding in self.findings}
        return tuple(kind for kind in KINDS if kind in present)


@dataclass(frozen=True, slots=True)
class PatientPlan:
    """One patient: columns of the table, and one or two studies, oldest first."""

    patient: str
    index: int
    seed: int
    split: Split
    age: int
    sex: Literal["F", "M"]
    site: str
    studies: tuple[StudyPlan, ...]


def stream(seed: int, index: int, purpose: int, visit: int = 0) -> np.random.Generator:
    """Independent generator for one purpose of one patient."""
    return np.random.default_rng([seed, index, purpose, visit])


def split_of(seed: int, index: int) -> Split:
    """Split of a patient: every 20 consecutive patients hold 12 train, 3 val and 5 test."""
    block, place = divmod(index, len(SPLIT_BLOCK))
    order = np.random.default_rng([seed, block, STREAM_SPLIT]).permutation(len(SPLIT_BLOCK))
    return SPLIT_BLOCK[int(order[place])]


def draw_findings(rng: np.random.Generator, *, age: int, site: str) -> tuple[Finding, ...]:
    """Findings of one study; each kind is drawn on its own with the chances named above.

    A side with a pneumothorax has no other finding of lung or pleura, and a consolidation beside
    an effusion of the same side lies in the upper or mid zone: both stay visible.
    """
    chances: dict[Kind, float] = {
        "pneumothorax": P_PNEUMOTHORAX,
        "effusion": P_EFFUSION[site],
        "consolidation": P_CONSOLIDATION,
        "nodule": P_NODULE,
        "cardiomegaly": P_CARDIOMEGALY["old" if age >= OLD_AGE_YEARS else "young"],
    }
    drawn = {kind: rng.random() < chance for kind, chance in chances.items()}
    sides: dict[str, Side] = {kind: ("right", "left")[int(rng.integers(2))] for kind in chances}
    sizes = {kind: float(rng.random()) for kind in chances}
    zones: dict[str, Zone] = {
        kind: ("upper", "mid", "lower")[int(rng.integers(3))] for kind in chances
    }
    both_sides = rng.random() < P_BILATERAL_EFFUSION
    found = [
        _place(kind, sides, zones, sizes[kind], drawn)
        for kind, is_there in drawn.items()
        if is_there
    ]
    if drawn["effusion"] and both_sides and not drawn["pneumothorax"]:
        first = next(finding for finding in found if finding.kind == "effusion")
        found.append(replace(first, side=_other(first.side), size=float(rng.random())))
        found = [_above_fluid(finding, found) for finding in found]
    return tuple(sorted(found, key=lambda finding: KINDS.index(finding.kind)))


def _other(side: Side) -> Side:
    return "left" if side == "right" else "right"


def _place(
    kind: Kind, sides: dict[str, Side], zones: dict[str, Zone], size: float, drawn: dict[Kind, bool]
) -> Finding:
    """Side and zone of a drawn finding, after the rules of `draw_findings`."""
    if kind == "cardiomegaly":
        return Finding(kind, "midline", "none", size)
    if kind == "pneumothorax":
        return Finding(kind, sides[kind], "apex", size)
    side = _other(sides["pneumothorax"]) if drawn["pneumothorax"] else sides[kind]
    if kind == "effusion":
        return Finding(kind, side, "base", size)
    finding = Finding(kind, side, zones[kind], size)
    if not drawn["effusion"]:
        return finding
    fluid_side = _other(sides["pneumothorax"]) if drawn["pneumothorax"] else sides["effusion"]
    return _above_fluid(finding, [Finding("effusion", fluid_side, "base", 0.0)])


def _above_fluid(finding: Finding, others: list[Finding]) -> Finding:
    """Lift a lower-zone finding out of fluid on its side."""
    wet = any(other.kind == "effusion" and other.side == finding.side for other in others)
    lift = wet and finding.kind in ("nodule", "consolidation") and finding.zone == "lower"
    return replace(finding, zone="mid" if finding.size < 0.5 else "upper") if lift else finding


def _earlier(rng: np.random.Generator, now: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Findings of the visit before: some of today's are missing, some of then have gone."""
    was_there = {kind: rng.random() < 0.5 for kind in KINDS}
    kept = tuple(finding for finding in now if was_there[finding.kind])
    resolved = rng.random() < 0.4
    gone: Kind = ("effusion", "consolidation")[int(rng.integers(2))]
    side: Side = ("right", "left")[int(rng.integers(2))]
    zone: Zone = "base" if gone == "effusion" else "mid"
    busy = any(finding.kind == gone or finding.side == side for finding in now)
    return kept + (
        (Finding(gone, side, zone, float(rng.random())),) if resolved and not busy else ()
    )


def _changes(
    before: tuple[Finding, ...], now: tuple[Finding, ...]
) -> tuple[tuple[Kind, Change], ...]:
    """Per kind seen at either visit, what became of it."""
    then = {finding.kind for finding in before}
    today = {finding.kind for finding in now}
    seen = [kind for kind in KINDS if kind in then | today]
    return tuple(
        (kind, "unchanged" if kind in then & today else "new" if kind in today else "resolved")
        for kind in seen
    )


def plan_patient(seed: int, index: int) -> PatientPlan:
    """Everything about one patient that can be said in words and numbers."""
    rng = stream(seed, index, STREAM_PLAN)
    age = int(np.clip(rng.normal(58, 16), 20, 92))
    sex: Literal["F", "M"] = "F" if rng.random() < 0.48 else "M"
    site = str(rng.choice(SITES, p=SITE_SHARES))
    now = draw_findings(rng, age=age, site=site)
    has_prior = rng.random() < P_PRIOR
    name = f"p{index:05d}"
    studies = [StudyPlan(f"{name}-s1", 0, now)]
    if has_prior:
        before = _earlier(rng, now)
        studies = [
            StudyPlan(f"{name}-s1", 0, before),
            StudyPlan(f"{name}-s2", 1, now, _changes(before, now)),
        ]
    return PatientPlan(name, index, seed, split_of(seed, index), age, sex, site, tuple(studies))
