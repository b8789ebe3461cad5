"""Names of models → what drives them; listing and describing them loads nothing heavy."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from vesalius.errors import InputError, ModelError, did_you_mean
from vesalius.models import options
from vesalius.models.checkpoint import read_folder_config
from vesalius.models.locate import embedded_names
from vesalius.models.request import (
    DUAL,
    GENERATIVE,
    MAPPED_DUAL,
    ModelEntry,
    ModelRequest,
    describe,
    open_model,
    resolve_model,
)
from vesalius.records import Json

__all__ = [
    "MODELS",
    "ModelEntry",
    "ModelRequest",
    "describe",
    "load_model",
    "miniatures",
    "models",
    "open_model",
    "parse_model",
    "resolve_model",
]

ENTRY_POINTS = "vesalius.models"
GENERIC = "vesalius.models.generic:load"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")

_BUILT_IN = (
    ModelEntry(
        name="clip",
        adapter="clip",
        loader="vesalius.models.clip:load",
        repo="openai/clip-vit-base-patch32",
        revision="3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268",
        pickles=frozenset({"a63082132ba4f97a80bea76823f544493bffa8082296d62d71581a4feff1576f"}),
        license="MIT",
        options=options.CLIP,
        size_mb=605.2,
        training_data="400 million image–text pairs from the web (WIT)",
    ),
    ModelEntry(
        name="pubmedclip",
        adapter="clip",
        loader="vesalius.models.clip:load",
        repo="flaviagiammarino/pubmed-clip-vit-base-patch32",
        revision="26c0c67f6da303ad2a38909130bd35744ea93517",
        pickles=frozenset({"4daa7650d2b47e55c37b5ca7dcabe826fd82407c26028a574bcc422f35a94aa4"}),
        license="MIT",
        options=options.CLIP,
        size_mb=605.2,
        training_data="CLIP, then ROCO (radiology figures of PubMed articles)",
    ),
    ModelEntry(
        name="clipmd",
        adapter="clipmd",
        loader="vesalius.models.clipmd:load",
        repo="Idan0405/ClipMD",
        revision_note="commit and weight hash not known yet; pin both at the first online run",
        license="Hebrew University of Jerusalem Software Research License",
        research_only=True,
        options=options.CLIPMD,
        size_mb=605.2,
        training_data="CLIP, then ROCO (radiology figures of PubMed articles)",
    ),
    ModelEntry(
        name="blip2",
        adapter="blip2",
        loader="vesalius.models.blip2:load",
        repo="Salesforce/blip2-flan-t5-xl",
        revision_note="commit not known yet; pin it at the first online run",
        license="MIT",
        options=options.BLIP2,
        capabilities=GENERATIVE,
        patterns=("*.json", "*.safetensors", "spiece.model"),
        size_mb=15770.0,
        training_data="129 million image–text pairs from the web; language model FLAN-T5-XL",
    ),
    ModelEntry(
        name="biomedclip",
        adapter="biomedclip",
        loader="vesalius.models.biomedclip:load",
        repo="microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
        revision_note="commit and weight hash not known yet; pin both at the first online run",
        license="MIT",
        options=options.BIOMEDCLIP,
        capabilities=MAPPED_DUAL,
        patterns=(
            "open_clip_*.json",
            "open_clip_*.safetensors",
            "open_clip_*.bin",
            "tokenizer*.json",
            "special_tokens_map.json",
            "vocab.txt",
        ),
        size_mb=784.0,
        training_data="PMC-15M (figures and captions of PubMed Central articles)",
    ),
    ModelEntry(
        name="git",
        adapter="git",
        loader="vesalius.models.git:load",
        repo="microsoft/git-large",
        revision_note="commit and weight hash not known yet; pin both at the first online run",
        license="MIT",
        options=options.GIT,
        capabilities=GENERATIVE,
        size_mb=1577.0,
        training_data="20 million image–text pairs from the web",
    ),
    ModelEntry(
        name="smolvlm",
        adapter="smolvlm",
        loader="vesalius.models.smolvlm:load",
        repo="HuggingFaceTB/SmolVLM-256M-Instruct",
        revision_note="commit not known yet; pin it at the first online run",
        license="Apache-2.0",
        options=options.SMOLVLM,
        capabilities=GENERATIVE,
        patterns=("*.json", "*.safetensors", "merges.txt"),
        size_mb=513.0,
        training_data="The Cauldron and Docmatix (documents, charts, photographs)",
    ),
    ModelEntry(
        name="biovil-t",
        adapter="biovil-t",
        loader="vesalius.models.biovilt:load",
        repo="microsoft/BiomedVLP-BioViL-T",
        revision_note="commit of main not known yet; pin it at the first online run",
        pickles=frozenset({"b2399d73dc2a68b9f3a1950e864ae0ecd24093fb07aa459d7e65807ebdc0fb77"}),
        license="MIT (research use only by its model card)",
        options=options.BIOVILT,
        capabilities=(*MAPPED_DUAL, "encode_with_prior"),
        patterns=("*.json", "vocab.txt", "model.safetensors", "pytorch_model.bin", "biovil_t_*.pt"),
        size_mb=551.0,
        training_data="MIMIC-CXR v2 (chest radiographs, priors and reports)",
    ),
)
MODELS: Mapping[str, ModelEntry] = {entry.name: entry for entry in _BUILT_IN}


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
    """Read ``NAME``, ``mini:NAME``, ``NAME=path/to/folder``, ``path/to/folder`` or ``hf:org/name``.

    A folder without NAME is driven by the adapter that its ``config.json`` calls for: `clip` for
    CLIP weights, `clipmd` where the configuration names ClipMD, else the generic dual encoder.

    Raises:
        InputError: if it is none of these, or the name is unknown.
    """
    request = _parse(text)
    if revision and request.kind != "hub":
        raise InputError(f"{text}: a revision belongs to a repository, not to a {request.kind}")
    return replace(request, revision=revision, allow_pickle_weights=allow_pickle_weights)


def _parse(text: str) -> ModelRequest:
    if text.startswith("mini:"):
        name = text.removeprefix("mini:")
        return ModelRequest(text, _entry(name), "mini", name)
    if text.startswith("hf:"):
        repo = text.removeprefix("hf:")
        if not _REPOSITORY.fullmatch(repo):
            raise InputError(f"{text}: expected hf:organisation/name")
        return ModelRequest(text, _generic(repo, repo=repo), "hub", repo)
    adapter, equals, path = text.partition("=")
    if equals:
        folder = Path(path).expanduser()
        return ModelRequest(
            f"{adapter}={folder.resolve().name}", _entry(adapter), "folder", str(folder)
        )
    if text in models():
        return ModelRequest(text, models()[text], "hub", models()[text].repo)
    folder = Path(text).expanduser()
    if text and folder.is_dir():
        return ModelRequest(folder.resolve().name, _guess(folder), "folder", str(folder))
    return ModelRequest(text, _entry(text), "hub", "")


def _entry(name: str) -> ModelEntry:
    if name in models():
        return models()[name]
    hint = did_you_mean(name, models())
    if _REPOSITORY.fullmatch(name):
        hint = f" (for a repository write hf:{name}; there is no such folder here)"
    raise InputError(
        f"unknown model {name!r}{hint}; expected one of {', '.join(models())}, mini:NAME, "
        "NAME=path/to/folder, path/to/folder or hf:organisation/name"
    )


def _generic(name: str, *, repo: str = "") -> ModelEntry:
    return ModelEntry(
        name=name,
        adapter="generic",
        loader=GENERIC,
        repo=repo,
        license="",
        options=options.GENERIC,
        capabilities=DUAL,
        revision_note="no revision is pinned for a checkpoint outside the catalog",
    )


def _guess(folder: Path) -> ModelEntry:
    config = read_folder_config(folder)
    if config.get("model_type") != "clip":
        return _generic(folder.resolve().name)
    return MODELS["clipmd" if "clipmd" in str(config.get("auto_map", "")).lower() else "clip"]


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
        name: what `parse_model` reads: a name of the catalog, ``mini:NAME``, ``NAME=folder``, a
            folder or ``hf:organisation/name``.
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
