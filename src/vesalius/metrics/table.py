"""The table: name → definition, batched form, unit, range, direction, source."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from vesalius.metrics import boxes, calibration, calibration_batched, classification, text
from vesalius.metrics import classification_batched as batched
from vesalius.metrics.retrieval import CUTOFFS
from vesalius.metrics.segmentation import TOLERANCES_MM
from vesalius.metrics.weighted import (
    mean_defined,
    mean_defined_batched,
    median_defined,
    median_defined_batched,
)

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


@dataclass(frozen=True, slots=True)
class _Scale:
    """Unit, range and direction of a value that is averaged over units."""

    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    higher_is_better: bool = True


_SHARE = _Scale()
_FAULT = _Scale(higher_is_better=False)
_DISTANCE_MM = _Scale(unit="mm", high=INFINITY, higher_is_better=False)
_CONTRAST = _Scale(high=INFINITY)
_SIGNED_CONTRAST = _Scale(low=-INFINITY, high=INFINITY)


def _mean(name: str, source: str, scale: _Scale = _SHARE) -> MetricInfo:
    """Mean of one value per case, phrase, answer or image, over those where it is defined."""
    return MetricInfo(
        name=name,
        function=mean_defined,
        batched=mean_defined_batched,
        unit=scale.unit,
        low=scale.low,
        high=scale.high,
        higher_is_better=scale.higher_is_better,
        source=source,
    )


def _segmentation() -> list[MetricInfo]:
    """Aggregates over cases: they take the columns that `segmentation.case_values` returns."""
    return [
        _mean("dice", "doi:10.2307/1932409"),
        _mean("iou", "doi:10.1111/j.1469-8137.1912.tb05611.x"),
        _mean("hd95[voxel]", "doi:10.1109/34.232073; doi:10.1038/s41592-023-02151-z", _DISTANCE_MM),
        *(_mean(f"nsd[surfel,{t}mm]", "doi:10.2196/26151") for t in TOLERANCES_MM),
        _mean("auprc[pixel]", "doi:10.1145/1143844.1143874"),
        _mean("missed", "share of the references for which nothing is predicted", _FAULT),
        _mean(
            "false_positive_rate[empty]",
            "share of the empty references for which something is predicted",
            _FAULT,
        ),
    ]


_VOC = "doi:10.1007/s11263-009-0275-4"
_BIOVIL = "doi:10.1007/978-3-031-20059-5_1"


def _grounding() -> list[MetricInfo]:
    """Aggregates over phrases (`boxes.phrase_values`, `heatmaps.map_values`), and AP over boxes."""
    return [
        _mean("iou[box]", _VOC),
        *(_mean(f"precision@iou{t}", f"{_VOC}; misses count") for t in boxes.IOU_LEVELS),
        _mean("detection_rate", "share of the phrases present for which a box is given"),
        _mean(
            "false_positive_rate[absent]",
            "share of the absent phrases for which a box is given",
            _FAULT,
        ),
        _mean("pointing_game", "doi:10.1007/s11263-017-1059-x"),
        _mean("cnr[absolute]", _BIOVIL, _CONTRAST),
        _mean("cnr[signed]", f"{_BIOVIL}, with its sign", _SIGNED_CONTRAST),
        _mean("miou[0.1-0.5]", _BIOVIL),
        _mean("energy_in_box", "doi:10.1109/CVPRW50498.2020.00020"),
        MetricInfo(
            name="ap@0.5",
            function=boxes.detection_ap,
            batched=boxes.detection_ap_batched,
            source=f"{_VOC}, all points",
        ),
    ]


_SQUAD = "doi:10.18653/v1/D16-1264"


def _text() -> list[MetricInfo]:
    """Aggregates over answers (`text.answer_values`), and BLEU over `text.bleu_statistics`."""
    means = {
        "exact_match": "same characters",
        "exact_match[normalised]": _SQUAD,
        "token_f1": _SQUAD,
        "token_recall": _SQUAD,
        "rouge_l": "https://aclanthology.org/W04-1013; no stemming",
        "meteor[nltk-2007]": "https://aclanthology.org/W07-0734; words and Porter stems, "
        "no synonyms (no WordNet)",
    }
    bleu = [
        MetricInfo(
            name=f"bleu{order}[sacrebleu]",
            function=partial(text.bleu, order=order),
            batched=partial(text.bleu_batched, order=order),
            source=f"doi:10.3115/1073083.1073135; doi:10.18653/v1/W18-6319: {text.BLEU_SETTINGS}",
        )
        for order in range(1, text.MAX_ORDER + 1)
    ]
    return [*(_mean(name, source) for name, source in means.items()), *bleu]


METRICS: Mapping[str, MetricInfo] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            *_classification(),
            *_specificities(),
            *_calibration(),
            *_retrieval(),
            *_segmentation(),
            *_grounding(),
            *_text(),
        )
    }
)
