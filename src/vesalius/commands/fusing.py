"""The command ``fuse``: a fusion study as a table, as files and as a page."""

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from vesalius.commands.terminal import console, counting, progress_bars
from vesalius.engine.fusing import Prepared
from vesalius.errors import UsageError, did_you_mean
from vesalius.fusion.heads import HEADS
from vesalius.fusion.results import Row, Settings, Study
from vesalius.fusion.slots import Droppable, Head
from vesalius.fusion.study import fusion_study
from vesalius.models.naming import split_options
from vesalius.records import Estimate, Resampling
from vesalius.report.fusion_about import study_json
from vesalius.report.fusion_tables import contributions_of, lines_of, score_name, sentence
from vesalius.store.files import make_folder, write_atomic
from vesalius.studies import about_study, fusion_cohort, fusion_report


def choose_heads(names: Sequence[str], /) -> dict[str, Head]:
    """Heads by name; all of them for none. ``gated[dropout=0.3]`` is taught to do without slots.

    Raises:
        UsageError: for an unknown one, or an option that it has not.
    """
    return {name: _head(name) for name in names or HEADS}


def _head(text: str) -> Head:
    name, options = split_options(text)
    if name not in HEADS:
        hint = did_you_mean(name, HEADS)
        raise UsageError(f"unknown head {name!r}{hint}; there are: {', '.join(HEADS)}")
    head = HEADS[name]
    if not options:
        return head
    share = options.get("dropout")
    if set(options) != {"dropout"} or not isinstance(head, Droppable):
        able = [one for one, head in HEADS.items() if isinstance(head, Droppable)]
        raise UsageError(f"head {text!r}: expected the option dropout, of {', '.join(able)}")
    if not isinstance(share, float) or not 0 < share < 1:
        raise UsageError(f"head {text!r}: expected a dropout between 0 and 1, got {share!r}")
    return head.with_dropout(share)


def fuse_command(  # noqa: PLR0913 - each is one option of the command
    data: str,
    features: Sequence[str],
    heads: Sequence[str],
    *,
    task: str,
    target: str | None,
    out: Path,
    settings: Settings,
) -> None:
    """Make the study, print it, and write its tables and page."""
    chosen = choose_heads(heads)
    with progress_bars() as progress:
        prepared = fusion_cohort(data, features, task=task, target=target, progress=progress)
        watch = counting(progress, "fits")
        study = fusion_study(prepared.cohort, chosen, settings=settings, watch=watch)
    page = write_study(study, prepared, out)
    console.print(*shown(study), sep="\n")
    console.print(*_problems(prepared.problems), sep="\n", end="")
    for name, path in (("tables", out), ("page", page)):
        console.print(f"{name}: {path}", highlight=False, markup=False, soft_wrap=True)


def write_study(study: Study, prepared: Prepared, out: Path, /) -> Path:
    """Write tables, JSON and page into a folder; returns the page."""
    make_folder(out)
    write_atomic(out / "fusion.csv", lines_of(study.rows).encode())
    write_atomic(out / "curves.csv", lines_of(study.curves).encode())
    write_atomic(out / "contributions.csv", contributions_of(study).encode())
    write_atomic(out / "fusion.json", study_json(study, about_study(study, prepared)).encode())
    return fusion_report(study, prepared, out / "fusion.html")


def settings_of(*, seeds: int, resamples: int, seed: int, width: int) -> Settings:
    """Seeds in a row from the first one."""
    return Settings(
        tuple(range(seed, seed + seeds)), width=width, resampling=Resampling(seed, resamples)
    )


def _problems(problems: Mapping[str, Mapping[str, str]]) -> list[Text]:
    return [
        Text(f"{slot}: {len(found)} missing ({', '.join(sorted(set(found.values())))})\n")
        for slot, found in problems.items()
    ]


def shown(study: Study, /) -> tuple[Table, Table, Text]:
    """Singles and heads against the best single slot, contributions, and a sentence."""
    score = score_name(study.metric)
    first = _empty(f"Fusion · {score}, difference from {study.best_single}")
    for name in ("Input", score, "Difference", "Holm p"):
        first.add_column(name, justify="left" if name == "Input" else "right", overflow="fold")
    for row in study.rows:
        if row.place.variant in {"single", "fused"}:
            first.add_row(*(Text(word) for word in _words(row)))
    second = _empty(f"Contribution of each input to {study.best_head} (Shapley)")
    for name in ("Input", score):
        second.add_column(name, justify="left" if name == "Input" else "right", overflow="fold")
    second.add_row("nothing", Text(f"{study.floor.value:.3f}"))
    for slot, one in study.contributions.items():
        second.add_row(Text(slot), Text(_with_interval(one, "+.3f")))
    return first, second, Text(sentence(study), style="bold")


def _words(row: Row) -> tuple[str, ...]:
    one = row.estimate
    if isnan(one.value):
        return (row.place.head, "n/a", one.reason, "")
    own = (row.place.head, _with_interval(one, ".3f"))
    if row.difference is None:
        return (*own, "best single", "")
    p = "" if isnan(row.p_holm) else f"{row.p_holm:.4f}"
    return (*own, _with_interval(row.difference.estimate, "+.3f"), p)


def _with_interval(one: Estimate, form: str) -> str:
    return f"{one.value:{form}} [{one.low:{form}}, {one.high:{form}}]"


def _empty(title: str) -> Table:
    return Table(
        title=Text(title, style="bold cyan"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
