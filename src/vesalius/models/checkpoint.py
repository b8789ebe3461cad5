"""The files of a checkpoint: found without network, read only when allowed, identified by hash.

Nothing here imports torch, so a finished run is recognised in a moment.

A folder is in the hub's layout when ``config.json`` (or ``open_clip_config.json``), tokenizer
files and weights lie side by side. Weights are safetensors; a pickle (``.bin``, ``.pt``) is used
only where no safetensors file holds the same weights, and only when its SHA-256 is known
beforehand or the user allows it, because unpickling can run code.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from vesalius.errors import ModelError, WeightsMissingError
from vesalius.records import Json, ModelCard

PATTERNS = (
    "*.json",
    "merges.txt",
    "vocab.txt",
    "*.model",
    "*.safetensors",
    "pytorch_model*.bin",
)
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
CONFIGS = ("config.json", "open_clip_config.json")
PIPELINE_INDEX = "model_index.json"

_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_NOT_A_WEIGHT = {
    b"version https://git-lfs": "a Git LFS pointer, not the file itself; run `git lfs pull`",
    b"<!doctype html": "a web page, not the file itself; download it again",
    b"<html": "a web page, not the file itself; download it again",
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model's files on disk.

    Attributes:
        folder: where they lie.
        source: repository id, ``embedded`` or ``local``; never a path.
        revision: 40-hex commit for a repository, empty otherwise.
        files: name → SHA-256 of every file that loading may read.
        license: of the weights.
        miniature: whether it is one of the small checkpoints shipped with the package.
        domain: the modalities that the model was made for, empty for any.
    """

    folder: Path
    source: str
    revision: str
    files: Mapping[str, str]
    license: str = ""
    miniature: bool = False
    domain: tuple[str, ...] = ()

    @property
    def pickles(self) -> tuple[str, ...]:
        """Names of the weight files that are pickles."""
        return tuple(name for name in self.files if Path(name).suffix in PICKLES)


@dataclass(frozen=True, slots=True)
class FilePolicy:
    """Which files of a folder belong to the checkpoint, and which pickles may be loaded.

    Attributes:
        patterns: glob patterns of file names, top level only.
        pinned: SHA-256 of pickles that are known to be the published ones.
        allow_pickles: load any pickle; `torch.load` still runs with ``weights_only=True``.
    """

    patterns: tuple[str, ...] = PATTERNS
    pinned: frozenset[str] = field(default_factory=frozenset)
    allow_pickles: bool = False


def open_folder(
    folder: Path,
    *,
    source: str = "local",
    revision: str = "",
    policy: FilePolicy | None = None,
    remedy: str = "copy the missing files there",
) -> Checkpoint:
    """Identify the checkpoint in a folder of the hub's layout.

    Raises:
        WeightsMissingError: if the folder, its configuration, its weights or a shard is missing.
        ModelError: if a weight file is a placeholder, or a pickle that is not allowed.
    """
    policy = policy or FilePolicy()
    names = complete_files(folder, patterns=policy.patterns, remedy=remedy)
    hashes = {name: sha256(folder / name) for name in names}
    checkpoint = Checkpoint(folder, source, revision, hashes)
    for name in checkpoint.pickles:
        _check_pickle(folder / name, hashes[name], policy)
    return checkpoint


def complete_files(
    folder: Path, *, patterns: tuple[str, ...], remedy: str = "copy the missing files there"
) -> list[str]:
    """Names of the files that loading would read; looks whether all are there, but hashes none.

    Raises:
        WeightsMissingError: if the folder, its configuration, its weights or a shard is missing.
        ModelError: if a weight file is a placeholder.
    """
    if not folder.is_dir():
        raise WeightsMissingError(f"{folder}: no such folder; {remedy}")
    names = choose_files((path.name for path in folder.iterdir()), patterns)
    _check_complete(folder, names, remedy=remedy)
    return names


def choose_files(names: Iterable[str], patterns: tuple[str, ...], /) -> list[str]:
    """The files at the top level that belong to a checkpoint; pickles give way to safetensors.

    >>> choose_files(["config.json", "model.safetensors", "pytorch_model.bin"], PATTERNS)
    ['config.json', 'model.safetensors']
    """
    names = sorted({n for n in names if any(fnmatchcase(n, p) for p in patterns) and "/" not in n})
    safe = {_role(name) for name in names if name.endswith(".safetensors")}
    return [n for n in names if not (Path(n).suffix in PICKLES and _role(n) in safe)]


def _role(name: str) -> str:
    """What a weight file holds: ``pytorch_model-00001-of-00002.bin`` → ``model``."""
    return _SHARD.sub("", Path(name).stem).replace("pytorch_", "")


def _check_complete(folder: Path, names: list[str], *, remedy: str) -> None:
    weights = [n for n in names if n.endswith((".safetensors", *PICKLES))]
    missing = [n for n in names if not (folder / n).is_file()]  # a dangling link of the cache
    if not any(config in names for config in CONFIGS):
        missing.append(CONFIGS[0])
    if not weights:
        missing.append("model.safetensors")
    # an index may name shards that no pattern lists: they would be loaded without a hash
    is_safe = any(name.endswith(".safetensors") for name in weights)
    ending = ".safetensors.index.json" if is_safe else ".index.json"
    for index in (n for n in names if n.endswith(ending)):
        shards = set(_read_json(folder / index).get("weight_map", {}).values())
        missing += sorted(shards - set(names))
    if missing:
        raise WeightsMissingError(f"{folder}: without {', '.join(missing)}; {remedy}")
    for name in weights:
        _check_not_a_placeholder(folder / name)


def _check_not_a_placeholder(path: Path) -> None:
    with path.open("rb") as stream:
        start = stream.read(64).lstrip().lower()
    for prefix, meaning in _NOT_A_WEIGHT.items():
        if start.startswith(prefix):
            raise ModelError(f"{path}: {meaning}")


def _check_pickle(path: Path, digest: str, policy: FilePolicy) -> None:
    if digest in policy.pinned or policy.allow_pickles:
        return
    raise ModelError(
        f"{path}: weights in pickle form with SHA-256 {digest}, which is not a known published "
        "file; loading a pickle can run code. Use the safetensors form, or allow it with "
        "allow_pickle_weights=True if you trust where it came from"
    )


def sha256(path: Path) -> str:
    """SHA-256 of a file; remembered while its size, time and inode stay the same."""
    state = path.stat()
    return _sha256(path, state.st_size, state.st_mtime_ns, state.st_ino)


@lru_cache(maxsize=512)
def _sha256(path: Path, size: int, mtime_ns: int, inode: int) -> str:  # noqa: ARG001 - the key
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_config(checkpoint: Checkpoint) -> dict[str, Json]:
    """The model's configuration file.

    Raises:
        ModelError: if it is not a JSON object.
    """
    return read_folder_config(checkpoint.folder)


def read_folder_config(folder: Path) -> dict[str, Json]:
    """The configuration file in a folder of the hub's layout.

    Raises:
        WeightsMissingError: if there is none.
        ModelError: if it is not a JSON object.
    """
    for name in CONFIGS:
        if (folder / name).is_file():
            return _read_json(folder / name)
    raise WeightsMissingError(f"{folder}: without {CONFIGS[0]}; not a folder in the hub's layout")


def _read_json(path: Path) -> dict[str, Json]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: expected JSON, {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def image_processor(checkpoint: Checkpoint) -> str:
    """Class name of the image processor that the checkpoint names; empty if it names none.

    Old names are given in their present form: ``CLIPFeatureExtractor`` → ``CLIPImageProcessor``.
    """
    settings: dict[str, Json] = {}
    if "preprocessor_config.json" in checkpoint.files:
        settings = _read_json(checkpoint.folder / "preprocessor_config.json")
    elif "processor_config.json" in checkpoint.files:
        settings = _read_json(checkpoint.folder / "processor_config.json").get(
            "image_processor", {}
        )
    name = settings.get("image_processor_type") or settings.get("feature_extractor_type") or ""
    present = str(name).replace("FeatureExtractor", "ImageProcessor")
    return present.removesuffix("Fast").removesuffix("Pil")


def _major(library: str) -> str:
    """The part of its version that may change numbers: before 1.0 the second one does."""
    major, minor, *_ = version(library).split(".")
    return major if major != "0" else f"0.{minor}"


def card_of(
    checkpoint: Checkpoint, *, name: str, adapter: str, options: Mapping[str, Json]
) -> ModelCard:
    """Identity of the model that `adapter` would make of `checkpoint`, without loading it.

    The processor is always the Pillow one, and the major versions of the libraries that turn
    pixels and words into numbers belong to it.
    """
    pixels = image_processor(checkpoint) or "native"
    libraries = ["transformers", "pillow", *["diffusers"] * (PIPELINE_INDEX in checkpoint.files)]
    majors = ", ".join(f"{library} {_major(library)}" for library in libraries)
    return ModelCard(
        name=name,
        adapter=adapter,
        source=checkpoint.source,
        revision=checkpoint.revision,
        license=checkpoint.license,
        processor=f"{pixels}/pil ({majors})",
        weights=dict(checkpoint.files),
        dtype=str(options.get("dtype", "float32")),
        options=dict(options),
        miniature=checkpoint.miniature,
        domain=checkpoint.domain,
    )
