"""The grammar of ``--model`` and the table behind it."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from vesalius import catalog
from vesalius.capabilities import CAPABILITIES
from vesalius.catalog import MODELS, ModelEntry, models, parse_model
from vesalius.errors import InputError, ModelError, WeightsMissingError


@pytest.fixture
def fresh_models() -> Iterator[None]:
    """The table is read once a process; here it is read anew before and after."""
    models.cache_clear()
    yield
    models.cache_clear()


class FakeEntryPoint:
    """What an installed package declares under ``vesalius.models``."""

    value = "package:entry"

    def __init__(self, entry: object) -> None:
        self.entry = entry

    def load(self) -> object:
        """The declared object."""
        return self.entry


@pytest.mark.parametrize("entry", MODELS.values(), ids=list(MODELS))
def test_every_entry_is_complete(entry: ModelEntry) -> None:
    """Licence, training data, size, capabilities and pins: nothing is left to be guessed."""
    assert MODELS[entry.name] is entry
    assert entry.license
    assert entry.training_data
    assert entry.size_mb > 100
    assert set(entry.capabilities) <= set(CAPABILITIES)
    assert re.fullmatch(r"vesalius\.models\.\w+:load", entry.loader)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in entry.pickles)
    if entry.revision is None:
        assert entry.revision_note
    else:
        assert re.fullmatch("[0-9a-f]{40}", entry.revision)


def test_only_clipmd_is_for_research_only() -> None:
    """Its licence forbids commercial use; users must be told."""
    assert [name for name, entry in MODELS.items() if entry.research_only] == ["clipmd"]


def test_names_and_repositories(tmp_path: Path) -> None:
    """The four forms that need no folder."""
    clip = parse_model("clip")
    assert (clip.name, clip.kind, clip.entry.name) == ("clip", "hub", "clip")
    mini = parse_model("mini:clipmd")
    assert (mini.name, mini.kind, mini.location) == ("mini:clipmd", "mini", "clipmd")
    other = parse_model("hf:org/some-model_1.0", revision="v2")
    assert (other.kind, other.entry.adapter, other.revision) == ("hub", "generic", "v2")
    named = parse_model(f"pubmedclip={tmp_path}")
    assert (named.name, named.kind) == (f"pubmedclip={tmp_path.name}", "folder")
    assert named.location == str(tmp_path)


@pytest.mark.parametrize(
    ("config", "adapter"),
    [
        ({"model_type": "clip"}, "clip"),
        ({"model_type": "clip", "auto_map": {"AutoModel": "ClipMDModel.ClipMDModel"}}, "clipmd"),
        ({"model_type": "siglip"}, "generic"),
    ],
)
def test_a_folder_says_itself_what_it_is(
    config: dict[str, object], adapter: str, tmp_path: Path
) -> None:
    """The adapter follows the configuration, and ClipMD is not taken for a plain CLIP."""
    (tmp_path / "config.json").write_text(json.dumps(config))
    request = parse_model(str(tmp_path))
    assert (request.entry.adapter, request.name) == (adapter, tmp_path.name)


def test_a_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    """A folder of images given as a model must be answered plainly."""
    with pytest.raises(WeightsMissingError, match=r"without config.json"):
        parse_model(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clipp", "unknown model 'clipp' .did you mean 'clip'"),
        ("mini:pubmed-clip", "did you mean 'pubmedclip'"),
        ("openai/clip-vit-base-patch32", "for a repository write hf:openai/clip-vit-base-patch32"),
        ("klip=folder", "did you mean 'clip'"),
        ("hf:clip", "expected hf:organisation/name"),
        ("hf:../../etc", "expected hf:organisation/name"),
        ("", "unknown model ''"),
    ],
)
def test_what_is_none_of_these_is_explained(text: str, message: str) -> None:
    """Each likely slip is answered with the right form."""
    with pytest.raises(InputError, match=message):
        parse_model(text)


@pytest.mark.parametrize("text", ["mini:clip", "clip=folder"])
def test_a_revision_belongs_to_a_repository(text: str) -> None:
    """A revision that cannot apply must not be dropped in silence."""
    with pytest.raises(InputError, match="a revision belongs to a repository"):
        parse_model(text, revision="main")


def test_installed_packages_add_models(fresh_models: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package's model is listed and parsed like a built-in one."""
    theirs = replace(MODELS["clip"], name="theirs")
    monkeypatch.setattr(catalog, "entry_points", lambda group: [FakeEntryPoint(theirs)])
    assert list(models()) == [*MODELS, "theirs"]
    assert parse_model("theirs").entry is theirs


@pytest.mark.parametrize("entry", ["not an entry", MODELS["clip"]])
def test_a_bad_entry_point_is_named(
    entry: object, fresh_models: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package may neither break the table nor take a built-in name."""
    monkeypatch.setattr(catalog, "entry_points", lambda group: [FakeEntryPoint(entry)])
    with pytest.raises(ModelError, match="'package:entry': expected a ModelEntry of a new name"):
        models()
