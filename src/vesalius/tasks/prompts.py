"""From class names and templates to one text embedding per class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from vesalius.errors import InputError
from vesalius.records import DatasetCard

Average = Literal["normalised", "mean-cosine"]
EncodeTexts = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True, slots=True)
class Prompts:
    """Filled prompts of every class, ``texts[class][template]`` → one per name of the class."""

    classes: tuple[str, ...]
    texts: tuple[tuple[tuple[str, ...], ...], ...]

    @property
    def n_templates(self) -> int:
        """Number of templates."""
        return len(self.texts[0])

    def only(self, template: int, /) -> "Prompts":
        """The same classes with a single template."""
        return Prompts(self.classes, tuple((per_class[template],) for per_class in self.texts))


def fill(template: str, name: str, /) -> str:
    """Put a class name into a template's ``{}``; other braces stay as they are.

    >>> fill("chest x-ray showing {}", "pneumonia")
    'chest x-ray showing pneumonia'
    """
    if template.count("{}") != 1:
        raise InputError(f"a template must contain '{{}}' exactly once, got {template!r}")
    return template.replace("{}", name)


def class_prompts(
    card: DatasetCard, /, *, templates: Sequence[str] = (), wording: str = "{}"
) -> Prompts:
    """Every template filled with every name of every class.

    Args:
        card: names of the classes, and the templates unless `templates` are given.
        templates: used instead of the card's own.
        wording: what a name becomes before it goes into the template, e.g. ``no {}``.
    """
    used = tuple(templates) or card.templates
    texts = tuple(
        tuple(tuple(fill(t, fill(wording, name)) for name in names or (label,)) for t in used)
        for label, names in card.classes.items()
    )
    return Prompts(tuple(card.classes), texts)


def class_embeddings(
    prompts: Prompts, encode: EncodeTexts, /, *, average: Average = "normalised"
) -> Float[np.ndarray, "classes dim"]:
    """Mean of the unit embeddings of a class's prompts.

    ``normalised``: the mean is scaled back to length 1, as for CLIP (Radford et al. 2021,
    arXiv:2103.00020, section 3.1.4). ``mean-cosine``: it is left as it is, so that its product
    with an image is the mean cosine over the prompts. Prompts that cancel out exactly give a
    row of zeros.
    """
    per_class = [[text for texts in one for text in texts] for one in prompts.texts]
    unique = list(dict.fromkeys(text for texts in per_class for text in texts))
    rows = np.asarray(encode(unique), dtype=np.float64)
    place = {text: i for i, text in enumerate(unique)}
    units = unit_rows(rows)
    means = np.stack([units[[place[t] for t in texts]].mean(axis=0) for texts in per_class])
    return unit_rows(means) if average == "normalised" else means


def unit_rows(rows: Float[np.ndarray, "n dim"], /) -> Float[np.ndarray, "n dim"]:
    """Scale rows to length 1; rows of zeros stay zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)
