"""Few-shot classification: a linear probe on a handful of train patients, drawn several times."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vesalius.errors import InputError
from vesalius.records import DatasetCard, Json, Predictions, Sample, TaskCard
from vesalius.stats import MeanOf, statistic
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.classification import (
    Part,
    Problem,
    label_matrix,
    labelled,
    predict_rows,
    problem_of,
)
from vesalius.tasks.classification_scores import Named, as_scored, metrics_of, read_table
from vesalius.tasks.controls import ModelFree, seeded
from vesalius.tasks.model_free import model_free_answer
from vesalius.tasks.probes import (
    Labelled,
    LinearModel,
    centring,
    fit_finding,
    fit_softmax,
    stack,
)
from vesalius.tasks.probing import linear_answer, unsuitable_probe
from vesalius.tasks.row_subset import OnRows
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.views import ModelView


@dataclass(frozen=True, slots=True)
class FewShot:
    """A linear probe on n patients per class, or n with and n without each finding.

    Shots that train cannot give are left out and stand as undefined in the metrics.

    Attributes:
        shots: patients per class, one image of each.
        n_draws: how often they are drawn; every metric is the mean over the draws.
        strength: inverse L2 penalty (C); there is no val in few-shot.
    """

    shots: tuple[int, ...] = (1, 4, 16)
    n_draws: int = 5
    strength: float = 1.0
    scaling: Literal["centred on the shots"] = "centred on the shots"
    threshold: Literal["0.5"] = "0.5"
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("classification", "few-shot", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """Balanced shots have no majority; a constant image has nothing to fit."""
        return ("random", "shuffled-images")

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why not even the fewest shots can be learnt from."""
        reason = unsuitable_probe(view, data)
        if reason is None and not self._feasible(data):
            return _too_few(min(self.shots))
        return reason

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Keys ``shots/draw/id``."""
        ids = [sample.id for sample in labelled(data, "test")]
        parts = self._parts(data)
        return tuple(f"{_prefix(shots, draw)}{name}" for shots, draw in parts for name in ids)

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """For every number of shots and draw, ask for every labelled test row."""
        ids = [sample.id for sample in labelled(data, "test")]
        for shots, draw in self._parts(data):
            part = Part(_prefix(shots, draw), {"shots": shots, "draw": draw})
            if done.issuperset(part.prefix + name for name in ids):
                continue
            if isinstance(view.model, ModelFree):
                answer, _ = model_free_answer(view.model, data, ())
            else:
                model = self._fit(view, data, shots=shots, draw=draw)
                answer = linear_answer(model, view, data.card)
            yield from predict_rows(answer, data, done=done, tune_on=(), part=part)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Every metric as the mean over the draws, most shots first; undefined ones last."""
        most_first = sorted(self.shots, reverse=True)
        scored = [s for shots in most_first for s in _score_shots(predictions, card, shots=shots)]
        defined = [s for s in scored if not s.reason]
        return defined + [s for s in scored if s.reason]

    def _parts(self, data: TaskData) -> list[tuple[int, int]]:
        return [(shots, draw) for shots in self._feasible(data) for draw in range(self.n_draws)]

    def _feasible(self, data: TaskData) -> tuple[int, ...]:
        problem = problem_of(data.card)
        most = min(len(pool) for pool in _pools(labelled(data, "train"), problem))
        return tuple(shots for shots in self.shots if shots <= most)

    def _fit(self, view: ModelView, data: TaskData, *, shots: int, draw: int) -> LinearModel:
        problem, train = problem_of(data.card), labelled(data, "train")
        rng = seeded(data.seed, "few-shot", str(shots), str(draw))
        drawn = [_draw(pool, shots, rng) for pool in _pools(train, problem)]
        if not problem.multilabel:
            rows = _rows(view, [s for one in drawn for s in one], problem)
            return fit_softmax(rows, centring(rows.features), strength=self.strength)
        models = []
        for place, (with_it, without) in enumerate(zip(drawn[::2], drawn[1::2], strict=True)):
            rows = _rows(view, [*with_it, *without], problem).only(place)
            models.append(fit_finding(rows, centring(rows.features), strength=self.strength))
        return stack(models)


def few_shot(settings: Mapping[str, Json], /) -> FewShot:
    """The protocol with some settings changed."""
    return from_settings(FewShot, settings)


def _too_few(shots: int) -> str:
    return f"train has fewer than {shots} patients for some class"


def _prefix(shots: int, draw: int) -> str:
    return f"{shots}/{draw}/"


def _pools(train: Sequence[Sample], problem: Problem) -> list[list[list[Sample]]]:
    """What shots are drawn from: per pool, the images of each of its patients.

    One pool per class; per finding two, the patients with it and those who never have it.
    """
    truth = label_matrix(train, problem)
    pools = []
    for place in range(len(problem.classes)):
        having = _by_patient([s for s, has in zip(train, truth[:, place], strict=True) if has])
        pools.append(list(having.values()))
        if problem.multilabel:
            others = _by_patient([s for s in train if s.patient not in having])
            pools.append(list(others.values()))
    return pools


def _by_patient(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    patients: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lambda s: (s.patient, s.id)):
        patients.setdefault(sample.patient, []).append(sample)
    return patients


def _draw(pool: Sequence[Sequence[Sample]], shots: int, rng: np.random.Generator) -> list[Sample]:
    """One image each of `shots` patients."""
    chosen = rng.choice(len(pool), size=shots, replace=False)
    return [pool[i][int(rng.integers(len(pool[i])))] for i in chosen]


def _rows(view: ModelView, samples: Sequence[Sample], problem: Problem) -> Labelled:
    return Labelled(view.image_features(samples), label_matrix(samples, problem)).answered()


def _score_shots(predictions: Predictions, card: DatasetCard, *, shots: int) -> list[Scored]:
    problem, suffix = problem_of(card), f"[{shots}-shot]"
    rows_of = _rows_of_draws(predictions, shots=shots)
    if not rows_of:
        headline = "f1" if problem.kind == "binary" else "macro_f1"
        none = np.zeros(0, dtype=np.int64)
        nothing = statistic(headline, none, none)
        return [Scored(headline + suffix, nothing, rows=none, reason=_too_few(shots))]
    ids = sorted(next(iter(rows_of.values())).items(), key=lambda item: item[1])
    base = np.array([row for _, row in ids])
    per_draw = [
        _overall(metrics_of(read_table(_rows_of_ids(predictions, ids, rows), problem), problem))
        for rows in rows_of.values()
    ]
    return [
        as_scored(_mean(same, base), suffix=suffix, rows=base)
        for same in zip(*per_draw, strict=True)
    ]


def _overall(named: Sequence[Named]) -> list[Named]:
    """What is worth many fits: all metrics over all classes, and each class's AUROC."""
    return [one for one in named if not one.class_name or one.metric == "auroc"]


def _mean(draws: Sequence[Named], base: np.ndarray) -> Named:
    """The mean over draws as a statistic of the rows of the first draw.

    All draws ask for the same samples, so one resample of patients serves them all.
    """
    mean = MeanOf(tuple(one.statistic for one in draws))
    return replace(draws[0], statistic=OnRows(mean, base))


def _rows_of_draws(predictions: Predictions, *, shots: int) -> dict[int, dict[str, int]]:
    """Draw → id → row of the table."""
    rows_of: dict[int, dict[str, int]] = {}
    for row in np.flatnonzero(predictions["shots"] == shots).tolist():
        ids = rows_of.setdefault(int(predictions["draw"][row]), {})
        ids[str(predictions["id"][row])] = row
    return rows_of


def _rows_of_ids(
    predictions: Predictions, ids: Sequence[tuple[str, int]], rows: Mapping[str, int]
) -> Predictions:
    """The rows of one draw, in the order of `ids`."""
    lost = sorted({name for name, _ in ids} ^ rows.keys())
    if lost:
        raise InputError(f"sample {lost[0]!r} is missing from one of the draws; predict it again")
    take = np.array([rows[name] for name, _ in ids])
    return Predictions({name: values[take] for name, values in predictions.columns.items()})
