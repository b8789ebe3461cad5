"""``run.json``: written when it would change, and never over cells of other circumstances."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple

from vesalius.engine.cells import Job
from vesalius.engine.info import dataset_info, model_info, run_info
from vesalius.engine.session import Session
from vesalius.errors import UsageError
from vesalius.records import Done, Json
from vesalius.store.dispatches import read_notes
from vesalius.store.runs import RunFolder


def refuse_mixture(session: Session, jobs: Sequence[Job], /) -> None:
    """A folder never holds cells of one dataset that were made under different conditions.

    Shards must all be asked for the same, since nobody looks at all of their cells together.

    Raises:
        UsageError: if cells outside this grid, or for a shard any cells, were made from other
            data, seed or limit.
    """
    before = session.folder.info()
    if before is None:
        return
    cells = {job.cell for job in jobs}
    others = {c.dataset for c in session.folder.outcomes() if c not in cells}
    if session.circumstances.shard is not None:
        others = set(before["datasets"])
    then = before["spec"]
    for name in sorted(others & set(before["datasets"])):
        reasons = [key for key in ("seed", "limit") if then[key] != getattr(session.spec, key)]
        known = session.sources.get(name)
        if known and before["datasets"][name]["fingerprint"] != known.fingerprint:
            reasons.append("dataset")
        if reasons:
            raise UsageError(
                f"{session.folder.path} holds cells of {name} made with another "
                f"{' and '.join(reasons)}; name a new --out, or run all of its models and tasks"
            )


def write_info(session: Session, /) -> None:
    """Write ``run.json`` if it would change; a repeated run leaves the file untouched.

    A shard leaves it alone unless something is asked for that it does not name yet: what only the
    finished work can tell comes in when the shards are merged.
    """
    before = session.folder.info() or {}
    known: dict[str, Json] = before.get("datasets", {})
    datasets = {
        name: dataset_info(source, session.data[name].samples, known.get(name))
        for name, source in session.sources.items()
    }
    info = run_info(
        session.spec,
        models=before.get("models", {}) | _models(session, before),
        datasets=known | datasets,
        task_cards=before.get("task_cards", {})
        | {task.card.digest: asdict(task.card) for task in session.grid.tasks},
        timings=before.get("timings", {}),
    )
    info |= {"shards": before.get("shards", []), "fetched": before.get("fetched", [])}
    info = _add(info, "fetched", session.circumstances.fetched)
    if session.circumstances.shard is None:
        info = _told(info, session.folder) | {"timings": _timings(session.folder)}
    if info != before:
        session.folder.write_info(info)


def refresh_info(folder: RunFolder, /) -> None:
    """Bring into ``run.json`` what shards have told since it was written."""
    before = folder.info() or {}
    info = _told(before, folder) | {"timings": _timings(folder)}
    if info != before:
        folder.write_info(info)


def _models(session: Session, before: Mapping[str, Json]) -> dict[str, Json]:
    """Of every model what is known: from this call, from an earlier one, or its card alone."""
    kept: dict[str, Json] = before.get("models", {})
    infos = {}
    for source in session.grid.models:
        name = source.card.name
        fresh = model_info(source.card, None)
        same = kept.get(name, {}).get("fingerprint") == fresh["fingerprint"]
        infos[name] = session.model_infos.get(name) or (kept[name] if same else fresh)
    return infos


def _told(info: Mapping[str, Json], folder: RunFolder) -> dict[str, Json]:
    """With the notes of shards and actors."""
    info = dict(info)
    for note in read_notes(folder.path):
        if "shard" in note:
            info = _add(info, "shards", [note["shard"]])
            info = _add(info, "fetched", note["fetched"])
        else:
            name, told = note["model"], note["info"]
            known = info["models"].get(name, {})
            if "capabilities" in told and known.get("fingerprint") == told["fingerprint"]:
                info["models"] = info["models"] | {name: told}
    return info


def _add(info: Mapping[str, Json], key: str, names: Sequence[str]) -> dict[str, Json]:
    return {**info, key: sorted({*info.get(key, []), *names})}


def _timings(folder: RunFolder) -> dict[str, float]:
    done = [o for o in folder.outcomes().values() if isinstance(o, Done)]
    return {"/".join(astuple(o.cell)): o.duration_s for o in done}
