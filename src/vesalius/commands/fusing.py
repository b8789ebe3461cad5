"""The command ``fuse``: a fusion study as a table, as files and as a page."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from vesalius.api import user_cache
from vesalius.catalog import describe, open_model, parse_model
from vesalius.commands.terminal import console, counting, progress_bars
from vesalius.data.manifest import load_dataset
from vesalius.engine.fusing import fusion_cohort
from vesalius.engine.fusion_names import TABULAR, split_slot
from vesalius.engine.fusion_slots import Kitchen
from vesalius.engine.sources import ModelSource
from vesalius.errors import UsageError, did_you_mean
from vesalius.fusion.cohort import Cohort
from vesalius.fusion.heads import HEADS
from vesalius.fusion.results import Row, Settings, Study
from vesalius.fusion.slots import Droppable, Head
from vesalius.fusion.study import fusion_study
from vesalius.models.naming import split_options
from vesalius.records import SPLITS, ModelCard, Resampling
from vesalius.report.fusion_about import About, study_json
from vesalius.report.fusion_page import write_fusion_page
from vesalius.report.fusion_tables import contributions_of, lines_of, score_name, sentence
from vesalius.store.files import make_folder, write_atomic


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
    data: Path,
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
    find = cache(find_model)
    with progress_bars() as progress:
        kitchen = Kitchen(find, user_cache(), progress)
        dataset = load_dataset(data)
        prepared = fusion_cohort(dataset, features, kitchen, task=task, target=target)
        watch = counting(progress, "fits")
        study = fusion_study(prepared.cohort, chosen, settings=settings, watch=watch)
    partner = [target] if task == "retrieval" and target is not None else []
    about = About(
        dataset=dataset.card.name,
        digest=dataset.card.digest,
        task=task,
        target=target,
        features=tuple(features),
        settings=settings,
        n_patients=_patients(prepared.cohort),
        models=_models([*features, *partner], find),
        problems=prepared.problems,
    )
    page = write_study(study, about, out)
    console.print(*shown(study), sep="\n")
    console.print(*_problems(prepared.problems), sep="\n", end="")
    for name, path in (("tables", out), ("page", page)):
        console.print(f"{name}: {path}", highlight=False, markup=False, soft_wrap=True)


def write_study(study: Study, about: About, out: Path, /) -> Path:
    """Write tables, JSON and page into a folder; returns the page."""
    make_folder(out)
    write_atomic(out / "fusion.csv", lines_of(study.rows).encode())
    write_atomic(out / "curves.csv", lines_of(study.curves).encode())
    write_atomic(out / "contributions.csv", contributions_of(study).encode())
    write_atomic(out / "fusion.json", study_json(study, about).encode())
    return write_fusion_page(study, about, out / "fusion.html")


def settings_of(*, seeds: int, resamples: int, seed: int, width: int) -> Settings:
    """Seeds in a row from the first one."""
    return Settings(
        tuple(range(seed, seed + seeds)), width=width, resampling=Resampling(seed, resamples)
    )


def find_model(name: str, /) -> ModelSource:
    """A model by its name."""
    request = parse_model(name)
    return ModelSource(describe(request), partial(open_model, request))


def _models(slots: Sequence[str], find: Callable[[str], ModelSource]) -> dict[str, ModelCard]:
    """Input → card of its model; a table has none."""
    names = {slot: split_slot(slot) for slot in slots}
    return {slot: find(name.model).card for slot, name in names.items() if name.kind != TABULAR}


def _patients(cohort: Cohort) -> dict[str, int]:
    """Of each split."""
    pairs = set(zip(cohort.split.tolist(), cohort.patients.tolist(), strict=True))
    counts = Counter(split for split, _ in pairs)
    return {split: counts[split] for split in SPLITS}


def _problems(problems: Mapping[str, Mapping[str, str]]) -> list[Text]:
    return [
        Text(f"{slot}: {len(found)} missing ({', '.join(sorted(set(found.values())))})\n")
        for slot, found in problems.items()
    ]


def shown(study: Study, /) -> tuple[Table, Table, Text]:
    """Singles and heads against the best single slot, contributions, and a sentence."""
    score = score_name(study.metric)
    first = _empty(f"Fusion · {score}, difference from {study.best_single}")
    for name in ("Input", score, "Interval", "Diff.", "Interval", "Holm p"):
        first.add_column(name, justify="left" if name == "Input" else "right", overflow="fold")
    for row in study.rows:
        if row.place.variant in {"single", "fused"}:
            first.add_row(*(Text(word) for word in _words(row)))
    second = _empty(f"Contribution of each input to {study.best_head} (Shapley)")
    for name in ("Input", score, "Interval"):
        second.add_column(name, justify="left" if name == "Input" else "right", overflow="fold")
    second.add_row("nothing", Text(f"{study.floor.value:.3f}"), "")
    for slot, one in study.contributions.items():
        second.add_row(Text(slot), f"{one.value:+.3f}", Text(f"[{one.low:+.3f}, {one.high:+.3f}]"))
    return first, second, Text(sentence(study), style="bold")


def _words(row: Row) -> tuple[str, ...]:
    one = row.estimate
    if one.reason and one.value != one.value:
        return (row.place.head, "n/a", one.reason, "", "", "")
    own = (row.place.head, f"{one.value:.3f}", f"[{one.low:.3f}, {one.high:.3f}]")
    if row.difference is None:
        return (*own, "best single", "", "")
    apart = row.difference.estimate
    p = "" if row.p_holm != row.p_holm else f"{row.p_holm:.4f}"
    return (*own, f"{apart.value:+.3f}", f"[{apart.low:+.3f}, {apart.high:+.3f}]", p)


def _empty(title: str) -> Table:
    return Table(
        title=Text(title, style="bold cyan"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
