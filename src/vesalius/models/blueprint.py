"""From an adapter's name to the function that reads an architecture from a configuration.

The functions import torch, so they are named here and imported when one is called.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from huggingface_hub.errors import StrictDataclassError

from vesalius.errors import ModelError
from vesalius.models.architecture import Architecture
from vesalius.models.checkpoint import Checkpoint, read_config
from vesalius.models.genuine import GENUINE
from vesalius.records import Json

Config = Mapping[str, Json]

# What transformers and torch raise when numbers of a configuration do not fit together.
_BROKEN = (
    KeyError,
    TypeError,
    ValueError,
    ZeroDivisionError,
    RuntimeError,
    StrictDataclassError,
)

ARCHITECTURES: Mapping[str, str] = {
    "clip": "vesalius.models.blueprint_clip:architecture",
    "clipmd": "vesalius.models.blueprint_clip:architecture_with_windows",
    "biomedclip": "vesalius.models.blueprint_biomedclip:architecture",
    "biovil-t": "vesalius.models.blueprint_biovilt:architecture",
    "blip2": "vesalius.models.blueprint_blip2:architecture",
    "git": "vesalius.models.blueprint_git:architecture",
    "smolvlm": "vesalius.models.blueprint_smolvlm:architecture",
}
# Adapters whose configuration has another name, or does not say everything.
READERS: Mapping[str, str] = {
    "biomedclip": "vesalius.models.biomedclip_input:read_settings",
    "biovil-t": "vesalius.models.blueprint_biovilt:read",
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
    build = _builder(adapter)
    read = _named(READERS[adapter]) if adapter in READERS else read_config
    config = read(checkpoint)
    try:
        return build(config)
    except _BROKEN as error:
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
    build: Callable[[Config], Architecture] = _named(ARCHITECTURES[adapter])
    return build


def _named(path: str) -> Any:
    module, _, function = path.partition(":")
    return getattr(importlib.import_module(module), function)
