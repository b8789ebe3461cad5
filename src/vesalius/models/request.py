"""From a model that somebody asked for to its files, its card and the loaded adapter.

Torch is imported by the adapter's own module, only when a model is opened.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from vesalius.models.checkpoint import PATTERNS, Checkpoint, FilePolicy, card_of, open_folder
from vesalius.models.locate import embedded_folder, find_snapshot, hub_cache
from vesalius.models.options import Option, complete
from vesalius.records import Json, ModelCard

DUAL = ("encode_images", "encode_texts", "dual_encoder", "score_texts")
DENSE_DUAL = (*DUAL, "encode_dense")
MAPPED_DUAL = (*DENSE_DUAL, "attribute")
GENERATIVE = (
    "encode_images",
    "encode_dense",
    "score_texts",
    "score_answers",
    "generate",
    "attribute",
)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of the catalog.

    Attributes:
        adapter: name of the code that drives it; models with one adapter differ only in weights.
        loader: ``module:function`` with the signature of `vesalius.models.clip.load`.
        revision: 40-hex commit, or None while it is not known; `revision_note` then says why.
        capabilities: keys of `vesalius.capabilities.CAPABILITIES`.
        pickles: SHA-256 of the published weight files in pickle form.
        patterns: the files to download and to identify the model by.
        size_mb: weights on disk, in 10^6 bytes.
    """

    name: str
    adapter: str
    loader: str
    repo: str
    license: str
    options: tuple[Option, ...]
    capabilities: tuple[str, ...] = DENSE_DUAL
    revision: str | None = None
    revision_note: str = ""
    research_only: bool = False
    pickles: frozenset[str] = field(default_factory=frozenset)
    patterns: tuple[str, ...] = PATTERNS
    size_mb: float = 0.0
    training_data: str = ""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A model as the user named it.

    Attributes:
        name: display name; never a whole path.
        entry: the adapter; for a miniature or a folder, the weights come from elsewhere.
        kind: where the weights are: the hub's cache, the package or a folder.
        location: repository, miniature name or path.
        revision: commit, tag or branch of a repository; empty for the catalog's.
    """

    name: str
    entry: ModelEntry
    kind: Literal["hub", "mini", "folder"]
    location: str
    revision: str = ""
    allow_pickle_weights: bool = False


def resolve_model(request: ModelRequest) -> Checkpoint:
    """The files of a model on this machine; never opens the network.

    Raises:
        WeightsMissingError: if they are not on disk; says how to get them.
        ModelError: if they are in pickle form and neither known nor allowed.
    """
    entry = request.entry
    policy = FilePolicy(entry.patterns, entry.pickles, request.allow_pickle_weights)
    if request.kind == "folder":
        return open_folder(Path(request.location), policy=policy)
    if request.kind == "mini":
        folder = embedded_folder(request.location)
        found = open_folder(folder, source="embedded", policy=policy)
        return replace(found, license="Apache-2.0", miniature=True)
    remedy = _remedy(request)
    folder, commit = find_snapshot(
        entry.repo, revision=request.revision or entry.revision or "", remedy=remedy
    )
    found = open_folder(folder, source=entry.repo, revision=commit, policy=policy, remedy=remedy)
    return replace(found, license=entry.license)


def _remedy(request: ModelRequest) -> str:
    repo, known = request.entry.repo, request.entry.adapter != "generic"
    return (
        f"run `vesalius fetch {request.name}` on a connected machine and copy its cache folder "
        f"models--{repo.replace('/', '--')} into {hub_cache()} here, or name a folder that has "
        f"the files: `--model {request.entry.name + '=' if known else ''}path/to/folder`"
    )


def describe(request: ModelRequest, options: Mapping[str, Json] | None = None) -> ModelCard:
    """The card that the loaded model will carry, computed without loading it.

    Raises:
        InputError: if an option is unknown.
        ModelError: as `resolve_model`.
    """
    adapter = request.entry.adapter
    settled = complete(options or {}, declared=request.entry.options, adapter=adapter)
    checkpoint = resolve_model(request)
    return card_of(checkpoint, name=request.name, adapter=adapter, options=settled)


def open_model(
    request: ModelRequest, *, device: str = "auto", options: Mapping[str, Json] | None = None
) -> Any:
    """Load the adapter for a request; its `card` equals `describe` of the same arguments.

    Raises:
        InputError: if an option or the device is unknown.
        ModelError: if the files are missing, not allowed or not what they should be.
    """
    entry = request.entry
    settled = complete(options or {}, declared=entry.options, adapter=entry.adapter)
    module, _, function = entry.loader.partition(":")
    load = getattr(importlib.import_module(module), function)
    return load(resolve_model(request), name=request.name, device=device, options=settled)
