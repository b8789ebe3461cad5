"""Files of a repository from the hub: listed, downloaded, verified.

Models go into the hub's cache, data sets into a folder of their own.

Importing this module imports the hub's client, which reads ``HF_HUB_OFFLINE`` at that moment.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import cast

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoSibling

from vesalius.errors import ModelError
from vesalius.models.checkpoint import choose_files, sha256
from vesalius.models.locate import hub_cache

# The client raises its HTTP library's own error when there is no connection; which library that
# is has changed before, so it is taken from the client. The other base is OSError.
_FAILURES = cast("tuple[type[Exception], ...]", HfHubHTTPError.__bases__)
_SPARE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository as the hub describes it.

    Attributes:
        size: in bytes.
        digest: SHA-256 of a large file, or Git's SHA-1 of a small one; empty if the hub is silent.
    """

    name: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be downloaded.

    Attributes:
        revision: what was asked for: a commit, or ``main``.
        commit: 40-hex commit that it is now.
        files: those that loading will read.
        missing: those of them that are not there yet.
        into: folder of a data set; None for a model, which goes into the hub's cache.
    """

    repo: str
    revision: str
    commit: str
    files: tuple[RemoteFile, ...]
    missing: tuple[RemoteFile, ...]
    into: Path | None = None

    @property
    def missing_bytes(self) -> int:
        """How much is to be downloaded; an interrupted file counts in full."""
        return sum(file.size for file in self.missing)


def plan_download(
    repo: str, *, revision: str | None, patterns: tuple[str, ...], into: Path | None = None
) -> Plan:
    """Ask the hub which files are wanted; nothing is downloaded.

    Args:
        repo: ``organisation/name``.
        revision: commit, tag or branch; None for ``main``.
        patterns: of a model, at its top level, where safetensors are preferred; of a data set,
            anywhere.
        into: folder of a data set; None for a model.

    Raises:
        ModelError: if the repository cannot be read, or has no file that is wanted.
    """
    try:
        ask = HfApi().model_info if into is None else HfApi().dataset_info
        info = ask(repo, revision=revision, files_metadata=True)
    except _FAILURES as error:
        raise explained(error, repo=repo, revision=revision) from error
    known = {sibling.rfilename: _remote_file(sibling) for sibling in info.siblings or []}
    chosen = choose_files(known, patterns) if into is None else _matching(known, patterns)
    files = tuple(known[name] for name in chosen)
    if not files or info.sha is None:
        kind = "model" if into is None else "data set"
        raise ModelError(f"{repo}: the hub lists none of {', '.join(patterns)}; is it a {kind}?")
    folder = into or _root(repo) / "snapshots" / info.sha
    missing = tuple(file for file in files if not (folder / file.name).is_file())
    return Plan(repo, revision or "main", info.sha, files, missing, into)


def _matching(names: Iterable[str], patterns: tuple[str, ...]) -> list[str]:
    return sorted(name for name in names if any(fnmatchcase(name, one) for one in patterns))


def _remote_file(sibling: RepoSibling) -> RemoteFile:
    """One entry of the hub's list."""
    digest = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
    return RemoteFile(sibling.rfilename, sibling.size or 0, digest or "")


def check_space(plan: Plan, /) -> None:
    """Refuse a download that the disk cannot hold.

    Raises:
        ModelError: with the free space and what is needed.
    """
    cache = plan.into or hub_cache()
    place = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if free < plan.missing_bytes + _SPARE_BYTES:
        raise ModelError(
            f"{plan.repo}: needs {plan.missing_bytes / 1e9:.2f} GB in {cache}, where "
            f"{free / 1e9:.2f} GB are free; make room, or name another place in "
            f"{'HF_HOME' if plan.into is None else 'VESALIUS_DATA'}"
        )


def download(plan: Plan, /, *, started: Callable[[RemoteFile], None]) -> Path:
    """Download what is missing into the hub's cache; continues an interrupted download.

    Args:
        plan: from `plan_download`.
        started: told of each file before its first byte.

    Returns:
        The folder with the files.

    Raises:
        ModelError: if a file cannot be downloaded.
    """
    for file in plan.missing:
        started(file)
        try:
            _download(plan, file)
        except _FAILURES as error:
            raise explained(error, repo=plan.repo, revision=plan.revision) from error
    if plan.into is not None:
        return plan.into
    if plan.revision != plan.commit:  # so that the commit is found by the name it was asked by
        reference = _root(plan.repo) / "refs" / plan.revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(plan.commit, encoding="ascii")
    return _root(plan.repo) / "snapshots" / plan.commit


def _download(plan: Plan, file: RemoteFile) -> None:
    if plan.into is None:
        hf_hub_download(plan.repo, file.name, revision=plan.commit, cache_dir=hub_cache())
    else:
        hf_hub_download(
            plan.repo, file.name, revision=plan.commit, repo_type="dataset", local_dir=plan.into
        )


def _root(repo: str) -> Path:
    return hub_cache() / f"models--{repo.replace('/', '--')}"


def check_files(folder: Path, plan: Plan, /, *, pins: Mapping[str, frozenset[str]]) -> None:
    """Compare every file with what the hub says of it, and weights with the catalog's pins.

    A file that is not what the hub has is deleted, so that the next download brings it anew.

    Args:
        folder: from `download`.
        plan: the hub's description.
        pins: file name → SHA-256 of the published files.

    Raises:
        ModelError: naming every file that differs.
    """
    damaged = [file.name for file in plan.files if not _is_as_described(folder / file.name, file)]
    for name in damaged:
        (folder / name).resolve().unlink(missing_ok=True)
        (folder / name).unlink(missing_ok=True)
    if damaged:
        raise ModelError(
            f"{plan.repo}: {', '.join(damaged)} came damaged and was deleted; "
            "run the command again to download it anew"
        )
    other = [name for name, known in pins.items() if sha256(folder / name) not in known]
    if other:
        raise ModelError(
            f"{plan.repo}: {', '.join(other)} is as the hub has it, but its SHA-256 is not the one "
            "in the catalog; the repository was changed, or the catalog's pin is wrong. Do not "
            "compare results made with it to others"
        )


def _is_as_described(path: Path, file: RemoteFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    if len(file.digest) == 64:
        return sha256(path) == file.digest
    return not file.digest or _git_sha1(path) == file.digest


def _git_sha1(path: Path) -> str:
    """Git's name of a small file; an identity check, not a safeguard."""
    content = path.read_bytes()
    header = f"blob {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def explained(error: BaseException, /, *, repo: str, revision: str | None) -> ModelError:
    """The hub's refusal in words that say what to do."""
    if isinstance(error, GatedRepoError):
        remedy = (
            f"it is gated: accept its conditions at https://huggingface.co/{repo} and log in with "
            "`hf auth login`"
        )
    elif isinstance(error, RevisionNotFoundError):
        remedy = f"it has no revision {revision}; the catalog's pin is wrong or was withdrawn"
    elif isinstance(error, RepositoryNotFoundError):
        remedy = "there is no such repository, or it is private: log in with `hf auth login`"
    elif isinstance(error, HfHubHTTPError):
        remedy = f"the hub answered {error.response.status_code}; try again later"
    else:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        remedy = (
            f"no connection ({first}); run the command again on a connected machine, it goes on "
            "where it stopped"
        )
    return ModelError(f"{repo}: {remedy}")
