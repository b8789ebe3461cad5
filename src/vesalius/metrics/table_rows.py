"""Rows of the table for segmentation, grounding, answers and generation.

Most of them are means over units (cases, phrases, answers, images) of a value that a function of
the module named computes for each unit.
"""

from dataclasses import dataclass
from functools import partial

from vesalius.metrics import boxes, distances, text
from vesalius.metrics.metric_info import INFINITY, MetricInfo
from vesalius.metrics.segmentation import TOLERANCES_MM
from vesalius.metrics.weighted import mean_defined, mean_defined_batched


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
_DECIBEL = _Scale(unit="dB", low=-INFINITY, high=INFINITY)
_CORRELATION = _Scale(low=-1.0)
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


def segmentation_metrics() -> list[MetricInfo]:
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


def grounding_metrics() -> list[MetricInfo]:
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


def text_metrics() -> list[MetricInfo]:
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
    faults = {
        "unparsed": "share of the closed questions whose answer names none of the choices",
        "ambiguous": "share of the closed questions whose answer names several choices",
    }
    return [
        *(_mean(name, source) for name, source in means.items()),
        *bleu,
        *(_mean(name, source, _FAULT) for name, source in faults.items()),
    ]


def generation_metrics() -> list[MetricInfo]:
    """Aggregates over pairs of images (`similarity.image_values`), and distances between sets."""
    multi_scale = "doi:10.1109/ACSSC.2003.1292216"
    return [
        _mean("psnr", "doi:10.1049/el:20080522", _DECIBEL),
        _mean("ssim", "doi:10.1109/TIP.2003.819861; Gaussian window", _CORRELATION),
        _mean("ms_ssim", multi_scale),
        _mean("ms_ssim[3-scale]", f"{multi_scale}; its first three weights"),
        _mean(
            "caption_cosine", "doi:10.18653/v1/2021.emnlp-main.595, the cosine itself", _CORRELATION
        ),
        MetricInfo(
            name="fd",
            function=distances.frechet_distance,
            batched=None,
            high=INFINITY,
            higher_is_better=False,
            source="doi:10.1016/0047-259X(82)90077-X; arXiv:1706.08500",
        ),
        MetricInfo(
            name="kid",
            function=distances.kernel_distance,
            batched=None,
            low=-INFINITY,
            high=INFINITY,
            higher_is_better=False,
            source="arXiv:1801.01401",
        ),
    ]
