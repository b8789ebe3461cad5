"""From a published layout to a dataset folder: made once, atomically, and used again.

A prepared folder holds ``dataset.yaml``, the tables, converted files, and a link ``published`` to
the files that are read as they are. It lies in ``$XDG_CACHE_HOME/vesalius/datasets`` (by default
below ``~/.cache``) and can be deleted at any time. Data sets are looked for in ``$VESALIUS_DATA``,
by default ``~/.local/share/vesalius``.
"""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from vesalius.data.recipes.recipe import PUBLISHED, TABLES, Recipe, Source, TableRow
from vesalius.errors import DataError
from vesalius.records import Json, digest_json
from vesalius.store.files import make_folder


def data_root() -> Path:
    """The folder below which data sets are looked for by name."""
    if value := os.environ.get("VESALIUS_DATA"):
        return Path(value).expanduser()
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(home).expanduser() / "vesalius"


def prepared_root() -> Path:
    """The folder of prepared data sets."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "vesalius" / "datasets"


def published_folder(recipe: Recipe, given: Path | None = None, /) -> Path:
    """The folder with the published files; `given` is one that the user named.

    Raises:
        DataError: ``missing_file``, saying what is missing and how to get it.
    """
    folder = (given or data_root() / recipe.place).expanduser().resolve()
    missing = [pattern for pattern in recipe.needs if not _any(folder, pattern)]
    if not folder.is_dir() or missing:
        raise DataError(
            f"{recipe.name} is not on disk: expected {', '.join(missing)} in {folder}; "
            + remedy(recipe),
            reason="missing_file",
        )
    return folder


def remedy(recipe: Recipe, /) -> str:
    """What the user can do to get a data set."""
    fetch = f"`vesalius fetch {recipe.name}` "
    what = "downloads it" if recipe.get else "says what to put where"
    return f"{fetch}{what}, and {recipe.name}=FOLDER names another folder"


def is_on_disk(recipe: Recipe, /) -> bool:
    """Whether the files that the reader starts from are below the data root."""
    folder = data_root() / recipe.place
    return folder.is_dir() and all(_any(folder, pattern) for pattern in recipe.needs)


def prepare(recipe: Recipe, root: Path, /) -> Path:
    """The dataset folder of a published one, made if it is not there yet.

    Raises:
        DataError: a published file is not as its publisher describes it.
    """
    folder = prepared_root() / f"{recipe.name}-{_key(recipe, root)}"
    if (folder / "dataset.yaml").exists():
        return folder
    make_folder(folder.parent)
    building = folder.parent / f".{recipe.name}.{secrets.token_hex(8)}.tmp"
    building.mkdir(mode=0o700)
    try:
        _write(recipe, Source(root, building))
        with contextlib.suppress(OSError):  # somebody else may have finished first
            building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _write(recipe: Recipe, source: Source) -> None:
    try:
        tables = recipe.read(recipe, source)
    except (AttributeError, LookupError, TypeError, ValueError) as error:  # cells of another kind
        raise DataError(
            f"the files in {source.root} are not laid out as {recipe.name} describes them "
            f"({type(error).__name__}: {error}); compare with the module "
            f"{recipe.read.__module__}",
            reason="bad_table",
            where=recipe.name,
        ) from error
    (source.out / PUBLISHED).symlink_to(source.root, target_is_directory=True)
    for name in TABLES:
        rows: Sequence[TableRow] = getattr(tables, name)
        if rows or name == "samples":
            text = "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows)
            (source.out / f"{name}.jsonl").write_text(text, encoding="utf-8")
    card = yaml.safe_dump(_card(recipe), allow_unicode=True, sort_keys=False)
    (source.out / "dataset.yaml").write_text(card, encoding="utf-8")


def _card(recipe: Recipe) -> dict[str, Json]:
    """``dataset.yaml`` of a recipe; empty fields are left out."""
    card: dict[str, Json] = {
        "format": 1,
        "name": recipe.name,
        "license": recipe.license,
        "citation": recipe.citation,
        "modality": recipe.modality,
        "classes": {name: list(prompts) for name, prompts in recipe.classes.items()},
        "positive": recipe.positive,
        "multilabel": recipe.multilabel,
        "templates": list(recipe.templates),
        "structures": dict(recipe.structures),
        "structure_prompts": {n: list(words) for n, words in recipe.structure_prompts.items()},
        "window_hu": recipe.window_hu,
        "tabular": dict(recipe.tabular),
        "subgroups": list(recipe.subgroups),
    }
    return {key: value for key, value in card.items() if value}


def _key(recipe: Recipe, root: Path) -> str:
    """Changes with the recipe, the folder, and size or time of any file the reader starts from."""
    states = [
        [path.relative_to(root).as_posix(), path.stat().st_size, path.stat().st_mtime_ns]
        for pattern in recipe.needs
        for path in sorted(root.glob(pattern))
    ]
    identity = [recipe.version, _card(recipe), dict(recipe.options), str(root), states]
    return digest_json(identity)[:16]


def _any(folder: Path, pattern: str) -> bool:
    found: Iterator[Path] = folder.glob(pattern)
    return next(found, None) is not None
