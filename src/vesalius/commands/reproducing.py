"""The command that computes a published number again and says whether it came out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from vesalius.api import Request, Settings, choose_tasks, evaluate_sources, model_sources
from vesalius.commands.known_answers import KNOWN_ANSWERS, KnownAnswer
from vesalius.commands.terminal import console, progress_bars
from vesalius.data.opening import load_recipe
from vesalius.errors import UsageError, did_you_mean
from vesalius.records import Done, Estimate, Failed, MetricRow, NotApplicable

_STYLES = {"reproduced": "green", "differs": "bold red", "no verdict": "yellow", "no value": "red"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a known answer is computed.

    Attributes:
        model: another source of the weights, or another model; empty for the published one.
        data: folder with the published files; empty for the one below the data root.
        allow_partial: whether a part of the data set will do, for a trial.
    """

    out: Path
    model: str = ""
    data: str = ""
    device: str = "auto"
    resamples: int = 2000
    allow_partial: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it: ``reproduced``, ``differs``, ``no verdict`` or ``no value``, and why."""

    word: str
    reason: str
    estimate: Estimate | None = None


def reproduce_command(name: str, attempt: Attempt) -> bool:
    """Compute one known answer and print the verdict, or list them all; False if it differs.

    Raises:
        UsageError: for an unknown name.
        DataError, ModelError: if images or weights are not on disk.
    """
    if not name:
        console.print(_listed(tuple(KNOWN_ANSWERS.values())))
        return True
    if name not in KNOWN_ANSWERS:
        hint = did_you_mean(name, KNOWN_ANSWERS) or f"; there are: {', '.join(KNOWN_ANSWERS)}"
        raise UsageError(f"unknown known answer {name!r}{hint}")
    answer = KNOWN_ANSWERS[name]
    verdict = reproduce(answer, attempt)
    console.print(_shown(answer, verdict))
    return verdict.word not in ("differs", "no value")


def reproduce(answer: KnownAnswer, attempt: Attempt, /) -> Verdict:
    """Evaluate the one cell of a known answer and compare."""
    folder = Path(attempt.data) if attempt.data else None
    data = load_recipe(answer.recipe, folder, allow_partial=attempt.allow_partial)
    settings = Settings(
        protocols=(answer.protocol,),
        device=attempt.device,
        n_resamples=attempt.resamples,
        controls=False,
        out_of_domain=bool(attempt.model),
    )
    models = model_sources([attempt.model or answer.model], settings)
    tasks = choose_tasks(answer.task, (answer.protocol,))
    with progress_bars() as progress:
        request = Request(attempt.out, settings=settings, progress=progress)
        result = evaluate_sources(models, [data], tasks, request)
    estimate = _estimate(answer, result.metrics)
    if estimate is None:
        cells = [outcome for outcome in result.outcomes if not isinstance(outcome, Done)]
        return Verdict("no value", "; ".join(map(_why, cells)) or f"no row {answer.metric}")
    is_part = any("n_expected" in note for note in data.card.notes)
    return judge(answer, estimate, model=attempt.model, is_part=is_part)


def judge(
    answer: KnownAnswer, estimate: Estimate, /, *, model: str = "", is_part: bool = False
) -> Verdict:
    """Compare a value with the published one; other models and parts of the data get no verdict."""
    if model and not model.startswith(f"{answer.model}="):
        return Verdict("no verdict", f"computed with {model}, not {answer.model}", estimate)
    if is_part:
        return Verdict("no verdict", "computed on a part of the data set", estimate)
    away = abs(estimate.value - answer.expected)
    word = "reproduced" if away <= answer.tolerance else "differs"  # NaN differs
    return Verdict(word, f"{away:.4f} away, {answer.tolerance:g} allowed", estimate)


def _estimate(answer: KnownAnswer, rows: Sequence[MetricRow]) -> Estimate | None:
    """The row of the metric over all test rows."""
    for row in rows:
        place = (row.cell.dataset, row.estimate.metric, row.subgroup, row.class_name)
        if place == (answer.recipe.name, answer.metric, "", "") and row.split == "test":
            return row.estimate
    return None


def _why(outcome: NotApplicable | Failed) -> str:
    return outcome.reason if isinstance(outcome, NotApplicable) else outcome.error


def _shown(answer: KnownAnswer, verdict: Verdict) -> Table:
    table = Table(title=Text(answer.name), title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    found = verdict.estimate
    rows = {
        "cell": f"{answer.model}, {answer.recipe.name}, {answer.task}, {answer.protocol}",
        "published": f"{answer.metric} {answer.expected:.4f} ({answer.source})",
        "computed": "none" if found is None else
        f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}], {found.n} rows",
        "left open": answer.doubt,
        "prompts": answer.recipe.prompts_from,
    }  # fmt: skip
    for label, text in rows.items():
        if text:
            table.add_row(label, Text(text))
    words = f"{verdict.word}: {verdict.reason}"
    table.add_row("verdict", Text(words, style=_STYLES[verdict.word]))
    return table


def _listed(answers: Sequence[KnownAnswer]) -> Table:
    table = Table(title="Known answers", title_justify="left", header_style="bold", pad_edge=False)
    for name in ("Name", "Metric", "Source"):
        table.add_column(name, overflow="fold")
    table.add_column("Published", justify="right")
    for one in answers:
        published = f"{one.expected:.4f} ± {one.tolerance:g}"
        table.add_row(Text(one.name), Text(one.metric), Text(one.source), Text(published))
    return table
