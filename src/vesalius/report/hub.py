"""Results as evaluation entries of the Hugging Face hub: one YAML file for each model.

A hub entry is a data set, a task and a value; everything else a reader needs is put into its
notes. Miniatures are left out: an entry stands on the page of a published model, where a number of
a miniature would be read as the number of that model.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from vesalius.records import Json
from vesalius.report.sources import Results
from vesalius.report.tables import Entry, entries, interval_text
from vesalius.store.files import safe_name

_HEAD = """\
# For `.eval_results/` in the repository of the model that these numbers belong to.
# The format has no place for intervals, numbers of patients, seeds and protocols: they stand in
# the notes. It cannot hold undefined values, classes, subgroups and controls: see metrics.csv of
# the run. `id` is the name of the data set in Vesalius: replace it by that of the benchmark on the
# hub, if there is one.
"""


@dataclass(frozen=True, slots=True)
class HubFiles:
    """Files by name, and in words what is not in them."""

    files: Mapping[str, str]
    left_out: tuple[str, ...]


def to_hub(results: Results, /) -> HubFiles:
    """The headline of every finished cell of every genuine model, controls left out.

    Format: ``.eval_results/*.yaml`` as `huggingface_hub.parse_eval_result_entries` reads it.
    """
    made: dict[str, list[dict[str, Json]]] = {}
    left_out = []
    miniatures: dict[str, None] = {}
    for entry in entries(results.outcomes, results.metrics):
        model = entry.cell.model
        if entry.is_control or entry.headline is None:
            continue
        if results.models[model]["miniature"]:
            miniatures[model] = None
        elif math.isnan(entry.headline.estimate.value):
            left_out.append(f"{' · '.join(_place(entry))} is undefined for {model}")
        else:
            made.setdefault(model, []).append(_entry(entry, results))
    if miniatures:
        left_out.insert(0, f"{', '.join(miniatures)}: miniatures are no models of the hub")
    files = {
        f"{safe_name(model)}.yaml": _HEAD
        + yaml.safe_dump(some, sort_keys=False, allow_unicode=True, width=100)
        for model, some in made.items()
    }
    return HubFiles(files, tuple(left_out))


def _place(entry: Entry) -> tuple[str, str, str]:
    return (entry.cell.dataset, entry.cell.task, entry.cell.protocol)


def _entry(entry: Entry, results: Results) -> dict[str, Json]:
    assert entry.headline is not None
    cell, estimate = entry.cell, entry.headline.estimate
    name = "/".join((cell.task, cell.protocol, estimate.metric))
    return {
        "dataset": {"id": cell.dataset, "task_id": name},
        "value": estimate.value,
        "notes": "; ".join(_notes(entry, results)),
    }


def _notes(entry: Entry, results: Results) -> list[str]:
    assert entry.headline is not None
    row, run = entry.headline, results.origins[entry.cell].run
    estimate, model = row.estimate, results.models[entry.cell.model]
    level = f"{100 * estimate.level:g}%"
    interval = interval_text(estimate)
    direction = "higher" if estimate.higher_is_better else "lower"
    return [
        f"{level} interval {interval}" if interval else f"no interval: {estimate.reason}",
        f"{estimate.n} rows of {estimate.n_patients} patients, split {row.split}",
        f"{estimate.n_resamples} resamples of patients, seed {estimate.seed}",
        f"{direction} is better",
        f"protocol {entry.cell.protocol}, task card {row.task_card}",
        f"controls: {entry.clearance}",
        f"data SHA-256 {results.datasets[entry.cell.dataset]['digest']}",
        f"model {model['source']} {model['revision']}".rstrip()
        + f", fingerprint {model['fingerprint']}",
        f"vesalius {run.info['versions']['vesalius']}",
    ]
