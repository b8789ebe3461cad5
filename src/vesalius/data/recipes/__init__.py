"""Public data sets by name: facts, and readers of their published layouts.

``recipe`` is what a recipe is, ``prepare`` makes the dataset folder, ``conformance`` is what every
recipe must keep. One module per family holds the facts, and where they are long, one beside it the
readers.
"""

from collections.abc import Mapping

from vesalius.data.recipes import medmnist, vqa_table
from vesalius.data.recipes.recipe import Recipe

_FAMILIES = (medmnist.RECIPES, vqa_table.RECIPES)

RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for family in _FAMILIES for recipe in family}
