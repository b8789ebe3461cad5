"""Which findings a caption names, and how well a captioner names those of unseen patients."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minis.answering import display
from vesalius.capabilities import Generator
from vesalius.data.phantom import Study
from vesalius.data.phantom_plan import KINDS, Kind
from vesalius.data.phantom_text import NAMES

ALSO: dict[Kind, tuple[str, ...]] = {
    "consolidation": ("airspace opacity", "airspace consolidation"),
    "cardiomegaly": ("is enlarged", "enlarged heart", "enlarged cardiac"),
}
DENIED = ("no ", "not ", "clear", "resol", "normal", "sharp")


@dataclass(frozen=True, slots=True)
class CaptionQuality:
    """Agreement of the findings named with those that are there, over all images and kinds.

    Attributes:
        precision: share of the named that are there; NaN when none is named.
        recall: share of those there that are named.
        blind: recall from a blank image.
        examples: captions of the first images, with the kinds that are there.
    """

    precision: float
    recall: float
    blind: float
    examples: tuple[tuple[str, str], ...]


def kinds_named(text: str) -> set[Kind]:
    """Kinds that a sentence of the text states, and none denies them in the same sentence."""
    named: set[Kind] = set()
    for sentence in text.lower().split("."):
        if not any(word in f"{sentence} " for word in DENIED):
            named |= {
                kind
                for kind in KINDS
                if any(name in sentence for name in (*NAMES[kind], *ALSO.get(kind, ())))
            }
    return named


def measure_captions(
    model: Generator, studies: Sequence[Study], blank: str, *, n_studies: int = 100
) -> CaptionQuality:
    """Caption the first `n_studies`; `blank` is the caption of a blank image."""
    chosen = studies[:n_studies]
    texts = model.generate([display(study) for study in chosen], [""] * len(chosen))
    there = np.array([[kind in study.plan.labels for kind in KINDS] for study in chosen])
    said = np.array([[kind in kinds_named(text) for kind in KINDS] for text in texts])
    unseen = np.array([kind in kinds_named(blank) for kind in KINDS])
    right = (there & said).sum()
    shown = [
        (text, ", ".join(s.plan.labels) or "none") for text, s in zip(texts, chosen, strict=True)
    ]
    return CaptionQuality(
        precision=float(right / said.sum()) if said.any() else float("nan"),
        recall=float(right / there.sum()),
        blind=float((there & unseen).sum() / there.sum()),
        examples=tuple(shown[:3]),
    )
