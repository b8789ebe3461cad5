"""The command that analyses models: architecture, cost, embedding geometry."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vesalius.api import user_cache
from vesalius.commands.terminal import console, progress_bars, write_out
from vesalius.commands.wanted import expand_models
from vesalius.data.opening import load_dataset
from vesalius.engine.inspection import InspectionPlan, inspect_models
from vesalius.engine.progress import no_progress
from vesalius.errors import UsageError
from vesalius.report.architecture_console import cards_table
from vesalius.report.architecture_page import write_cards


@dataclass(frozen=True, slots=True)
class InspectOptions:
    """What the command line says beside the names of the models."""

    data: str | None = None
    limit: int = 512
    device: str = "auto"
    batch_sizes: str = "1,2,4,8"
    out: Path | None = None
    as_json: bool = False
    measure: bool = True
    allow_pickle_weights: bool = False


def inspect_command(models: Sequence[str], options: InspectOptions, /) -> None:
    """Print a card of every model, or JSON, and write the page where one is asked for."""
    plan = InspectionPlan(
        device=options.device,
        measure=options.measure,
        batch_sizes=_batch_sizes(options.batch_sizes),
        data=load_dataset(options.data) if options.data is not None else None,
        limit=options.limit,
        cache=user_cache(),
        allow_pickle_weights=options.allow_pickle_weights,
    )
    names = expand_models(models)
    if options.as_json:
        found = inspect_models(names, plan=plan, progress=no_progress)
        write_out(json.dumps(found.json(), indent=2, allow_nan=False) + "\n")
    else:
        with progress_bars() as progress:
            found = inspect_models(names, plan=plan, progress=progress)
        console.print(cards_table(found))
    if options.out is not None:
        write_cards(found, options.out)
        if not options.as_json:
            console.print(f"page: {options.out}", highlight=False, markup=False, soft_wrap=True)


def _batch_sizes(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"--batch-sizes: expected numbers such as 1,2,4,8, got {text!r}")
    return tuple(sorted({int(part) for part in parts}))
