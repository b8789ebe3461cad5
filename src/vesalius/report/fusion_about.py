"""What a fusion study was made of, and all of it for programs."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from vesalius.fusion.results import Row, Settings, Study
from vesalius.records import Estimate, Json, ModelCard
from vesalius.report.fusion_tables import better_than_single

FORMAT = 1
_GOALS = {  # without a target, and with one
    "classification": ("The class of each row is told.", "The class of each row is told: {}."),
    "vqa": (
        "The answers to questions are told, out of the answers that train has.",
        "The answers to {} questions are told, out of the answers that train has.",
    ),
    "retrieval": (
        "What belongs to each row is found among all of its split.",
        "The {} of each row is found among all of its split.",
    ),
    "generation": (
        "The picture of each row is drawn from principal components.",
        "The picture of each row is drawn from principal components: {}.",
    ),
}
_OTHER = ("What is told stands in the task.", "What is told: {}.")


@dataclass(frozen=True, slots=True)
class About:
    """What a study was made of.

    Attributes:
        dataset: its name.
        digest: of its card and tables.
        task: such as ``classification``.
        target: a class, a column, a kind of question or an input; None where there is none.
        features: names of the inputs.
        settings: of the study.
        n_patients: by split.
        models: feature or target → the model that it comes from; a table has none.
        problems: slot → sample id → why it has no feature; only counts are ever shown.
    """

    dataset: str
    digest: str
    task: str
    target: str | None
    features: tuple[str, ...]
    settings: Settings
    n_patients: Mapping[str, int]
    models: Mapping[str, ModelCard] = field(default_factory=dict)
    problems: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def has_miniatures(self) -> bool:
        """Whether any input or target is a miniature's."""
        return any(card.miniature for card in self.models.values())

    @property
    def goal(self) -> str:
        """What is told, in one sentence."""
        without, with_target = _GOALS.get(self.task, _OTHER)
        return without if self.target is None else with_target.replace("{}", self.target)


def problem_counts(about: About, /) -> dict[str, dict[str, int]]:
    """Slot → reason → how many samples have no feature for it; no ids."""
    return {
        slot: dict(sorted(Counter(found.values()).items()))
        for slot, found in about.problems.items()
    }


def study_json(study: Study, about: About, /) -> str:
    """The study for programs, format version 1; undefined numbers are null."""
    found = {
        "format": FORMAT,
        "dataset": {"name": about.dataset, "digest": about.digest},
        "task": about.task,
        "target": about.target,
        "features": list(about.features),
        "settings": asdict(about.settings),
        "models": _models(about),
        "metric": study.metric,
        "n_rows": dict(study.n_rows),
        "n_patients": dict(about.n_patients),
        "floor": _estimate(study.floor),
        "best_single": study.best_single,
        "best_head": study.best_head,
        "better_than_single": list(better_than_single(study)),
        "rows": [_row(row) for row in study.rows],
        "curves": [_row(row) for row in study.curves],
        "contributions": {name: _estimate(one) for name, one in study.contributions.items()},
        "problems": problem_counts(about),
    }
    return json.dumps(found, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _models(about: About) -> list[dict[str, Json]]:
    """Each model once."""
    cards = {card.name: card for card in about.models.values()}
    return [
        {
            "name": name,
            "fingerprint": card.fingerprint,
            "miniature": card.miniature,
            "features": [slot for slot, one in about.models.items() if one.name == name],
        }
        for name, card in cards.items()
    ]


def _row(row: Row) -> dict[str, Json]:
    apart = row.difference
    return {
        **asdict(row.place),
        "estimate": _estimate(row.estimate),
        "difference": None if apart is None else _estimate(apart.estimate),
        "p": None if apart is None else _number(apart.p_value),
        "p_holm": _number(row.p_holm),
        "n_parameters": row.n_parameters,
        "fit_s": _number(row.fit_s),
    }


def _estimate(one: Estimate) -> dict[str, Json]:
    return {
        name: _number(value) if isinstance(value, float) else value
        for name, value in asdict(one).items()
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
