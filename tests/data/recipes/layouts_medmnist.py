"""MedMNIST files: arrays as the publisher names and shapes them."""

from pathlib import Path

import numpy as np
from published import Layout, pixels

from vesalius.data.recipes import RECIPES
from vesalius.data.recipes.recipe import Recipe

_COLOURED = ("path", "derma", "retina", "blood")
_N = {"train": 4, "val": 2, "test": 4}


def _build(recipe: Recipe, root: Path) -> None:
    shape: tuple[int, ...] = (8, 8)
    if recipe.dimensions == 3:
        shape = (8, 8, 8)
    elif recipe.name.startswith(_COLOURED):
        shape = (8, 8, 3)
    n_classes = len(recipe.classes)
    arrays = {}
    for number, (split, n) in enumerate(_N.items()):
        arrays[f"{split}_images"] = pixels(number, (n, *shape))
        labels = np.arange(n)[:, None] % n_classes
        if recipe.multilabel:  # no finding, then one more of them each row
            labels = np.arange(n_classes)[None, :] < np.arange(n)[:, None]
        arrays[f"{split}_labels"] = labels.astype(np.uint8)
    np.savez_compressed(root / recipe.needs[0], **arrays)


def _layout(recipe: Recipe) -> Layout:
    first = next(iter(recipe.classes))
    labels = () if recipe.multilabel else (first,)
    is_run = recipe.name in ("pneumoniamnist", "chestmnist_64", "nodulemnist3d")
    return Layout(
        lambda root: _build(recipe, root),
        {"samples": _N},
        "classification" if is_run else "",
        "zero-shot",
        {"labels": labels, "labelled": True, "id": "train-000000"},
    )


LAYOUTS = {r.name: _layout(r) for r in RECIPES.values() if r.folder == "medmnist"}
