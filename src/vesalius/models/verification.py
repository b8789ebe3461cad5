"""Whether a loaded model is what its name promises: one check a property, each with its reason.

Numpy only; the model is any loaded adapter.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from vesalius.capabilities import (
    CAPABILITIES,
    AnswerScorer,
    DualEncoder,
    Generator,
    ImageEncoder,
    TextEncoder,
)
from vesalius.models.checkpoint import PICKLES
from vesalius.models.request import ModelRequest
from vesalius.records import Image, ModelCard

PARAMETER_TOLERANCE = 1e-3
LOGIT_SCALE_TOLERANCE = 1e-3
TEXTS = ("a chest x-ray", "pneumonia")
QUESTION = "Is this a chest x-ray?"
ANSWERS = ("yes", "no")


@runtime_checkable
class Counted(Protocol):
    """A model that knows its size."""

    @property
    def n_parameters(self) -> int:
        """Number of parameters."""
        ...


@dataclass(frozen=True, slots=True)
class Check:
    """One property of a model.

    Attributes:
        passed: None where nothing is known beforehand, so that the value can only be noted.
    """

    name: str
    value: str
    passed: bool | None = None
    reason: str = ""


def verify(model: object, card: ModelCard, request: ModelRequest, /) -> list[Check]:
    """Every check of a loaded model, in the order in which they are shown.

    Args:
        model: the loaded adapter.
        card: its identity.
        request: what was asked for; the catalog's expectations hold for published weights only.
    """
    return [
        *_identity(card, request),
        *_hashes(card, request),
        *_parameters(model, request),
        _capabilities(model, request),
        *_scale(model, request),
        *_answers(model),
    ]


def standard_image() -> Image:
    """A disc on a ramp, 240 × 320: the same picture on every machine."""
    rows, columns = np.mgrid[0:240, 0:320]
    ramp = 40 + 120 * columns / 319
    disc = (rows - 100) ** 2 + (columns - 200) ** 2 < 60**2
    pixels = np.where(disc, 230, ramp).astype(np.uint8)
    return Image(pixels, "yx", "display", (0.0, 255.0), source="test image")


def _identity(card: ModelCard, request: ModelRequest) -> Iterator[Check]:
    yield Check("source", card.source)
    if request.kind == "hub":
        pinned = request.entry.revision
        yield Check(
            "revision",
            card.revision,
            card.revision == pinned if pinned else None,
            f"pinned is {pinned}" if pinned else request.entry.revision_note,
        )
    research = "; FOR RESEARCH ONLY" if request.entry.research_only and not card.miniature else ""
    yield Check("licence", (card.license or "unknown: see where the files come from") + research)
    yield Check("dtype, processor", f"{card.dtype}, {card.processor}")
    yield Check("fingerprint", card.fingerprint)


def _hashes(card: ModelCard, request: ModelRequest) -> Iterator[Check]:
    """SHA-256 of each file, compared where the catalog knows that of the published one."""
    is_published = request.kind == "hub"
    for name, digest in card.weights.items():
        known = frozenset({request.entry.expected.safetensors.get(name, "")} - {""})
        if name.endswith(PICKLES):
            known = request.entry.pickles
        compared = bool(known) and is_published
        yield Check(name, digest, digest in known if compared else None, _or(sorted(known)))


def _or(words: Sequence[str]) -> str:
    return f"the catalog has {' or '.join(words)}" if words else ""


def _parameters(model: object, request: ModelRequest) -> Iterator[Check]:
    if not isinstance(model, Counted):  # such as a served model
        return
    found, expected = model.n_parameters, request.entry.expected.parameters
    if not expected or request.kind != "hub":
        yield Check("parameters", f"{found:,}")
        return
    close = abs(found - expected) <= PARAMETER_TOLERANCE * expected
    yield Check("parameters", f"{found:,}", close, f"the published model has {expected:,}")


def _capabilities(model: object, request: ModelRequest) -> Check:
    """Those of the loaded object, against those that `vesalius models` announces."""
    has = {name for name, kind in CAPABILITIES.items() if isinstance(model, kind)}
    declared = set(request.entry.capabilities)
    in_order = ", ".join(name for name in CAPABILITIES if name in has)
    return Check("capabilities", in_order, has == declared, f"declared: {', '.join(declared)}")


def _scale(model: object, request: ModelRequest) -> Iterator[Check]:
    if not isinstance(model, DualEncoder):
        return
    found, expected = model.logit_scale, request.entry.expected.logit_scale
    if expected is None or request.kind != "hub":
        is_number = bool(np.isfinite(found) and found > 0)
        yield Check("logit scale", f"{found:.4f}", is_number, "expected a positive number")
        return
    close = abs(found - expected) <= LOGIT_SCALE_TOLERANCE * expected
    yield Check("logit scale", f"{found:.4f}", close, f"the published model has {expected}")


def _answers(model: object) -> Iterator[Check]:
    """Numbers of fixed inputs: equal on two machines if everything before them is."""
    image = standard_image()
    if isinstance(model, TextEncoder):
        rows = model.encode_texts(TEXTS)
        yield _number(f"cosine of {TEXTS[0]!r} and {TEXTS[1]!r}", float(rows[0] @ rows[1]))
    if isinstance(model, DualEncoder):
        row = model.encode_images([image])[0]
        cosine = float(row @ model.encode_texts(TEXTS[:1])[0])
        yield _number(f"cosine of the test image and {TEXTS[0]!r}", cosine)
    elif isinstance(model, ImageEncoder):
        row = model.encode_images([image])[0]
        yield _number("first value of the test image's embedding", float(row[0]))
    if isinstance(model, AnswerScorer):
        scores = model.score_answers(image, QUESTION, ANSWERS).log_likelihood
        for answer, score in zip(ANSWERS, scores, strict=True):
            yield _number(f"log-likelihood of {answer!r} to {QUESTION!r}", float(score))
    if isinstance(model, Generator):
        yield Check(f"answer to {QUESTION!r}", repr(model.generate([image], [QUESTION])[0]))


def _number(name: str, value: float) -> Check:
    return Check(name, f"{value:.6f}", bool(np.isfinite(value)), "expected a finite number")
