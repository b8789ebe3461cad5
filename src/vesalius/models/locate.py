"""Where checkpoints lie on this machine: the hub client's cache and the package itself.

Only folders are looked at; the network is never opened and no model library is imported.
"""

import os
import re
from importlib.resources import files
from pathlib import Path

from vesalius.errors import WeightsMissingError
from vesalius.models.checkpoint import CONFIGS

_COMMIT = re.compile(r"[0-9a-f]{40}")


def hub_cache() -> Path:
    """The folder in which the hub's client keeps repositories, by its own environment variables."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if value := os.environ.get(variable):
            return Path(value).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(cache).expanduser() / "huggingface" / "hub"


def torch_checkpoints() -> Path:
    """The folder in which PyTorch keeps single files of weights that packages download."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", f"{cache}/torch")
    return Path(home).expanduser() / "hub" / "checkpoints"


def find_snapshot(repo: str, *, revision: str = "", remedy: str) -> tuple[Path, str]:
    """Folder and 40-hex commit of a repository in the hub cache; never opens the network.

    Without `revision` it is the commit of ``main``, or the only one that is there. A tag or branch
    is looked up in the cache's own references.

    Args:
        repo: ``organisation/name``.
        revision: commit, tag or branch.
        remedy: what the user can do if it is missing, for the message.

    Raises:
        WeightsMissingError: if the cache has no such repository or revision.
    """
    root = hub_cache() / ("models--" + repo.replace("/", "--"))
    present = _folders(root / "snapshots")
    if not present:
        raise WeightsMissingError(f"{repo}: not found in the cache {hub_cache()}; {remedy}")
    commit = _commit(root, revision, present)
    if commit not in present:
        raise WeightsMissingError(
            f"{repo}: revision {revision or 'main'} is not in the cache {hub_cache()}, which has "
            f"{', '.join(present)}; name one of these as the revision, or {remedy}"
        )
    return root / "snapshots" / commit, commit


def _folders(root: Path) -> list[str]:
    return sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []


def _commit(root: Path, revision: str, present: list[str]) -> str:
    if _COMMIT.fullmatch(revision):
        return revision
    reference = root / "refs" / (revision or "main")
    if reference.is_relative_to(root / "refs") and reference.is_file():
        return reference.read_text(encoding="ascii").strip()
    # A download by commit leaves no reference; a single snapshot is then unambiguous.
    return present[0] if not revision and len(present) == 1 else ""


def embedded_names() -> tuple[str, ...]:
    """Names of the miniature checkpoints that are shipped inside the package."""
    root = _embedded()
    return tuple(
        name for name in _folders(root) if any((root / name / file).is_file() for file in CONFIGS)
    )


def _embedded() -> Path:
    return Path(str(files("vesalius"))) / "minis"


def embedded_folder(name: str) -> Path:
    """Folder of the miniature checkpoint `name` that is shipped inside the package.

    Raises:
        WeightsMissingError: if there is none of that name.
    """
    if name not in embedded_names():
        there = ", ".join(embedded_names())
        raise WeightsMissingError(
            f"mini:{name}: no miniature checkpoint of that name in the package "
            f"(there: {there or 'none'}); `make minis` trains them"
        )
    return _embedded() / name
