"""From a model that somebody asked for to its files, its card and the loaded adapter.

Torch is imported by the adapter's own module, only when a model is opened.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from vesalius.errors import InputError, ModelError
from vesalius.models.checkpoint import (
    PATTERNS,
    Checkpoint,
    FilePolicy,
    card_of,
    complete_files,
    open_folder,
)
from vesalius.models.endpoint_server import card_of_server
from vesalius.models.locate import embedded_folder, find_snapshot, hub_cache
from vesalius.models.naming import split_options
from vesalius.models.options import Option, complete
from vesalius.models.pipeline_files import check_library, complete_pipeline, open_pipeline
from vesalius.records import Json, ModelCard

DUAL = ("encode_images", "encode_texts", "dual_encoder", "score_texts")
DENSE_DUAL = (*DUAL, "encode_dense")
WORDS = "encode_words"
MAPPED_DUAL = (*DENSE_DUAL, WORDS, "attribute")
GENERATIVE = (
    "encode_images",
    "encode_dense",
    "score_texts",
    "score_answers",
    "generate",
    WORDS,
    "attribute",
)
PIPELINE = "pipeline"
GENERIC_ADAPTERS = ("generic", "chat", PIPELINE)  # for checkpoints outside the catalog


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of the published weights beforehand, for `vesalius verify`.

    Attributes:
        parameters: what `n_parameters` of the loaded adapter must be; 0 while not known.
        logit_scale: factor from cosine to logit in the checkpoint; None while not known.
        safetensors: file name → SHA-256.
    """

    parameters: int = 0
    logit_scale: float | None = None
    safetensors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of the catalog.

    Attributes:
        adapter: name of the code that drives it; models with one adapter differ only in weights.
        loader: ``module:function`` with the signature of `vesalius.models.clip.load`.
        revision: 40-hex commit, or None while it is not known; `revision_note` says why, or where
            the pin comes from if it was not read at the repository.
        capabilities: keys of `vesalius.capabilities.CAPABILITIES`.
        pickles: SHA-256 of the published weight files in pickle form.
        patterns: the files to download and to identify the model by.
        size_mb: weights on disk, in 10^6 bytes.
        training_data: what the publisher says about it, in words.
        domain: the modalities it was made for, empty for any.
        trained_on: the same as keys of `vesalius.engine.leakage.COLLECTIONS`.
        expected: what the published weights are known to be.
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
    domain: tuple[str, ...] = ()
    trained_on: tuple[str, ...] = ()
    expected: Expected = field(default_factory=Expected)


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A model as the user named it.

    Attributes:
        name: display name; never a whole path.
        entry: the adapter; for a miniature or a folder, the weights come from elsewhere.
        kind: where the weights are: the hub's cache, the package, a folder or a server.
        location: repository, miniature name, path, or model name and URL of a server.
        revision: commit, tag or branch of a repository; empty for the catalog's.
        options: adapter options that the name itself carries.
    """

    name: str
    entry: ModelEntry
    kind: Literal["hub", "mini", "folder", "endpoint"]
    location: str
    revision: str = ""
    allow_pickle_weights: bool = False
    options: Mapping[str, Json] = field(default_factory=dict)


def resolve_model(request: ModelRequest) -> Checkpoint:
    """The files of a model on this machine; never opens the network.

    Raises:
        WeightsMissingError: if they are not on disk; says how to get them.
        ModelError: if they are in pickle form and neither known nor allowed, or on a server.
    """
    entry = request.entry
    if request.kind == "endpoint":
        raise ModelError(f"{request.name}: its files are on the server, not here")
    policy = FilePolicy(entry.patterns, entry.pickles, request.allow_pickle_weights)
    if entry.adapter == PIPELINE:
        return _resolve_pipeline(request)
    if request.kind == "folder":
        found = open_folder(Path(request.location), policy=policy)
        return replace(found, domain=entry.domain)
    if request.kind == "mini":
        folder = embedded_folder(request.location)
        found = open_folder(folder, source="embedded", policy=policy)
        return replace(found, license="Apache-2.0", miniature=True, domain=entry.domain)
    remedy = _remedy(request)
    folder, commit = find_snapshot(
        entry.repo, revision=request.revision or entry.revision or "", remedy=remedy
    )
    found = open_folder(folder, source=entry.repo, revision=commit, policy=policy, remedy=remedy)
    return replace(found, license=entry.license, domain=entry.domain)


def _resolve_pipeline(request: ModelRequest) -> Checkpoint:
    check_library()
    if request.kind == "folder":
        return open_pipeline(Path(request.location))
    repo = request.entry.repo
    folder, commit = find_snapshot(repo, revision=request.revision, remedy=_remedy(request))
    return open_pipeline(folder, source=repo, revision=commit)


def is_on_disk(request: ModelRequest) -> bool:
    """Whether the files of a model are complete on this machine; hashes and loads nothing."""
    entry = request.entry
    try:
        if request.kind == "mini":
            folder = embedded_folder(request.location)
        elif request.kind == "hub":
            revision = request.revision or entry.revision or ""
            folder, _ = find_snapshot(entry.repo, revision=revision, remedy="")
        else:
            folder = Path(request.location)
        if entry.adapter == PIPELINE:
            complete_pipeline(folder)
        else:
            complete_files(folder, patterns=entry.patterns)
    except ModelError:
        return False
    return True


def _remedy(request: ModelRequest) -> str:
    repo, known = request.entry.repo, request.entry.adapter not in GENERIC_ADAPTERS
    name, _ = split_options(request.name)
    return (
        f"run `vesalius fetch {name}` on a connected machine and copy its cache folder "
        f"models--{repo.replace('/', '--')} into {hub_cache()} here, or name a folder that has "
        f"the files: `--model {request.entry.name + '=' if known else ''}path/to/folder`"
    )


def describe(request: ModelRequest, options: Mapping[str, Json] | None = None) -> ModelCard:
    """The card that the loaded model will carry, computed without loading it.

    For a model on a server, the server is asked what it serves.

    Raises:
        InputError: if an option is unknown.
        ModelError: as `resolve_model`, or if the server does not answer.
    """
    adapter, settled = request.entry.adapter, _settled(request, options)
    if request.kind == "endpoint":
        return card_of_server(request.location, name=request.name, options=settled)
    return card_of(resolve_model(request), name=request.name, adapter=adapter, options=settled)


def open_model(
    request: ModelRequest, *, device: str = "auto", options: Mapping[str, Json] | None = None
) -> Any:
    """Load the adapter for a request; its `card` equals `describe` of the same arguments.

    Raises:
        InputError: if an option or the device is unknown.
        ModelError: if the files are missing, not allowed or not what they should be.
    """
    settled = _settled(request, options)
    module, _, function = request.entry.loader.partition(":")
    load = getattr(importlib.import_module(module), function)
    if request.kind == "endpoint":
        return load(request.location, name=request.name, options=settled)
    return load(resolve_model(request), name=request.name, device=device, options=settled)


def _settled(request: ModelRequest, options: Mapping[str, Json] | None) -> dict[str, Json]:
    """All options of the adapter: those of the name, then those given beside it."""
    entry, beside = request.entry, options or {}
    if twice := sorted(request.options.keys() & beside.keys()):
        raise InputError(f"{request.name}: option {twice[0]} is given twice")
    given = {**request.options, **beside}
    return complete(given, declared=entry.options, adapter=entry.adapter)
