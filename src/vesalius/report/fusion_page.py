"""The page of a fusion study: one HTML file that opens anywhere and loads nothing."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from vesalius.fusion.head_facts import HeadFacts, facts_of
from vesalius.fusion.results import Row, Settings, Study
from vesalius.records import SPLITS
from vesalius.report import fusion_plots as plots
from vesalius.report.document import asset, environment, policy
from vesalius.report.figures import swatch
from vesalius.report.fusion_about import About, problem_counts
from vesalius.report.fusion_tables import (
    better_than_single,
    interval_of,
    p_text,
    score_name,
    sentence,
    signed_text,
    verdict,
)
from vesalius.report.glossary import glossary
from vesalius.report.tables import text_of
from vesalius.store.files import write_atomic

_STYLES = ("page.css", "fusion.css")
_SCRIPTS = ("page.js", "fusion.js")
_COLUMNS = (
    "Input or head", "Variant", "Of input", "Score", "Interval", "Difference", "Interval", "p",
    "Holm p", "Parameters", "Fit (s)",
)  # fmt: skip
_FILTERS: Mapping[str, Callable[..., object]] = {
    "number": text_of,
    "signed": signed_text,
    "interval": interval_of,
    "swatch": swatch,
}
_VARIANTS = {
    "single": "alone",
    "fused": "all inputs",
    "shuffled": "one shuffled",
    "missing": "one missing",
}


@dataclass(frozen=True, slots=True)
class Value:
    """A cell of the long table: what is read, and what it is sorted by; empty for the text."""

    text: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Broken:
    """What shuffling one input costs a head: its score then, and the fall."""

    score: str
    interval: str
    cost: str
    reason: str


def write_fusion_page(study: Study, about: About, out: Path, /) -> Path:
    """Write the page to `out`, replaced as a whole; returns `out`."""
    write_atomic(out, render_fusion(study, about).encode())
    return out


def render_fusion(study: Study, about: About, /) -> str:
    """The page as text; an equal study gives equal bytes."""
    style, script = ("".join(asset(name) for name in names) for names in (_STYLES, _SCRIPTS))
    page = environment({"fusion.html": asset("fusion.html")}, _FILTERS)
    return page.get_template("fusion.html").render(
        policy=policy(style, script),
        style=Markup(style),  # noqa: S704 - the package's own files
        script=Markup(script),  # noqa: S704 - the package's own files
        study=study,
        about=about,
        score=score_name(study.metric),
        answer=sentence(study),
        better=better_than_single(study),
        single=study.row(study.best_single, "single", study.best_single),
        head=study.row(study.best_head),
        heads=plots.forest(study),
        singles=plots.singles(study),
        curves=plots.curves(study),
        curve_rows=plots.curve_rows(study),
        contributions=plots.contributions(study),
        broken=_broken(study),
        columns=_COLUMNS,
        lines=[_line(row) for row in study.rows],
        unsuited=[row for row in study.rows if math.isnan(row.estimate.value)],
        head_facts=_facts(study),
        terms=glossary({study.metric}),
        settings=_settings(about.settings),
        level=f"{about.settings.resampling.level:.0%}",
        counts=[(split, study.n_rows[split], about.n_patients[split]) for split in SPLITS],
        problems=problem_counts(about),
    )


def _broken(study: Study) -> dict[str, list[Broken]]:
    """Head → for each input what it costs to give every row that of another row."""
    heads = [row for row in study.rows if row.place.variant == "fused"]
    found: dict[str, list[Broken]] = {}
    for row in heads:
        if not math.isnan(row.estimate.value):
            name = row.place.head
            shuffled = [study.row(name, "shuffled", slot) for slot in study.contributions]
            found[name] = [_cost(row, one) for one in shuffled]
    return found


def _cost(fused: Row, shuffled: Row) -> Broken:
    one = shuffled.estimate
    cost = signed_text(one.value - fused.estimate.value)
    return Broken(text_of(one.value), interval_of(one), cost, one.reason)


def _line(row: Row) -> tuple[str, list[Value]]:
    """Name and cells of a line of the long table, in the order of the columns."""
    one, place = row.estimate, row.place
    apart = None if row.difference is None else row.difference.estimate
    undefined = math.isnan(one.value)
    why = one.reason or "no reason was recorded"
    gap, span = ("", "") if apart is None else (signed_text(apart.value), _signed_span(row))
    mark = {"better": " ▲", "worse": " ▼"}.get(verdict(row), "")
    p = math.nan if row.difference is None else row.difference.p_value
    fitted = row.n_parameters > 0 or row.fit_s > 0
    return place.head, [
        Value(_VARIANTS.get(place.variant, place.variant)),
        Value("" if place.variant == "single" else place.slot),
        Value(text_of(one.value), _key(one.value)),
        Value(why if undefined else interval_of(one), _key(one.low)),
        Value(gap + mark, _key(math.nan if apart is None else apart.value)),
        Value(span, _key(math.nan if apart is None else apart.low)),
        Value(p_text(p), _key(p)),
        Value(p_text(row.p_holm), _key(row.p_holm)),
        Value(f"{row.n_parameters:,}" if row.n_parameters else "–", str(row.n_parameters)),
        Value(f"{row.fit_s:.2f}" if fitted else "–", _key(row.fit_s if fitted else math.nan)),
    ]


def _signed_span(row: Row) -> str:
    return "" if row.difference is None else interval_of(row.difference.estimate, signed=True)


def _key(value: float) -> str:
    """What a number is sorted by; NaN stands last in either order."""
    return "nan" if math.isnan(value) else repr(float(value))


def _facts(study: Study) -> dict[str, HeadFacts]:
    heads = [row.place.head for row in study.rows if row.place.variant == "fused"]
    return {name: facts_of(name) for name in heads}


def _settings(settings: Settings) -> tuple[tuple[str, str], ...]:
    drawn = settings.resampling
    return (
        ("seeds of heads and shuffles", ", ".join(map(str, settings.seeds))),
        ("most principal components of an input", str(settings.width)),
        ("train rows that lose each input, when taught to", f"{settings.dropout:.0%}"),
        ("shares of test rows in the curves", ", ".join(f"{s:g}" for s in settings.shares)),
        ("resamples of test patients", f"{drawn.n_resamples:,}"),
        ("level of intervals", f"{drawn.level:.0%}"),
        ("seed of the resampling", str(drawn.seed)),
    )
