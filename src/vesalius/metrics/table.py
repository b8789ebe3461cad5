"""The table: name → definition, batched form, unit, range, direction, source."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from vesalius.metrics import (
    calibration,
    calibration_batched,
    classification,
)
from vesalius.metrics import classification_batched as batched
from vesalius.metrics.metric_info import INFINITY, MetricInfo
from vesalius.metrics.retrieval import CUTOFFS
from vesalius.metrics.table_rows import (
    generation_metrics,
    grounding_metrics,
    segmentation_metrics,
    text_metrics,
)
from vesalius.metrics.weighted import (
    mean_defined,
    mean_defined_batched,
    median_defined,
    median_defined_batched,
)

__all__ = ["METRICS", "MetricInfo"]

_SOKOLOVA = "doi:10.1016/j.ipm.2009.03.002"
_BRIER = "doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2"
_ADAPTIVE = "arXiv:1904.01685"
_BUCKLEY = "doi:10.1145/1008992.1009000"
_PEPE = "Pepe (2003), section 4.3"


def _classification() -> list[MetricInfo]:
    simple = {
        "auroc": "doi:10.1148/radiology.143.1.7063747",
        "auprc": "doi:10.1145/1143844.1143874",
        "prevalence": "share of positives",
        "precision": _SOKOLOVA,
        "recall": _SOKOLOVA,
        "specificity": "doi:10.1136/bmj.308.6943.1552",
        "f1": _SOKOLOVA,
        "accuracy": _SOKOLOVA,
        "balanced_accuracy": "doi:10.1109/ICPR.2010.764",
        "macro_f1": "arXiv:1911.03347",
        "mcc": "doi:10.1016/j.compbiolchem.2004.09.006",
        "macro_auroc": "doi:10.1023/A:1024099825458",
        "macro_auprc": "doi:10.1145/1143844.1143874",
    }
    return [
        MetricInfo(
            name=name,
            function=getattr(classification, name),
            batched=getattr(batched, name),
            low=-1.0 if name == "mcc" else 0.0,
            source=source,
        )
        for name, source in simple.items()
    ]


def _specificities() -> list[MetricInfo]:
    return [
        MetricInfo(
            name=f"specificity@{percent}sensitivity",
            function=partial(classification.specificity_at_sensitivity, percent=percent),
            batched=partial(batched.specificity_at_sensitivity, percent=percent),
            source=_PEPE,
        )
        for percent in (90, 95)
    ]


def _calibration() -> list[MetricInfo]:
    rows = (
        ("brier", calibration.brier, calibration_batched.brier, 1.0, _BRIER),
        (
            "brier[multiclass]",
            calibration.brier_multiclass,
            calibration_batched.brier_multiclass,
            2.0,
            _BRIER,
        ),
        ("ece", calibration.ece, calibration_batched.ece, 1.0, _ADAPTIVE),
        (
            "ece[top-label]",
            calibration.ece_top_label,
            calibration_batched.ece_top_label,
            1.0,
            f"arXiv:1706.04599; {_ADAPTIVE}",
        ),
    )
    return [
        MetricInfo(
            name=name,
            function=function,
            batched=form,
            high=high,
            higher_is_better=False,
            source=source,
        )
        for name, function, form, high, source in rows
    ]


def _retrieval() -> list[MetricInfo]:
    """Aggregates over queries: they take the columns that `retrieval.query_values` returns."""
    means = {
        "map": _BUCKLEY,
        "ndcg": "doi:10.1145/582415.582418",
        "mrr": "Voorhees (1999), TREC-8",
        "r_precision": _BUCKLEY,
    }
    for k in CUTOFFS:
        means[f"recall@{k}"] = f"share of the positives in the first {k}"
        means[f"hit@{k}"] = f"any positive in the first {k}"
        means[f"precision@{k}"] = f"share of positives among the first {k}"
    table = [
        MetricInfo(name=name, function=mean_defined, batched=mean_defined_batched, source=source)
        for name, source in means.items()
    ]
    median = MetricInfo(
        name="median_rank",
        function=median_defined,
        batched=median_defined_batched,
        unit="rank",
        low=1.0,
        high=INFINITY,
        higher_is_better=False,
        source="median over queries of the rank of the best positive",
    )
    return [*table, median]


METRICS: Mapping[str, MetricInfo] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            *_classification(),
            *_specificities(),
            *_calibration(),
            *_retrieval(),
            *segmentation_metrics(),
            *grounding_metrics(),
            *text_metrics(),
            *generation_metrics(),
        )
    }
)
