"""Which adapter drives a checkpoint that the catalog does not know; its configuration decides.

Only ``config.json`` is read, and no model library imported: a name is understood in a moment.
"""

from collections.abc import Mapping
from pathlib import Path

from vesalius.errors import WeightsMissingError
from vesalius.models import options
from vesalius.models.checkpoint import PATTERNS, read_folder_config
from vesalius.models.locate import find_snapshot
from vesalius.models.pipeline_files import is_pipeline
from vesalius.models.published import PUBLISHED
from vesalius.models.request import DUAL, WORDS, ModelEntry
from vesalius.records import Json

# One tower for images, one for texts. What is none of these is taken for a chat model, whose
# adapter refuses what it cannot drive: chat models are many and grow with every release.
DUAL_ENCODERS = (
    "align",
    "altclip",
    "blip",
    "chinese_clip",
    "clip",
    "clipseg",
    "metaclip_2",
    "siglip",
    "siglip2",
    "tipsv2",
    "videoprism",
)
CAPABILITIES = {
    "generic": (*DUAL, WORDS),
    "chat": ("score_texts", "score_answers", "generate"),
    "pipeline": ("generate_images",),
}
_FAMILIES = {"clip": "clip", "idefics3": "smolvlm"}


def entry_of_folder(folder: Path, /) -> ModelEntry:
    """The adapter for a folder: the catalog's own for its architecture, else a generic one.

    Raises:
        WeightsMissingError: if the folder has no configuration.
        ModelError: if that is not a JSON object.
    """
    if is_pipeline(folder):
        return _entry("pipeline", name=folder.resolve().name, declared=options.PIPELINE)
    config = read_folder_config(folder)
    family = _FAMILIES.get(str(config.get("model_type")), "")
    if family == "clip" and "clipmd" in str(config.get("auto_map", "")).lower():
        family = "clipmd"
    known = [entry for entry in PUBLISHED if entry.name == family]
    return known[0] if known else _generic_entry(config, name=folder.resolve().name)


def entry_of_repository(repo: str, /, *, revision: str = "") -> ModelEntry:
    """The generic adapter for a repository, by the configuration in the hub's cache.

    While the cache has none, nothing can be loaded either; the entry then has the options of both
    generic adapters, so that the missing files are what is reported.

    Raises:
        ModelError: if the configuration is not a JSON object.
    """
    try:
        folder, _ = find_snapshot(repo, revision=revision, remedy="")
        if is_pipeline(folder):
            return _entry("pipeline", name=repo, repo=repo, declared=options.PIPELINE)
        config = read_folder_config(folder)
    except WeightsMissingError:
        return _entry("generic", name=repo, repo=repo, declared=options.CHAT)
    return _generic_entry(config, name=repo, repo=repo)


def _generic_entry(config: Mapping[str, Json], *, name: str, repo: str = "") -> ModelEntry:
    if config.get("model_type") in DUAL_ENCODERS:
        return _entry("generic", name=name, repo=repo, declared=options.GENERIC)
    return _entry("chat", name=name, repo=repo, declared=options.CHAT)


def _entry(
    adapter: str, *, name: str, declared: tuple[options.Option, ...], repo: str = ""
) -> ModelEntry:
    return ModelEntry(
        name=name,
        adapter=adapter,
        loader=f"vesalius.models.{adapter}:load",
        repo=repo,
        license="",
        options=declared,
        capabilities=CAPABILITIES[adapter],
        patterns=(*PATTERNS, "*.jinja"),  # where newer repositories keep their chat template
        revision_note="no revision is pinned for a checkpoint outside the catalog",
    )
