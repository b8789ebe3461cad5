"""The figures of one cell, from its stored predictions."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from vesalius.metrics.curves import (
    confusion_matrix,
    precision_recall_curve,
    reliability_curve,
    roc_curve,
)
from vesalius.records import Predictions
from vesalius.report.figures import Axis, Figure, Line, grid_figure, line_figure

MAX_CURVES = 6
_BINS = 15  # as many as `ece` has
_ENDS = np.array([0.0, 1.0])
_CUTOFFS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


def figures_of(
    task: str, predictions: Predictions, card: Mapping[str, object], /
) -> tuple[Figure, ...]:
    """The figures that a task has; none for a task without any or a table without rows."""
    if predictions.n_rows == 0:
        return ()
    if task == "classification":
        return classification_figures(predictions, card)
    return retrieval_figures(predictions) if task == "retrieval" else ()


def classification_figures(
    predictions: Predictions, card: Mapping[str, object], /
) -> tuple[Figure, ...]:
    """Precision–recall, ROC and reliability per class, and the counts of decisions.

    Args:
        predictions: the columns of the contract.
        card: ``classes``, ``positive`` and ``multilabel`` of the dataset as in ``run.json``.
    """
    predictions, remark = _one_pass(predictions)
    classes = [name.removeprefix("score:") for name in predictions.columns if name[:6] == "score:"]
    positive = card.get("positive")
    binary = len(classes) == 2 and positive in classes and not card.get("multilabel")
    wanted = [str(positive)] if binary else classes[:MAX_CURVES]
    truth = {name: _has_label(predictions, name) for name in classes}
    if not binary and len(classes) > MAX_CURVES:
        remark += f" The first {MAX_CURVES} of {len(classes)} classes are drawn."
    pairs = {name: (truth[name], predictions[f"score:{name}"]) for name in wanted}
    pairs = {name: pair for name, pair in pairs.items() if pair[0].any() and not pair[0].all()}
    if len(pairs) < len(wanted):
        remark += " Classes that occur never or always have no curve."
    curves = (_precision_recall, _roc, _reliability) if pairs else ()
    decisions = _decisions(predictions, classes, card, binary=binary)
    return (*(draw(pairs, remark) for draw in curves), decisions)


def _one_pass(predictions: Predictions) -> tuple[Predictions, str]:
    """Few-shot tables hold several passes: keep the first draw of the most shots."""
    if "shots" not in predictions.columns:
        return predictions, ""
    shots, draw = predictions["shots"], predictions["draw"]
    most = shots.max()
    first = draw[shots == most].min()
    kept = (shots == most) & (draw == first)
    columns = {name: values[kept] for name, values in predictions.columns.items()}
    return Predictions(columns), f" Shown for {most} examples per class, draw {first}."


Truth = Bool[np.ndarray, " n"]
Scores = Float[np.ndarray, " n"]
Pairs = Mapping[str, tuple[np.ndarray, np.ndarray]]


def _has_label(predictions: Predictions, name: str) -> Truth:
    return np.array([name in str(label).split("|") for label in predictions["label"]])


def _ranked(truth: Truth, scores: Scores) -> Scores:
    """Scores for ranking: a row without an answer stands on the wrong side of all others."""
    worst = np.where(truth, -1.0, 2.0)
    return np.where(np.isnan(scores), worst, scores)


def _certain(truth: Truth, scores: Scores) -> Scores:
    """Probabilities: a row without an answer is certain of what is wrong, as in the metrics."""
    return np.where(np.isnan(scores), (~truth).astype(np.float64), scores)


def _precision_recall(pairs: Pairs, remark: str) -> Figure:
    lines: list[Line] = []
    for name, (truth, scores) in pairs.items():
        curve = precision_recall_curve(truth, _ranked(truth, scores))
        recall = np.append(0.0, curve.recall)
        precision = np.append(curve.precision[0], curve.precision)
        lines.append(Line(name, recall, precision, step=True))
    caption = "Precision against recall over all thresholds." + remark
    if len(pairs) == 1:
        (truth, _), *_ = pairs.values()
        level = np.full(2, float(truth.mean()))
        lines.append(Line("prevalence (chance)", _ENDS, level, is_reference=True))
    x, y = Axis("recall"), Axis("precision")
    return line_figure("Precision–recall", lines, x=x, y=y, caption=caption)


def _roc(pairs: Pairs, remark: str) -> Figure:
    lines: list[Line] = []
    for name, (truth, scores) in pairs.items():
        curve = roc_curve(truth, _ranked(truth, scores))
        lines.append(Line(name, curve.false_positive_rate, curve.true_positive_rate))
    lines.append(_diagonal("chance"))
    caption = "True against false positive rate over all thresholds." + remark
    x, y = Axis("1 − specificity"), Axis("sensitivity")
    return line_figure("ROC", lines, x=x, y=y, caption=caption)


def _reliability(pairs: Pairs, remark: str) -> Figure:
    lines: list[Line] = []
    for name, (truth, scores) in pairs.items():
        curve = reliability_curve(truth, _certain(truth, scores), n_bins=_BINS)
        lines.append(Line(name, curve.mean_probability, curve.share_positive, markers=True))
    lines.append(_diagonal("perfectly calibrated"))
    caption = f"Observed share against mean score in up to {_BINS} bins of equal size." + remark
    x, y = Axis("mean score"), Axis("observed share")
    return line_figure("Reliability", lines, x=x, y=y, caption=caption)


def _diagonal(name: str) -> Line:
    return Line(name, _ENDS, _ENDS, is_reference=True)


def _decisions(
    predictions: Predictions, classes: Sequence[str], card: Mapping[str, object], *, binary: bool
) -> Figure:
    scores = np.stack([predictions[f"score:{name}"] for name in classes], axis=1)
    missing = np.isnan(scores).any(axis=1)
    note = ""
    if missing.any():
        note = f" {missing.sum()} rows without an answer are left out here, not in the metrics."
    kept = Predictions({name: values[~missing] for name, values in predictions.columns.items()})
    if card.get("multilabel"):
        return _four_counts(kept, classes, note)
    decided = scores[~missing].argmax(axis=1)
    if binary and "threshold" in kept.columns:
        place = list(classes).index(str(card["positive"]))
        decided = np.where(scores[~missing, place] >= kept["threshold"], place, 1 - place)
    truth = np.stack([_has_label(kept, name) for name in classes], axis=1).argmax(axis=1)
    counts = confusion_matrix(truth, decided, n_classes=len(classes))
    caption = "Rows: reference; columns: decision; shade: share of the row." + note
    return grid_figure("Confusion", counts, rows=classes, columns=classes, caption=caption)


def _four_counts(predictions: Predictions, classes: Sequence[str], note: str) -> Figure:
    counts = []
    for name in classes:
        truth = _has_label(predictions, name)
        says = predictions[f"score:{name}"] >= predictions[f"threshold:{name}"]
        parts = (truth & says, truth & ~says, ~truth & says, ~truth & ~says)
        counts.append([int(part.sum()) for part in parts])
    caption = "Per finding at its threshold: true and false, positive and negative." + note
    table = np.array(counts)
    return grid_figure(
        "Decisions", table, rows=classes, columns=("TP", "FN", "FP", "TN"), caption=caption
    )


def retrieval_figures(predictions: Predictions, /) -> tuple[Figure, ...]:
    """Recall@k and hit@k over the whole gallery, one pair of curves per direction and relevance."""
    figures = []
    for direction, relevance in retrieval_groups(predictions):
        rows = group_rows(predictions, direction, relevance)
        rows = rows[predictions["n_positive"][rows] > 0]
        if len(rows):
            figures.append(_recall_figure(predictions, rows, f"{direction}, {relevance}"))
    return tuple(figures)


def retrieval_groups(predictions: Predictions, /) -> list[tuple[str, str]]:
    """Pairs of direction and relevance in order of appearance."""
    pairs = zip(predictions["direction"].tolist(), predictions["relevance"].tolist(), strict=True)
    return list(dict.fromkeys((str(d), str(r)) for d, r in pairs))


def group_rows(predictions: Predictions, direction: str, relevance: str, /) -> np.ndarray:
    """Row indices of one direction and relevance."""
    same = (predictions["direction"] == direction) & (predictions["relevance"] == relevance)
    return np.flatnonzero(same)


def _recall_figure(predictions: Predictions, rows: np.ndarray, title: str) -> Figure:
    gallery = int(predictions["gallery"][rows].max())
    cutoffs = np.array([k for k in _CUTOFFS if k < gallery] + [gallery], dtype=np.float64)
    ranks = [np.asarray(predictions["ranks"][row], dtype=np.float64) for row in rows]
    first = np.asarray(predictions["rank_first"][rows], dtype=np.float64)
    recall = np.array([np.mean([(r <= k).mean() for r in ranks]) for k in cutoffs])
    hit = np.array([(first <= k).mean() for k in cutoffs])
    lines = [Line("chance of recall@k", cutoffs, cutoffs / gallery, is_reference=True)]
    if (predictions["n_positive"][rows] == 1).all():
        lines.insert(
            0, Line("recall@k, equal to hit@k: one positive each", cutoffs, recall, markers=True)
        )
    else:
        lines.insert(0, Line("hit@k: any positive found", cutoffs, hit, markers=True))
        lines.insert(0, Line("recall@k: share of positives found", cutoffs, recall, markers=True))
    x = Axis("k (log scale)", 1.0, float(gallery), tuple(_ticks(gallery)), logarithmic=True)
    caption = f"{len(rows)} queries, gallery of {gallery}; chance is k / {gallery}."
    return line_figure(title, lines, x=x, y=Axis("share"), caption=caption)


def _ticks(gallery: int) -> list[float]:
    inner = [k for k in (1, 10, 100, 1000) if k * 2 <= gallery]
    return [float(k) for k in (*inner, gallery)]
