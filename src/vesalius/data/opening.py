"""`load_dataset`: a dataset folder, or a public data set by its name.

``FOLDER``, ``NAME`` of `recipes.RECIPES` below the data root, or ``NAME=FOLDER`` elsewhere.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path

from vesalius.data.manifest import Dataset, read_folder
from vesalius.data.manifest import load_dataset as load_folder
from vesalius.data.recipes import RECIPES
from vesalius.data.recipes.prepare import prepare, published_folder
from vesalius.data.recipes.recipe import Recipe
from vesalius.data.tables import Problem
from vesalius.errors import DataError, did_you_mean, did_you_mean_path

_FATAL = ("duplicate_id", "patient_overlap", "count_mismatch")
_MOST_LISTED = 5
_MOST_LOOKED_AT = 1000


def recipe_of(text: str | Path, /) -> tuple[Recipe, Path | None] | None:
    """The recipe that a text names, with the folder if it names one; None for a dataset folder.

    Raises:
        DataError: ``missing_file`` when it is neither a recipe nor a folder.
    """
    name, equals, folder = str(text).partition("=")
    if (Path(text) / "dataset.yaml").is_file():
        return None
    if name in RECIPES:
        return RECIPES[name], Path(folder) if equals else None
    if Path(text).is_dir():
        return None
    raise DataError(
        f"expected a dataset folder or the name of a public data set{_hint(str(text))}",
        reason="missing_file",
        where=str(text),
    )


def _hint(text: str) -> str:
    """What may have been meant: a recipe or a folder, whichever is spelt more alike."""
    name = text.partition("=")[0]
    if "/" in text:
        return did_you_mean_path(Path(text))
    folders = (one.name for one in islice(Path().iterdir(), _MOST_LOOKED_AT) if one.is_dir())
    return did_you_mean(name, (*folders, *RECIPES)) or "; `vesalius datasets` lists the names"


def load_dataset(text: str | Path, /, *, allow_partial: bool = False) -> Dataset:
    """Load a dataset folder or a public data set.

    Args:
        text: folder, ``NAME`` or ``NAME=FOLDER``.
        allow_partial: of a public data set, take fewer or more rows than its publisher states;
            the card then says so.

    Raises:
        DataError: as `manifest.load_dataset`; ``missing_file`` when it is not on disk;
            ``count_mismatch``, ``duplicate_id`` or ``patient_overlap`` when it is not what was
            published.
    """
    found = recipe_of(text)
    if found is None:
        return load_folder(text)
    return load_recipe(*found, allow_partial=allow_partial)


def load_recipe(
    recipe: Recipe, folder: Path | None = None, /, *, allow_partial: bool = False
) -> Dataset:
    """As `load_dataset`, of a recipe and perhaps another folder than that below the data root.

    Raises:
        DataError: as `load_dataset`.
    """
    dataset = _read(recipe, folder)
    fatal = [one for one in dataset.problems if one.reason in _FATAL]
    if allow_partial:
        kept = [one.message for one in fatal if one.reason == "count_mismatch"]
        fatal = [one for one in fatal if one.reason != "count_mismatch"]
        card = replace(dataset.card, notes=(*dataset.card.notes, *kept))
        dataset = replace(dataset, card=card)
    if fatal:
        raise DataError(
            "; ".join(one.message for one in fatal[:_MOST_LISTED]) + _because(dataset, recipe),
            reason=fatal[0].reason,
            where=dataset.card.name,
        )
    return dataset


def read_dataset(text: str | Path, /) -> Dataset:
    """As `load_dataset`, but whatever is wrong with the rows is only listed in `problems`."""
    found = recipe_of(text)
    return read_folder(text) if found is None else _read(*found)


def _read(recipe: Recipe, folder: Path | None) -> Dataset:
    root = published_folder(recipe, folder)
    dataset = read_folder(prepare(recipe, root), published=root)
    overlaps = [one for one in dataset.problems if one.reason == "patient_overlap"]
    problems = [*dataset.problems, *_mismatches(recipe, dataset)]
    if recipe.split_overlap:
        problems = [one for one in problems if one.reason != "patient_overlap"]
    card = replace(dataset.card, notes=tuple(_notes(recipe, len(overlaps))))
    return replace(dataset, card=card, problems=tuple(problems))


def _notes(recipe: Recipe, n_overlaps: int) -> Iterable[str]:
    if recipe.split_overlap:
        key = "patients" if recipe.has_patients else "images"
        yield f"{n_overlaps} {key} stand in several official splits: {recipe.split_overlap}"
    if not recipe.has_patients:
        yield f"patients: {recipe.patient}; intervals may be too narrow"
    if recipe.hidden:
        yield recipe.hidden
    yield from recipe.remarks


def _mismatches(recipe: Recipe, dataset: Dataset) -> Iterable[Problem]:
    """One problem for every table and split that has another number of rows than published."""
    splits = {sample.id: sample.split for sample in dataset}
    loaded: dict[str, Counter[str]] = {
        "samples": Counter(splits.values()),
        "questions": Counter(splits[one.id] for one in dataset.questions),
        "phrases": Counter(splits[one.id] for one in dataset.phrases),
    }
    for table, expected in recipe.expected.items():
        for split, n_expected in expected.items():
            n_loaded = sum(loaded[table][one] for one in split.split("+"))
            if n_loaded != n_expected:
                yield Problem(
                    table,
                    "count_mismatch",
                    f"{split} {table}: n_expected = {n_expected}, n_loaded = {n_loaded}",
                )


def _because(dataset: Dataset, recipe: Recipe) -> str:
    """What often explains a count: the first refused row, or a doubt of the recipe; what to do."""
    rows = [one for one in dataset.problems if one.reason not in _FATAL]
    first = ""
    if rows:
        first = f"; {len(rows)} rows refused, the first: {rows[0].where}: {rows[0].message}"
    if recipe.unverified:
        first += f"; not verified in this recipe: {', '.join(recipe.unverified)}"
    return first + (
        "; `vesalius check` names each problem. For a deliberate part of the data set, say "
        "--allow-partial"
    )
