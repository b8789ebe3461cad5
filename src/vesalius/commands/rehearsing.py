"""`run --dry-run`: everything is looked up and counted, nothing is evaluated or written."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text
from safetensors import safe_open

from vesalius.api import choose_tasks
from vesalius.catalog import ModelRequest, describe, parse_model, resolve_model
from vesalius.commands.prospects import Prospect, earlier_runs, prospect
from vesalius.commands.terminal import console, duration_text, progress_bars, size_text
from vesalius.data.manifest import Dataset
from vesalius.data.opening import load_dataset
from vesalius.engine.rehearsal import Candidate, PlannedCell, rehearse
from vesalius.errors import DataError, ModelError
from vesalius.records import SPLITS, ModelCard, RunSpec
from vesalius.spec_file import SpecFile

_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
_PROGRAM_BYTES = 700_000_000
"""Resident size of a worker with its libraries and one miniature, measured on the demo."""
_MOST_REASONS = 12


@dataclass(slots=True)
class _Found:
    """What was looked up."""

    models: list[Candidate] = field(default_factory=list)
    datasets: list[Dataset] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    n_bytes: dict[str, int] = field(default_factory=dict)


def dry_run(wanted: SpecFile, /) -> bool:
    """Print what the run would do; whether nothing that it needs is missing."""
    assert wanted.out is not None  # `wanted.settle` saw to it
    out, found = Path(wanted.out), _look_up(wanted)
    console.print("dry run: nothing is evaluated and nothing is written", highlight=False)
    for dataset in found.datasets:
        console.print(Text(_dataset_line(dataset)), soft_wrap=True)
    spec = RunSpec(
        tuple(wanted.model),
        tuple(d.card.name for d in found.datasets),
        seed=wanted.seed,
        limit=wanted.limit,
        controls=wanted.controls,
        out_of_domain=wanted.out_of_domain,
    )
    tasks = choose_tasks(wanted.task or "all", wanted.protocol)
    with progress_bars() as progress:
        cells = rehearse(found.models, found.datasets, tasks, spec=spec, out=out, progress=progress)
    console.print(_table(cells))
    for line in _reasons(cells):
        console.print(Text(line), soft_wrap=True)
    for line in _estimates(prospect(cells, earlier_runs(out)), found, wanted.workers):
        console.print(Text(line), soft_wrap=True)
    for line in found.missing:
        console.print(Text(f"missing: {line}", style="bold red"), soft_wrap=True)
    return not found.missing


def _look_up(wanted: SpecFile) -> _Found:
    found = _Found()
    for name in wanted.model:
        request = parse_model(name, allow_pickle_weights=wanted.allow_pickle_weights)
        entry = request.entry
        card = ModelCard(request.name, entry.adapter, domain=entry.domain)
        try:
            card = describe(request)
            found.n_bytes[card.name] = _weight_bytes(request, card)
        except ModelError as error:
            found.missing.append(f"{request.name}: {error}")
        is_here = request.kind != "endpoint"
        found.models.append(Candidate(card, entry.capabilities, has_weights=is_here))
    for text in wanted.data:
        try:
            found.datasets.append(load_dataset(text, allow_partial=wanted.allow_partial))
        except DataError as error:
            found.missing.append(str(error))
    return found


def _weight_bytes(request: ModelRequest, card: ModelCard) -> int:
    """Size of the weights once they are loaded; of pickles, whose content is not read, on disk."""
    if request.kind == "endpoint":
        return 0
    checkpoint, total = resolve_model(request), 0
    for name in checkpoint.files:
        path = checkpoint.folder / name
        if path.suffix == ".safetensors":
            total += _n_numbers(path) * _BYTES.get(card.dtype, 4)
        elif name in checkpoint.pickles:
            total += path.stat().st_size
    return total


def _n_numbers(path: Path) -> int:
    total = 0
    with safe_open(path, framework="np") as file:
        for key in file.keys():  # noqa: SIM118 - no mapping
            n = 1
            for extent in file.get_slice(key).get_shape():
                n *= extent
            total += n
    return total


def _dataset_line(dataset: Dataset) -> str:
    counts = Counter(sample.split for sample in dataset)
    splits = ", ".join(f"{counts[split]} {split}" for split in SPLITS if counts[split])
    refused = f"; {len(dataset.problems)} rows refused (`vesalius check` names each)"
    return (
        f"{dataset.card.name}: {len(dataset)} samples ({splits}), {len(dataset.questions)} "
        f"questions, {len(dataset.phrases)} phrases{refused if dataset.problems else ''}"
    )


def _table(cells: Sequence[PlannedCell]) -> Table:
    table = Table(
        title=Text("Cells", style="bold cyan"), title_justify="left", box=box.SIMPLE_HEAD,
        header_style="bold", pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for name in ("Dataset", "Task", "Protocol"):
        table.add_column(name, overflow="fold")
    for name in ("To do", "Done", "n/a", "Rows to do"):
        table.add_column(name, justify="right", no_wrap=True)
    places = dict.fromkeys((c.cell.dataset, c.cell.task, c.cell.protocol) for c in cells)
    for place in places:
        here = [c for c in cells if (c.cell.dataset, c.cell.task, c.cell.protocol) == place]
        states = Counter(c.state for c in here)
        n_rows = sum(c.n_rows for c in here if c.state == "to do")
        counts = (states["to do"], states["done already"], states["n/a"], n_rows)
        table.add_row(*(Text(word) for word in place), *(f"{n:,}" for n in counts))
    return table


def _reasons(cells: Sequence[PlannedCell]) -> list[str]:
    """Why cells are n/a, each reason once, the commonest first."""
    groups: dict[str, list[str]] = {}
    for one in cells:
        if one.state == "n/a":
            groups.setdefault(one.reason, []).append(f"{one.cell.task} {one.cell.protocol}")
    ranked = sorted(groups.items(), key=lambda item: -len(item[1]))
    lines = [
        f"n/a: {reason} ({len(places)} cells: {', '.join(sorted(set(places)))})"
        for reason, places in ranked[:_MOST_REASONS]
    ]
    return lines + [f"and {len(ranked) - _MOST_REASONS} more reasons"] * (
        len(ranked) > _MOST_REASONS
    )


def _estimates(seen: Prospect, found: _Found, workers: int) -> list[str]:
    largest = max(found.n_bytes.values(), default=0)
    memory = size_text(workers * (largest + _PROGRAM_BYTES))
    if not seen.n_to_do:
        return ["nothing is left to do; the run would only compute metrics anew where they changed"]
    lines = ["estimates, no promises:"]
    if seen.n_timed:
        lines.append(
            f"  time: about {duration_text(seen.duration_s / workers)} for {seen.n_timed} of "
            f"{seen.n_to_do} cells, from seconds a row of the same cells in {seen.source}; "
            "reading data before and the bootstrap after come on top"
        )
    if seen.n_timed < seen.n_to_do:
        lines.append(
            f"  time of {seen.n_to_do - seen.n_timed} cells: not known, no run beside --out has "
            "them; a run with --limit 20 into another folder there would tell"
        )
    lines.append(f"  disk: about {size_text(seen.n_bytes)} in --out, from {seen.bytes_source}")
    lines.append(
        f"  memory: {memory} and what a batch needs: {workers} process(es) with the largest "
        f"weights ({size_text(largest)}) and {size_text(_PROGRAM_BYTES)} of libraries each"
    )
    return lines
