"""`check_recipe`: what every recipe must keep, beyond what types can say."""

import re

from vesalius.data.recipes.recipe import TABLES, HubFiles, Recipe, WebFile
from vesalius.errors import InputError
from vesalius.records import MODALITIES, SPLITS, TASKS

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_HASHES = {"md5": re.compile(r"[0-9a-f]{32}"), "sha256": re.compile(r"[0-9a-f]{64}")}
_SAID = ("title", "url", "license", "citation", "split", "patient", "steps", "needs", "tasks")


def check_recipe(recipe: Recipe, /) -> None:
    """Check the facts of a recipe.

    Raises:
        InputError: naming everything that is wrong.
    """
    faults = [*_statements(recipe), *_names(recipe), *_counts(recipe), *_files(recipe)]
    if faults:
        raise InputError(f"recipe {recipe.name!r}: " + "; ".join(faults))


def _statements(recipe: Recipe) -> list[str]:
    faults = [f"{field} is empty" for field in _SAID if not getattr(recipe, field)]
    if not recipe.url.startswith("https://"):
        faults.append("url does not begin with https://")
    if not re.search(r"doi:10\.\d+/|arXiv:\d{4}\.\d{4,5}|CEUR|https://", recipe.citation):
        faults.append("the citation has neither DOI nor arXiv number nor address")
    if (recipe.classes or recipe.structure_prompts) and not recipe.prompts_from:
        faults.append("prompts_from does not say where the prompts come from")
    counted = {part for counts in recipe.expected.values() for key in counts
               for part in key.split("+")}  # fmt: skip
    if "test" not in counted:
        words = " ".join((*recipe.unverified, recipe.hidden)).lower()
        if "unknown" not in words:
            faults.append("a count is not given and unverified does not say that it is unknown")
    return faults


def _names(recipe: Recipe) -> list[str]:
    faults = []
    if not _NAME.fullmatch(recipe.name):
        faults.append("the name is not made of small letters, digits, dots and hyphens")
    if recipe.modality not in MODALITIES:
        faults.append(f"unknown modality {recipe.modality!r}")
    faults += [f"unknown task {task!r}" for task in recipe.tasks if task not in TASKS]
    if recipe.dimensions not in (2, 3):
        faults.append(f"dimensions are {recipe.dimensions}")
    if "classification" in recipe.tasks and len(recipe.classes) < 2:
        faults.append("classification without two classes")
    if "segmentation" in recipe.tasks and set(recipe.structures) != set(recipe.structure_prompts):
        faults.append("segmentation without a prompt for every structure")
    if recipe.positive is not None and recipe.positive not in recipe.classes:
        faults.append(f"positive {recipe.positive!r} is no class")
    faults += [f"template {one!r}" for one in recipe.templates if one.count("{}") != 1]
    return faults


def _counts(recipe: Recipe) -> list[str]:
    return [
        f"expected {table} {split}: {count}"
        for table, counts in recipe.expected.items()
        for split, count in counts.items()
        if table not in TABLES or not set(split.split("+")) <= set(SPLITS) or count < 1
    ]


def _files(recipe: Recipe) -> list[str]:
    faults = []
    for one in recipe.get:
        if isinstance(one, HubFiles):
            faults += [f"{one.repo} is no repository"] * (one.repo.count("/") != 1)
        else:
            faults += _hash_faults(one)
    return faults


def _hash_faults(file: WebFile) -> list[str]:
    faults = [f"{file.url} is no address"] * (not file.url.startswith("https://"))
    for field, pattern in _HASHES.items():
        value = getattr(file, field)
        if value and not pattern.fullmatch(value):
            faults.append(f"{field} of {file.name}")
    return faults
