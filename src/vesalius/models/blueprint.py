"""From an adapter's name to the function that reads an architecture from a configuration.

The functions import torch, so they are named here and imported when one is called.
"""

import importlib
from collections.abc import Callable, Mapping

from vesalius.errors import ModelError
from vesalius.models.architecture import Architecture
from vesalius.models.checkpoint import Checkpoint, read_config
from vesalius.models.genuine import GENUINE
from vesalius.records import Json

Config = Mapping[str, Json]

ARCHITECTURES: Mapping[str, str] = {
    "clip": "vesalius.models.blueprint_clip:architecture",
    "clipmd": "vesalius.models.blueprint_clip:architecture_with_windows",
}


def genuine_architecture(name: str, /, *, adapter: str) -> Architecture:
    """The published architecture of a catalog model, without any file.

    Raises:
        ModelError: if its dimensions are not known here.
    """
    if name not in GENUINE:
        raise ModelError(
            f"{name}: its weights are not on disk and its published dimensions are not built in; "
            f"they are for {', '.join(GENUINE)}"
        )
    return _builder(adapter)(GENUINE[name])


def architecture_of(checkpoint: Checkpoint, /, *, adapter: str) -> Architecture:
    """The architecture that the files of a checkpoint describe; weights are not read.

    Raises:
        ModelError: if the configuration is broken or describes no network of this adapter.
    """
    config = read_config(checkpoint)
    try:
        return _builder(adapter)(config)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, RuntimeError) as error:
        raise ModelError(
            f"{checkpoint.folder}: config.json does not describe a network of the adapter "
            f"{adapter!r}: {error}"
        ) from error


def _builder(adapter: str) -> Callable[[Config], Architecture]:
    if adapter not in ARCHITECTURES:
        raise ModelError(
            f"adapter {adapter!r}: its architecture cannot be drawn; known adapters: "
            f"{', '.join(ARCHITECTURES)}"
        )
    module, _, function = ARCHITECTURES[adapter].partition(":")
    build: Callable[[Config], Architecture] = getattr(importlib.import_module(module), function)
    return build
