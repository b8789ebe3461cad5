"""Invented paired comparisons of the invented run."""

from demo_run import Names

from vesalius.records import Cell, Estimate
from vesalius.stats import Comparison, Difference


def compared(
    first: Cell, second: Cell, value: float, p_holm: float, *, metric: str = "f1", n: int = 1
) -> Comparison:
    """First minus second, with an interval of ±0.05."""
    estimate = Estimate(metric, value, value - 0.05, value + 0.05, n=40, n_patients=30)
    return Comparison(first, second, Difference(estimate, p_holm / n), p_holm, n)


def comparisons_of(names: Names) -> list[Comparison]:
    """The first two models are told apart by zero-shot and retrieval, not by knn."""
    one, other, _ = names.models
    made = []
    places = (("classification", "zero-shot", "f1", 0.01), ("classification", "knn", "f1", 0.4))
    for task, protocol, metric, p in (*places, ("retrieval", "embedding", "recall@5", 0.0004)):
        cells = (Cell(model, names.dataset, task, protocol) for model in (other, one))
        made.append(compared(*cells, -0.39, p, metric=metric))
    return made
