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
# pattern inside the brackets, how it is shown, what it means
_QUALIFIERS = (
    ("chance", "chance", "The value that a random order expects."),
    ("templates", "templates", "Spread of the metric over the single prompt templates."),
    ("template", "template", "The metric with one prompt template only, in the card's order."),
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
    low, high = (f"{end:g}" if math.isfinite(end) else "∞" for end in (info.low, info.high))
    unit = f"{info.unit or 'share'} in [{low}, {high}]" if info.low == 0 else f"in [{low}, {high}]"
    direction = "higher is better" if info.higher_is_better else "lower is better"
    if name == "prevalence":
        direction = "no better direction"
    return Term(name, _definition(info), unit, direction, info.source)


def _definition(info: MetricInfo) -> str:
    stem, _, k = info.name.partition("@")
    if k.isdigit() or (not k and stem in _PER_QUERY and stem not in ("recall", "precision")):
        return _PER_QUERY[stem].format(k=k)
    if info.name == "median_rank":
        return "Median over queries of the rank of the best positive."
    function = getattr(info.function, "func", info.function)
    first = (function.__doc__ or "").strip().partition("\n")[0]
    percent = re.match(r"(\d+)", k)
    return first.replace("`percent`", f"{percent[1]} %" if percent else "").replace("`", "")
