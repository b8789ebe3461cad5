"""Names of models → what drives them; listing and describing them loads nothing heavy."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from vesalius.errors import InputError, ModelError, did_you_mean
from vesalius.models import options
from vesalius.models.endpoint_server import split_address
from vesalius.models.locate import embedded_names
from vesalius.models.naming import join_options, split_options
from vesalius.models.options import complete
from vesalius.models.published import PUBLISHED
from vesalius.models.request import (
    ModelEntry,
    ModelRequest,
    describe,
    is_on_disk,
    open_model,
    resolve_model,
)
from vesalius.models.uncatalogued import entry_of_folder, entry_of_repository
from vesalius.records import Json

__all__ = [
    "MODELS",
    "ModelEntry",
    "ModelRequest",
    "describe",
    "is_on_disk",
    "load_model",
    "miniatures",
    "models",
    "open_model",
    "parse_model",
    "resolve_model",
]

ENTRY_POINTS = "vesalius.models"
ENDPOINT = ModelEntry(
    name="endpoint",
    adapter="endpoint",
    loader="vesalius.models.endpoint:load",
    repo="",
    license="",
    options=options.ENDPOINT,
    capabilities=("generate",),
)
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")

MODELS: Mapping[str, ModelEntry] = {entry.name: entry for entry in PUBLISHED}


@cache
def miniatures() -> tuple[str, ...]:
    """``mini:NAME`` of every built-in model whose miniature is in the package."""
    return tuple(f"mini:{name}" for name in MODELS if name in embedded_names())


@cache
def models() -> Mapping[str, ModelEntry]:
    """Built-in models and those that installed packages declare as ``vesalius.models``.

    Raises:
        ModelError: if a package declares something else, or a name that is taken.
    """
    found = dict(MODELS)
    for point in entry_points(group=ENTRY_POINTS):
        entry = point.load()
        if not isinstance(entry, ModelEntry) or entry.name in found:
            raise ModelError(
                f"entry point {point.value!r}: expected a ModelEntry of a new name, got {entry!r}"
            )
        found[entry.name] = entry
    return found


def parse_model(
    text: str, *, revision: str = "", allow_pickle_weights: bool = False
) -> ModelRequest:
    """Read the name of a model, with its options in brackets after it.

    ``NAME``, ``mini:NAME``, ``NAME=path/to/folder``, ``path/to/folder``, ``hf:org/name`` or
    ``endpoint:MODEL@http://host:port/v1``; options as in ``smolvlm[image_splitting=true]``.

    A folder without NAME is driven by the adapter that its ``config.json`` calls for: `clip` for
    CLIP weights, `clipmd` where the configuration names ClipMD, `smolvlm` for Idefics3, else the
    generic dual encoder or the generic chat model. A repository takes one of the generic two.

    Raises:
        InputError: if it is none of these, or the name or an option is unknown.
    """
    is_folder = bool(text) and Path(text).expanduser().is_dir()  # whatever its name looks like
    name, given = (text, {}) if is_folder else split_options(text)
    request = _parse(name, revision=revision)
    declared = request.entry.options
    complete(given, declared=declared, adapter=request.entry.adapter)
    in_order = {o.name: given[o.name] for o in declared if o.name in given}
    request = replace(request, name=join_options(request.name, in_order), options=in_order)
    if revision and request.kind != "hub":
        raise InputError(f"{text}: a revision belongs to a repository, not to a {request.kind}")
    return replace(request, revision=revision, allow_pickle_weights=allow_pickle_weights)


def _parse(text: str, *, revision: str) -> ModelRequest:
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "hf":
        return _repository(text, rest, revision=revision)
    if colon and scheme in _SCHEMES:
        return _SCHEMES[scheme](text, rest)
    if text in models():
        return ModelRequest(text, models()[text], "hub", models()[text].repo)
    folder = Path(text).expanduser()
    if text and folder.is_dir():
        return ModelRequest(folder.resolve().name, entry_of_folder(folder), "folder", str(folder))
    adapter, equals, path = text.partition("=")
    folder = Path(path).expanduser()
    name = f"{adapter}={folder.resolve().name}" if equals else text
    return ModelRequest(name, _entry(adapter), "folder", str(folder))


def _miniature(text: str, name: str) -> ModelRequest:
    return ModelRequest(text, _entry(name), "mini", name)


def _repository(text: str, repo: str, *, revision: str) -> ModelRequest:
    if not _REPOSITORY.fullmatch(repo):
        raise InputError(f"{text}: expected hf:organisation/name")
    return ModelRequest(text, entry_of_repository(repo, revision=revision), "hub", repo)


def _served(text: str, address: str) -> ModelRequest:  # noqa: ARG001 - one form for all schemes
    """The name leaves out the address: a result does not say which machine was asked."""
    return ModelRequest(f"endpoint:{split_address(address)[0]}", ENDPOINT, "endpoint", address)


_SCHEMES: Mapping[str, Callable[[str, str], ModelRequest]] = {
    "mini": _miniature,
    "endpoint": _served,
}


def _entry(name: str) -> ModelEntry:
    if name in models():
        return models()[name]
    hint = did_you_mean(name, models())
    if _REPOSITORY.fullmatch(name):
        hint = f" (for a repository write hf:{name}; there is no such folder here)"
    raise InputError(
        f"unknown model {name!r}{hint}; expected one of {', '.join(models())}, mini:NAME, "
        "NAME=path/to/folder, path/to/folder, hf:organisation/name or endpoint:MODEL@URL"
    )


def load_model(
    name: str,
    *,
    source: str | Path | None = None,
    device: str = "auto",
    revision: str | None = None,
    allow_pickle_weights: bool = False,
    **adapter_options: Json,
) -> Any:
    """Load a model by name, from disk only.

    Args:
        name: what `parse_model` reads, such as ``clip``, ``mini:clip`` or ``clip[fit=pad]``.
        source: folder with the weights; `name` then names the adapter.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        revision: commit, tag or branch in the hub's cache; default is the catalog's pin.
        allow_pickle_weights: load ``.bin`` weights whose hash is not known beforehand.
        **adapter_options: the adapter's own, checked by name and value and recorded in the card.

    Raises:
        InputError: if a name, an option or the device is unknown.
        ModelError: if the files are missing, not allowed or not what they should be.
    """
    request = parse_model(
        f"{name}={source}" if source is not None else name,
        revision=revision or "",
        allow_pickle_weights=allow_pickle_weights,
    )
    return open_model(request, device=device, options=adapter_options)
