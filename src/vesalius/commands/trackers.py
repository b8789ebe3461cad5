"""Experiment trackers behind one small boundary; their packages are extras, imported when used.

Nothing leaves this computer unless `online` is given: MLflow writes to its local store, Weights &
Biases into its offline folder, and the telemetry of both is off.
"""

import importlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from vesalius.errors import UsageError
from vesalius.records import Json

_NO_TELEMETRY = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "WANDB_ERROR_REPORTING": "false",
}


@runtime_checkable
class Tracker(Protocol):
    """One entry of a tracker."""

    def params(self, values: Mapping[str, str], /) -> None:
        """What the numbers are of."""
        ...

    def metrics(self, values: Mapping[str, float], /) -> None:
        """The numbers."""
        ...

    def artifact(self, path: Path, /) -> None:
        """A file beside them."""
        ...


@dataclass(frozen=True, slots=True)
class Project:
    """Where entries go.

    Attributes:
        name: MLflow's experiment, or the project of Weights & Biases.
        online: whether a server may be spoken to.
    """

    name: str = "vesalius"
    online: bool = False


Opener = Callable[[str, Project], AbstractContextManager[Tracker]]


class _MlflowEntry:
    """An active run of MLflow."""

    def __init__(self, mlflow: ModuleType) -> None:
        self._mlflow = mlflow

    def params(self, values: Mapping[str, str], /) -> None:
        """Parameters of the run."""
        self._mlflow.log_params(dict(values))

    def metrics(self, values: Mapping[str, float], /) -> None:
        """Metrics, under names that MLflow allows."""
        self._mlflow.log_metrics(allowed_names(values))

    def artifact(self, path: Path, /) -> None:
        """A copy of the file."""
        self._mlflow.log_artifact(str(path))


@contextmanager
def open_mlflow(name: str, project: Project, /) -> Iterator[Tracker]:
    """A new MLflow run called `name`, where ``MLFLOW_TRACKING_URI`` says or else here.

    Raises:
        UsageError: if MLflow is not installed, or its server is not on this computer and may
            not be spoken to.
    """
    mlflow = _package("mlflow")
    uri = mlflow.get_tracking_uri()
    if not project.online and not is_local(uri):
        raise UsageError(
            f"MLflow's tracking URI is {uri}, which is not on this computer; give --online to "
            "send the numbers there, or unset MLFLOW_TRACKING_URI"
        )
    try:
        mlflow.set_experiment(project.name)
        run = mlflow.start_run(run_name=name)
    except mlflow.MlflowException as error:
        raise UsageError(f"MLflow does not take the run: {error}") from error
    with run:
        yield _MlflowEntry(mlflow)


def is_local(uri: str, /) -> bool:
    """Whether a tracking URI is a folder or a file of this computer.

    >>> is_local("file:///tmp/mlruns"), is_local("http://127.0.0.1:5000"), is_local("mlruns")
    (True, False, True)
    """
    parts = urlsplit(uri)
    return parts.scheme in ("", "file", "sqlite") and parts.netloc in ("", "localhost")


def allowed_names(values: Mapping[str, float], /) -> dict[str, float]:
    """The same numbers, other characters than MLflow's as underscores; names stay different.

    >>> allowed_names({"recall@5": 1.0, "recall 5": 2.0, "recall[5": 3.0})
    {'recall_5': 1.0, 'recall 5': 2.0, 'recall_5_': 3.0}
    """
    found: dict[str, float] = {}
    for name, value in values.items():
        allowed = re.sub(r"[^\w.\-/ :]", "_", name, flags=re.ASCII)
        while allowed in found:
            allowed += "_"
        found[allowed] = value
    return found


class _WandbEntry:
    """An active run of Weights & Biases."""

    def __init__(self, wandb: ModuleType, run: Json) -> None:
        self._wandb, self._run = wandb, run

    def params(self, values: Mapping[str, str], /) -> None:
        """Configuration of the run."""
        self._run.config.update(dict(values))

    def metrics(self, values: Mapping[str, float], /) -> None:
        """Summary of the run: there are no steps."""
        self._run.summary.update(dict(values))

    def artifact(self, path: Path, /) -> None:
        """A copy of the file."""
        made = self._wandb.Artifact("report", type="report")
        made.add_file(str(path))
        self._run.log_artifact(made)


@contextmanager
def open_wandb(name: str, project: Project, /) -> Iterator[Tracker]:
    """A new run called `name`, below ``./wandb`` unless online; no code, hardware or git state.

    Raises:
        UsageError: if wandb is not installed, or does not take the run.
    """
    wandb = _package("wandb")
    settings = wandb.Settings(
        console="off", silent=True, disable_git=True, disable_code=True,
        x_disable_stats=True, x_disable_machine_info=True, x_disable_meta=True,
    )  # fmt: skip
    mode = "online" if project.online else "offline"
    try:
        run = wandb.init(project=project.name, name=name, mode=mode, settings=settings)
    except wandb.Error as error:
        raise UsageError(f"Weights & Biases does not take the run: {error}") from error
    try:
        yield _WandbEntry(wandb, run)
    finally:
        run.finish()


TRACKERS: Mapping[str, Opener] = {"mlflow": open_mlflow, "wandb": open_wandb}


def _package(name: str) -> ModuleType:
    """The package, with its telemetry off.

    Raises:
        UsageError: if it is not installed.
    """
    os.environ |= _NO_TELEMETRY  # read once, when the package is imported
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise UsageError(
            f"{name} is not installed; get it with: pip install 'vesalius[{name}]'"
        ) from error
