"""Metrics: pure functions on numpy arrays, and the table of all of them.

The reference comes first, the prediction second. Undefined is NaN, never 0. `METRICS` holds, under
the name that appears in results, the definition and a form of it for many resamples at once.
"""

from vesalius.metrics.calibration import brier, brier_multiclass, ece, ece_top_label
from vesalius.metrics.classification import (
    accuracy,
    auprc,
    auroc,
    balanced_accuracy,
    f1,
    macro_auprc,
    macro_auroc,
    macro_f1,
    mcc,
    precision,
    prevalence,
    recall,
    specificity,
    specificity_at_sensitivity,
)
from vesalius.metrics.geometry import (
    alignment,
    effective_rank,
    linear_cka,
    linear_cka_unbiased,
    mean_cosine,
    modality_gap,
    uniformity,
)
from vesalius.metrics.retrieval import (
    average_precision,
    hit_at,
    ndcg,
    precision_at,
    r_precision,
    rank_first,
    rank_positives,
    recall_at,
    reciprocal_rank,
)
from vesalius.metrics.segmentation import (
    dice,
    false_positive,
    hd95,
    iou,
    missed,
    nsd,
    pixel_auprc,
)
from vesalius.metrics.table import METRICS, MetricInfo

__all__ = [
    "METRICS",
    "MetricInfo",
    "accuracy",
    "alignment",
    "auprc",
    "auroc",
    "average_precision",
    "balanced_accuracy",
    "brier",
    "brier_multiclass",
    "dice",
    "ece",
    "ece_top_label",
    "effective_rank",
    "f1",
    "false_positive",
    "hd95",
    "hit_at",
    "iou",
    "linear_cka",
    "linear_cka_unbiased",
    "macro_auprc",
    "macro_auroc",
    "macro_f1",
    "mcc",
    "mean_cosine",
    "missed",
    "modality_gap",
    "ndcg",
    "nsd",
    "pixel_auprc",
    "precision",
    "precision_at",
    "prevalence",
    "r_precision",
    "rank_first",
    "rank_positives",
    "recall",
    "recall_at",
    "reciprocal_rank",
    "specificity",
    "specificity_at_sensitivity",
    "uniformity",
]
