"""What each metric name on the page means, from the table of metrics."""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass

from vesalius.metrics import METRICS, MetricInfo

_PER_QUERY = {
    "map": "Mean over queries of the average precision in the whole gallery.",
    "ndcg": "Mean over queries of the discounted gain against its ideal, with binary gains.",
    "mrr": "Mean over queries of one over the rank of the best positive.",
    "r_precision": "Mean over queries of the precision at as many places as positives exist.",
    "recall": "Mean over queries of the share of positives found in the first {k} places.",
    "hit": "Share of queries with any positive in the first {k} places.",
    "precision": "Mean over queries of the share of positives among the first {k} places.",
}
_PER_ROW = {  # metrics that are a mean over values of single rows
    "dice": "Mean over masks of twice the overlap over the sum of both areas.",
    "iou": "Mean over masks of the overlap over the union.",
    "hd95[voxel]": (
        "Mean over masks of the 95th percentile of the distances between both surfaces."
    ),
    "auprc[pixel]": "Mean over masks of the average precision of the map's pixels.",
    "missed": "Share of the references for which nothing is predicted.",
    "false_positive_rate[empty]": "Share of the empty references for which something is predicted.",
    "iou[box]": "Mean over phrases of the overlap over the union of the areas of all boxes.",
    "detection_rate": "Share of the phrases present for which a box is given.",
    "false_positive_rate[absent]": "Share of the absent phrases for which a box is given.",
    "pointing_game": "Share of the phrases whose map has its peak inside a box.",
    "cnr[absolute]": (
        "Mean over phrases of the distance of the map's means inside and outside the boxes over "
        "the root of the sum of both variances."
    ),
    "cnr[signed]": "As cnr[absolute], positive where the map is higher inside the boxes.",
    "miou[0.1-0.5]": "Mean over phrases and thresholds 0.1 to 0.5 of the IoU of the cut map.",
    "energy_in_box": "Mean over phrases of the share of the map that lies inside the boxes.",
    "exact_match": "Share of the answers that are a reference letter by letter.",
    "exact_match[normalised]": (
        "Share of the answers that are a reference without case, articles and punctuation."
    ),
    "token_f1": "Mean over answers of the F1 of the words shared with the best reference.",
    "token_recall": "Mean over answers of the share of the best reference's words that occur.",
    "rouge_l": "Mean over answers of the F1 of the longest common subsequence of words.",
    "meteor[nltk-2007]": "Mean over answers of matched words, weighted by order, without synonyms.",
    "unparsed": "Share of the closed questions whose answer names none of the choices.",
    "ambiguous": "Share of the closed questions whose answer names several choices.",
    "caption_cosine": "Mean over images of their cosine with the caption in the judge's space.",
    "psnr": "Mean over images of the peak signal-to-noise ratio against the true image.",
    "ssim": "Mean over images of the structural similarity with the true image.",
    "ms_ssim": "Mean over images of the structural similarity on five scales.",
    "ms_ssim[3-scale]": "Mean over images of the structural similarity on the three finest scales.",
}
_PATTERNS = (  # of names with a number in them
    (r"nsd\[surfel,(\S+)mm\]", "Share of both surfaces that lie within {} mm of each other."),
    (r"precision@iou(\S+)", "Share of the phrases present whose boxes reach an IoU of {}."),
)
# pattern inside the brackets, how it is shown, what it means
_QUALIFIERS = (
    ("chance", "chance", "The value that a random order expects."),
    ("templates", "templates", "Spread of the metric over the single prompt templates."),
    ("template", "template", "The metric with one prompt template only, in the card's order."),
    ("calibrated", "calibrated", "Likelihoods less those of the same answers for a blank image."),
    ("gap", "gap", "Best minus worst subgroup with enough patients."),
    ("nearest", "nearest", "The nearest training image in the model's space instead."),
    ("best possible", "best possible", "The value that a perfect order would have."),
    (r"\d+-shot", "k-shot", "Learned from k training patients per class; mean over the draws."),
    ("macro", "macro", "Unweighted mean over classes or findings."),
)


@dataclass(frozen=True, slots=True)
class Term:
    """One line of the glossary."""

    name: str
    definition: str
    unit: str
    direction: str
    source: str


def glossary(names: Collection[str], /) -> tuple[Term, ...]:
    """Terms for the metric names in use, each base metric once, by name.

    A name that the table does not have is listed as such, never left out.
    """
    bases = sorted({_base(name) for name in names})
    qualifiers = [
        Term(f"…[{word}]", text, "", "", "")
        for pattern, word, text in _QUALIFIERS
        if any(re.search(rf"\[{pattern}\b", name) for name in names)
    ]
    return (*(_term(base) for base in bases), *qualifiers)


def _base(name: str) -> str:
    return name if name in METRICS else name.partition("[")[0]


def _term(name: str) -> Term:
    info = METRICS.get(name)
    if info is None:
        return Term(name, "Not in the table of metrics of this version.", "", "", "")
    low, high = _end(info.low), _end(info.high)
    kind = info.unit or ("share" if (info.low, info.high) == (0, 1) else "number")
    unit = f"{kind} in [{low}, {high}]"
    direction = "higher is better" if info.higher_is_better else "lower is better"
    if name == "prevalence":
        direction = "no better direction"
    return Term(name, _definition(info), unit, direction, info.source)


def _end(value: float) -> str:
    return f"{value:g}" if math.isfinite(value) else "−∞" if value < 0 else "∞"


def _definition(info: MetricInfo) -> str:
    if info.name in _PER_ROW:
        return _PER_ROW[info.name]
    for pattern, words in _PATTERNS:
        if found := re.fullmatch(pattern, info.name):
            return words.format(found[1])
    stem, _, k = info.name.partition("@")
    if k.isdigit() or (not k and stem in _PER_QUERY and stem not in ("recall", "precision")):
        return _PER_QUERY[stem].format(k=k)
    if info.name == "median_rank":
        return "Median over queries of the rank of the best positive."
    function = getattr(info.function, "func", info.function)
    first = (function.__doc__ or "").strip().partition("\n")[0]
    percent = re.match(r"(\d+)", k)
    return first.replace("`percent`", f"{percent[1]} %" if percent else "").replace("`", "")
