"""Public data sets by name: facts, and readers of their published layouts.

``recipe`` is what a recipe is, ``prepare`` makes the dataset folder, ``conformance`` is what every
recipe must keep. One module per family holds facts and readers, or where they are long, two.
"""

from collections.abc import Mapping

from vesalius.data.recipes import (
    captions,
    chest_table,
    fundus,
    medmnist,
    outlines_table,
    tissue,
    volumes_table,
    vqa_table,
)
from vesalius.data.recipes.recipe import Recipe

_FAMILIES = (
    medmnist.RECIPES,
    vqa_table.RECIPES,
    captions.RECIPES,
    chest_table.RECIPES,
    outlines_table.RECIPES,
    volumes_table.RECIPES,
    tissue.RECIPES,
    fundus.RECIPES,
)

RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for family in _FAMILIES for recipe in family}
