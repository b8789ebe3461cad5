"""Cells on Ray: actors work as local processes do, and the journals alone are the record.

The driver only says which cell is next. Nothing passes through Ray but the plan, with paths and
the rows of tables, and the numbers of cells: pixels, features and answers do not. An actor that
dies is started again; its cell goes on from what it had journaled.
"""

import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from vesalius.engine.handing_out import MOST_LOSSES, HandingOut, Key
from vesalius.engine.judges import Judges
from vesalius.engine.processes import share_processors
from vesalius.engine.progress import Progress
from vesalius.engine.working import Desk, Place, Share
from vesalius.errors import RunError, UsageError, VesaliusError
from vesalius.records import Failed, Json
from vesalius.store.runs import RunFolder

# Ray reads both when it is imported. It would talk to anybody, and about how it is used.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
from ray.exceptions import ActorDiedError, RayActorError, RayError, RayTaskError

OBJECT_STORE_BYTES = 128 * 2**20  # the plan and nothing else lies in it
MOST_RESTARTS = 100  # of one actor
KNOCK_S = 10.0  # for a cluster to answer
LONGEST_TEMP = 20  # Ray puts sockets there, whose paths may have 107 characters


@dataclass(frozen=True, slots=True)
class RayPlan:
    """How many actors, and where.

    Attributes:
        address: of a cluster that runs already and sees the same files; empty for one that is
            started here and ends with the work.
        may_use_gpu: give each actor one of the GPUs, where Ray has any.
    """

    n_workers: int = 1
    address: str = ""
    may_use_gpu: bool = True


class Worker:
    """What an actor does: one cell at a time, its model kept until another one is asked for."""

    _has_begun = False

    def begin(self, given: Sequence[Any], home: str, n_workers: int) -> bool:
        """Take the plan; this is called again for an actor that was started again."""
        os.chdir(home)  # paths may be relative to the folder of the driver
        if n_workers:
            share_processors(n_workers)
        self._shares: Sequence[Share] = ray.get(given[0])
        self._place: Place = ray.get(given[1])
        self._folder = RunFolder(self._place.out, shared=True)
        self._judges = Judges()
        self._at: int | None = None
        self._desk: Desk | None = None
        self._told: Json = None
        self._has_begun = True
        return True

    def work(self, share: int, job: int, was_lost: bool) -> bool:
        """Work on a cell, and have its predictions and outcome on disk when this returns.

        False, with nothing done, if this actor was started again since it was told to begin.
        """
        if not self._has_begun:
            return False
        if self._desk is None or share != self._at:
            self._desk = None  # let go of the last model before the next one is loaded
            self._desk = Desk(self._shares[share].model, self._place, judges=self._judges)
            self._at = share
        if was_lost:
            self._folder.forget_batches()
        self._desk.work(self._shares[share].jobs[job], self._folder)
        info = self._desk.info
        if info != self._told:
            self._told = info
            self._folder.send_note({"model": info["name"], "info": info})
        return True


def work_on_ray(
    shares: Sequence[Share],
    place: Place,
    folder: RunFolder,
    /,
    *,
    plan: RayPlan,
    progress: Progress,
) -> None:
    """Work on every cell of the shares; outcomes are sent, see `store.dispatches`.

    A cell at which actors died again and again is failed, and the others go on.

    Raises:
        RunError: if no actor is left, or one could not write.
        UsageError: if this process uses Ray already, or the cluster cannot be reached.
    """
    handing_out = HandingOut([len(share.jobs) for share in shares])
    if not handing_out.n_left:
        return
    with _cluster(plan):
        n_actors = min(plan.n_workers, handing_out.n_left)
        begin = (
            [ray.put(tuple(shares)), ray.put(place)],
            str(Path.cwd()),
            0 if plan.address else n_actors,
        )
        team = _Team(_actors(n_actors, plan), handing_out, begin)
        advance = progress(f"cells of {len(shares)} models", handing_out.n_left)
        for key, is_done in team.work():
            if not is_done:
                job = shares[key.share].jobs[key.job]
                why = f"the worker died at this cell, {MOST_LOSSES} times; was there memory enough?"
                folder.write_outcome(Failed(job.cell, job.fingerprint, why))
            advance(1)


def _actors(n: int, plan: RayPlan) -> list[Any]:
    n_gpus = ray.cluster_resources().get("GPU", 0) if plan.may_use_gpu else 0
    kind = ray.remote(
        max_restarts=MOST_RESTARTS, max_task_retries=0, num_cpus=1, num_gpus=min(1, int(n_gpus))
    )(Worker)
    return [kind.remote() for _ in range(n)]


@dataclass(slots=True)
class _Team:
    """The actors, each with at most one cell at a time."""

    actors: Sequence[Any]
    handing_out: HandingOut
    begin: tuple[Any, ...]
    _at: dict[int, int] = field(default_factory=dict)
    _busy: dict[Any, tuple[int, Key | None]] = field(default_factory=dict)
    _free: set[int] = field(default_factory=set)

    def work(self) -> Iterator[tuple[Key, bool]]:
        """Every cell when it has ended: whether it was done, or cost too many actors."""
        for number in range(len(self.actors)):
            self._call(number)
        while self._is_waited_for():
            (answer,), _ = ray.wait(list(self._busy), num_returns=1)
            number, key = self._busy.pop(answer)
            is_done = self._look(number, answer)
            if key is not None and (is_done or not self.handing_out.lose(key)):
                yield key, is_done
            for free in sorted(self._free):
                self._give(free)
        if self.handing_out.n_left:
            raise RunError(
                f"every worker of Ray is lost, {self.handing_out.n_left} cells are left"
                "; what was acknowledged is kept: run the same command again"
            )

    def _is_waited_for(self) -> bool:
        """Whether a cell is in hand, or one is left and an actor on its way.

        An actor for which there is no place, as with more actors than GPUs, may never come.
        """
        in_hand = any(key is not None for _, key in self._busy.values())
        return in_hand or (self.handing_out.n_left > 0 and bool(self._busy))

    def _look(self, number: int, answer: Any) -> bool:
        """Whether the actor did what it was asked for; one that died is called again."""
        try:
            is_done = bool(ray.get(answer))
        except ActorDiedError:  # for good
            self._at.pop(number, None)
            return False
        except RayActorError:  # it is being started again
            is_done = False
        except RayTaskError as error:
            if isinstance(error.cause, VesaliusError):
                raise error.cause from None
            raise RunError(f"a worker of Ray could not begin: {error.cause!r}") from error
        if is_done:
            self._free.add(number)
        else:
            self._at.pop(number, None)
            self._call(number)
        return is_done

    def _call(self, number: int) -> None:
        begin = self.actors[number].begin.options(max_task_retries=-1)  # waits for the start
        self._busy[begin.remote(*self.begin)] = (number, None)

    def _give(self, number: int) -> None:
        others = [share for other, share in self._at.items() if other != number]
        key = self.handing_out.next_for(self._at.get(number), others)
        if key is None:
            self._at.pop(number, None)
            return
        self._free.remove(number)
        self._at[number] = key.share
        was_lost = self.handing_out.was_lost(key)
        answer = self.actors[number].work.remote(key.share, key.job, was_lost)
        self._busy[answer] = (number, key)


@contextmanager
def _cluster(plan: RayPlan) -> Iterator[None]:
    """Ray, connected; ended afterwards, with every file that it made."""
    if ray.is_initialized():
        raise UsageError("this process is connected to Ray already; call ray.shutdown() before")
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if plan.address:
        try:
            _connect(plan.address, quiet)
            yield
        finally:
            ray.shutdown()
        return
    with _private_folder() as home, _token_in(home):
        try:
            _start(home, plan.n_workers, quiet)
            yield
        finally:
            ray.shutdown()


def _connect(address: str, quiet: Mapping[str, Any]) -> None:
    try:
        _knock(address)
        ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise UsageError(
            f"--ray-address {address}: no cluster could be joined there: {error}"
        ) from error


def _knock(address: str) -> None:
    """Ray itself may try for many minutes to reach a host and port where nobody answers."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()


def _start(home: Path, n_workers: int, quiet: Mapping[str, Any]) -> None:
    """A cluster of this machine that ends with this process."""
    ray.init(
        address="local",
        num_cpus=n_workers,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        _temp_dir=str(home / "r"),
        **quiet,
    )


@contextmanager
def _token_in(home: Path) -> Iterator[None]:
    """Ray's ports are open to other machines, so it asks everyone for a token that lies here."""
    token = home / "token"
    descriptor = os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(_token())
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    try:
        yield
    finally:
        del os.environ["RAY_AUTH_TOKEN_PATH"]
        os.environ |= before


@cache
def _token() -> str:
    """One for this process, since Ray reads it once."""
    return secrets.token_hex(32)


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder for Ray's files, which Ray itself opens to everybody; its parent is ours alone."""
    usual = tempfile.gettempdir()
    folder = tempfile.mkdtemp(
        prefix="vesalius-",
        dir=usual if len(usual) <= LONGEST_TEMP else "/tmp",  # noqa: S108 - mkdtemp makes it private
    )
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
