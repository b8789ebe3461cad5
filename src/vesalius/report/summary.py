"""The plain-language summary of a report, and what is said of where the numbers come from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vesalius.records import Json
from vesalius.report.tables import Entry
from vesalius.store.runs import Run

MAX_PROBLEMS = 200


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over the cells of models; controls are counted apart."""

    n_models: int
    n_datasets: int
    n_tasks: int
    n_done: int
    n_not_applicable: int
    n_failed: int
    n_clear: int
    n_judged: int
    n_controls: int


def totals(made: Sequence[Entry], /) -> Totals:
    """Count the entries."""
    shown = [entry for entry in made if not entry.is_control]
    status = [entry.status for entry in shown]
    verdicts = [entry.clearance for entry in shown if entry.headline is not None]
    return Totals(
        n_models=len({entry.cell.model for entry in shown}),
        n_datasets=len({entry.cell.dataset for entry in shown}),
        n_tasks=len({entry.cell.task for entry in shown}),
        n_done=status.count("done"),
        n_not_applicable=status.count("n/a"),
        n_failed=status.count("failed"),
        n_clear=verdicts.count("clears"),
        n_judged=verdicts.count("clears") + verdicts.count("does not clear"),
        n_controls=len(made) - len(shown),
    )


@dataclass(frozen=True, slots=True)
class Provenance:
    """Identity of one run as rows of name and text; `identity` is the short form for the top."""

    name: str
    identity: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    circumstances: tuple[tuple[str, str], ...]
    ledger: tuple[Mapping[str, Json], ...]


def provenance(run: Run, /) -> Provenance:
    """What ``run.json`` says of a run; the folder is named without its path."""
    info = run.info
    name = run.path.resolve().name
    commit = info["git_commit"]
    circumstances = (
        ("git commit", commit or "not run from a checkout"),
        ("seed", str(info["seed"])),
        *((f"device.{key}", text) for key, text in setting_rows(info["device"])),
    )
    identity = [("Run", name), ("Seed", str(info["seed"]))]
    if info.get("created"):
        identity.append(("Made", str(info["created"])))
    identity.append(("Vesalius", info["versions"].get("vesalius", "–")))
    if commit:
        identity.append(("Commit", commit[:12]))
    versions = setting_rows(info["versions"])
    ledger = tuple(info.get("ledger", ()))
    settings = setting_rows(info["spec"])
    return Provenance(name, tuple(identity), settings, versions, circumstances, ledger)


def setting_rows(settings: Mapping[str, Json], /) -> tuple[tuple[str, str], ...]:
    """Nested settings as rows: dotted name, value as text; lists joined by semicolons."""
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            rows += [(f"{name}.{inner}", text) for inner, text in setting_rows(value)]
        else:
            rows.append((name, _text(value)))
    return tuple(rows)


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value or "–"
    if value is None or value in ([], {}):
        return "–"
    if isinstance(value, list):
        return "; ".join(_text(item) for item in value)
    return json.dumps(value, ensure_ascii=False)
