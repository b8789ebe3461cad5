"""Vesalius: what vision–language models can do on medical images, measured honestly.

Public names are resolved on first use, so that importing the package stays light.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vesalius import metrics as metrics
    from vesalius import notebook as notebook
    from vesalius.api import Result as Result
    from vesalius.api import evaluate as evaluate
    from vesalius.catalog import load_model as load_model
    from vesalius.data.opening import load_dataset as load_dataset
    from vesalius.data.phantom import write_phantom as write_phantom
    from vesalius.data.readers import read_image as read_image
    from vesalius.engine.image_folders import compare_folders as compare_folders
    from vesalius.engine.inspection import inspect_model as inspect_model
    from vesalius.fusion.study import fusion_study as fusion_study
    from vesalius.models.conformance import check_adapter as check_adapter
    from vesalius.stats import bootstrap as bootstrap
    from vesalius.stats import holm as holm
    from vesalius.stats import paired_difference as paired_difference
    from vesalius.studies import fusion_cohort as fusion_cohort
    from vesalius.studies import fusion_report as fusion_report

__version__ = "0.1.0"

_PUBLIC = {
    "Result": "vesalius.api",
    "bootstrap": "vesalius.stats",
    "check_adapter": "vesalius.models.conformance",
    "compare_folders": "vesalius.engine.image_folders",
    "evaluate": "vesalius.api",
    "fusion_cohort": "vesalius.studies",
    "fusion_report": "vesalius.studies",
    "fusion_study": "vesalius.fusion.study",
    "holm": "vesalius.stats",
    "inspect_model": "vesalius.engine.inspection",
    "load_dataset": "vesalius.data.opening",
    "load_model": "vesalius.catalog",
    "metrics": "",
    "notebook": "",
    "paired_difference": "vesalius.stats",
    "read_image": "vesalius.data.readers",
    "write_phantom": "vesalius.data.phantom",
}
__all__ = sorted(_PUBLIC)  # noqa: PLE0605 - a list of literals, kept in one place


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'vesalius' has no attribute {name!r}")
    if not _PUBLIC[name]:
        return importlib.import_module(f"vesalius.{name}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
