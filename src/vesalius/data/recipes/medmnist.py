"""MedMNIST v2: 12 subsets of pictures and 6 of volumes, each in several sizes.

Layout: one file ``SUBSET.npz`` (28 pixels) or ``SUBSET_64.npz``, ``_128``, ``_224`` per subset
and size, all in one folder. Each holds ``train_images``, ``train_labels``, ``val_…`` and
``test_…``, uint8; images are (n, side, side), (n, side, side, 3) or (n, side, side, side), labels
(n, 1), or (n, 14) of zeros and ones for ChestMNIST. Because one file holds all images, pictures
are written out as PNG and volumes as ``.npz``.

Source: Yang et al. (2023), doi:10.1038/s41597-022-01721-8; the publisher's package, 3.0.2.
"""

from collections.abc import Iterator, Mapping
from itertools import zip_longest

import numpy as np
from jaxtyping import Integer

from vesalius.data.reading import Reading
from vesalius.data.recipes.medmnist_table import SUBSETS, Subset
from vesalius.data.recipes.pictures_out import items_of_npz, write_png
from vesalius.data.recipes.recipe import Recipe, Source, TableRow, Tables, WebFile
from vesalius.records import SPLITS, Split

_RECORD = "https://zenodo.org/records/10519652/files"


def read(recipe: Recipe, source: Source, /) -> Tables:
    """Write out the images of one file, and list them with their labels."""
    return Tables([row for split in SPLITS for row in _rows(recipe, source, split)])


def _rows(recipe: Recipe, source: Source, split: Split) -> Iterator[TableRow]:
    name = recipe.needs[0]
    reading = Reading(source=name)
    images = items_of_npz(source.root / name, f"{split}_images", reading)
    labels = items_of_npz(source.root / name, f"{split}_labels", reading)
    for index, (image, label) in enumerate(zip_longest(images, labels)):
        if image is None or label is None:
            raise source.error(source.root / name, f"{split}: images and labels differ in number")
        stem = f"images/{split}/{index:06d}"
        if recipe.dimensions == 2:
            write_png(source.place(f"{stem}.png"), image)
        else:
            np.savez(source.place(f"{stem}.npz"), image=image, intensity="display")
        yield {
            "id": f"{split}-{index:06d}",
            "split": split,
            "image": f"{stem}.{'png' if recipe.dimensions == 2 else 'npz'}",
            "label": _label(label, recipe),
        }


def _label(values: Integer[np.ndarray, "n"], recipe: Recipe) -> str:
    """Class names of a row of labels; a number without a class stays a number, and is refused."""
    names = dict(enumerate(recipe.classes))
    numbers = np.flatnonzero(values) if recipe.multilabel else values
    return "|".join(names.get(int(number), f"label {number}") for number in numbers)


def _recipe(name: str, subset: Subset, side: int, md5: str) -> Recipe:
    stem = name if side == 28 else f"{name}_{side}"
    is_volume = name.endswith("3d")
    expected: Mapping[str, int] = dict(zip(SPLITS, subset.counts, strict=True))
    return Recipe(
        name=stem,
        title=f"MedMNIST v2 {name}, {side} pixels: {subset.title}",
        tasks=("classification", "generation"),
        modality=subset.modality,
        dimensions=3 if is_volume else 2,
        read=read,
        needs=(f"{stem}.npz",),
        folder="medmnist",
        classes={name: (prompt,) for name, prompt in subset.labels.items()},
        positive=subset.positive,
        multilabel=subset.multilabel,
        templates=(subset.seen_as,),
        prompts_from="class names: the publisher's package; prompts and template: Vesalius",
        url="https://medmnist.com",
        license=subset.license,
        citation=(
            "Yang et al. (2023), MedMNIST v2, doi:10.1038/s41597-022-01721-8; cite the subset's "
            "own source as well"
        ),
        split="official, in the file",
        expected={"samples": expected},
        patient="no key is published; each image counts as a patient",
        remarks=subset.notes,
        get=(WebFile(f"{_RECORD}/{stem}.npz?download=1", f"{stem}.npz", md5=md5),),
        steps=(f"put {stem}.npz of Zenodo record 10519652 into the folder",),
    )


RECIPES = tuple(
    _recipe(name, subset, side, md5)
    for name, subset in SUBSETS.items()
    for side, md5 in subset.md5.items()
)
