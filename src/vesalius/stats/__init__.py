"""Intervals and differences: a bootstrap over patients of any function of row indices.

All rows of a patient are drawn together, because they are not independent: resampling rows would
make intervals too narrow. Which patients a resample draws depends only on the seed and on how many
patients there are, counted in the order of their sorted names; so every model, metric and row order
meets the same resamples, and differences between models are paired.
"""

from vesalius.stats.combining import Resamples, resample
from vesalius.stats.inference import (
    Difference,
    bootstrap,
    bootstrap_many,
    holm,
    paired_difference,
)
from vesalius.stats.row_functions import (
    ArrayStatistic,
    BatchedStatistic,
    DifferenceOf,
    MeanOf,
    OnRows,
    Statistic,
    statistic,
)
from vesalius.stats.standings import (
    Comparison,
    Placed,
    Standing,
    letters_of,
    standings,
    tie_groups,
)

__all__ = [
    "ArrayStatistic",
    "BatchedStatistic",
    "Comparison",
    "Difference",
    "DifferenceOf",
    "MeanOf",
    "OnRows",
    "Placed",
    "Resamples",
    "Standing",
    "Statistic",
    "bootstrap",
    "bootstrap_many",
    "holm",
    "letters_of",
    "paired_difference",
    "resample",
    "standings",
    "statistic",
    "tie_groups",
]
