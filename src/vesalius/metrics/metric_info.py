"""What is known of a metric beside its formula."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Metric = Callable[..., float]
BatchedMetric = Callable[..., np.ndarray]
INFINITY = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInfo:
    """One metric under the name that results carry.

    Attributes:
        function: the definition; arrays of one length, reference first, prediction second.
        batched: the same for every row of the keyword `weights` (b, n), whole numbers that say how
            often each row counts; returns (b,). None when there is only the definition.
        unit: of the value; empty for a pure number.
        low: smallest possible value.
        high: largest possible value.
        higher_is_better: direction; for a description such as `prevalence` it says nothing.
        source: where the definition is from.
    """

    name: str
    function: Metric
    batched: BatchedMetric | None
    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    higher_is_better: bool = True
    source: str = ""
