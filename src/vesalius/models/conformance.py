"""What `isinstance` cannot see: whether a model keeps the promises of its capabilities.

Works on any object with the methods of `vesalius.capabilities`, also on your own; numpy only.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from vesalius.capabilities import (
    AnswerScorer,
    Attributor,
    DenseEncoder,
    DualEncoder,
    Framed,
    Generator,
    ImageEncoder,
    ImageGenerator,
    Model,
    PriorEncoder,
    SeveralImages,
    TextEncoder,
    TextScorer,
    WordEncoder,
)
from vesalius.errors import InputError, ModelError
from vesalius.models.conformance_generators import (
    answer_faults,
    drawing_faults,
    generation_faults,
    several_faults,
)
from vesalius.models.conformance_grids import (
    dense_faults,
    frame_faults,
    map_faults,
    place_faults,
)
from vesalius.models.conformance_rows import array_faults, prior_faults, row_faults
from vesalius.models.conformance_words import word_faults, word_form_faults
from vesalius.records import Image, ModelCard

CHECKED = (
    ImageEncoder,
    TextEncoder,
    DenseEncoder,
    PriorEncoder,
    TextScorer,
    AnswerScorer,
    Generator,
    Attributor,
    ImageGenerator,
    WordEncoder,
)


def check_adapter(
    model: object, images: Sequence[Image], texts: Sequence[str], /, *, tolerance: float = 1e-4
) -> None:
    """Raise if `model` breaks a promise of a capability that it has, and list all it breaks.

    Checked: the card; for encoders finite float32 rows of unit length, one a input, equal on
    repetition, independent of order, neighbours and batch size, and different for different inputs;
    for words one finite float32 array a text, of one width and under the same conditions, with one
    row for an empty text; for dense encoders a row-major grid with its origin at the top left; for
    scorers a score for each pair to which both image and text matter; for a `geometry`, that
    nothing outside the rectangle changes the embedding, something inside does, and cells of the
    grid lie where it puts them. A prior changes the row and its absence does not. Log-likelihoods
    of answers are finite and not above 0, with a positive number of tokens, independent of order
    and number of the candidates, and image, prompt and candidate matter. Generated texts are one
    string a prompt, without the prompt, the same alone as in a batch. Attribution is a finite
    float32 map that is not constant, depends on image and text and is the right way up.

    Not checked, because it cannot be: whether answers are any good, and that another prompt gives
    another text (a small model may say the same to everything).

    Args:
        model: any object with one of the methods of `vesalius.capabilities`.
        images: at least two different 2D images, better of different shapes.
        texts: at least two texts of different meaning and length; they serve as captions, as
            questions and as answers.
        tolerance: largest difference that counts as rounding.

    Raises:
        InputError: if there are fewer than two images or texts, or nothing can be checked.
        ModelError: if a promise is broken; the message lists every one.
    """
    if len(images) < 2 or len(texts) < 2:
        raise InputError(f"expected two images and texts, got {len(images)} and {len(texts)}")
    if not isinstance(model, CHECKED):
        raise InputError(f"{type(model).__name__} has none of the capabilities that are checked")
    broken = list(_broken_promises(model, images, texts, tolerance))
    if broken:
        raise ModelError(f"{type(model).__name__}: " + "; ".join(broken))


def _broken_promises(
    model: object, images: Sequence[Image], texts: Sequence[str], tolerance: float
) -> Iterator[str]:
    malformed = [*_card_faults(model), *_form_faults(model, images, texts)]
    yield from malformed
    if malformed:  # numbers of a wrong form cannot be compared
        return
    if isinstance(model, ImageEncoder):
        yield from row_faults("encode_images", model.encode_images, images, tolerance)
    if isinstance(model, TextEncoder):
        yield from row_faults("encode_texts", model.encode_texts, texts, tolerance)
    if isinstance(model, DualEncoder):
        yield from _scale_faults(model)
    if isinstance(model, TextScorer):
        yield from _score_faults(model, images, texts, tolerance)
    yield from _place_faults(model, images, tolerance)
    yield from _other_faults(model, images, texts, tolerance)


def _place_faults(model: object, images: Sequence[Image], tolerance: float) -> Iterator[str]:
    """Of grids, and of the rectangle that the model sees."""
    if isinstance(model, DenseEncoder):
        yield from dense_faults(model, images, tolerance)
    if isinstance(model, Framed) and isinstance(model, ImageEncoder):
        yield from frame_faults(model, model.encode_images, images, tolerance)
    if isinstance(model, Framed) and isinstance(model, DenseEncoder):
        yield from place_faults(model, model)


def _other_faults(
    model: object, images: Sequence[Image], texts: Sequence[str], tolerance: float
) -> Iterator[str]:
    """Of words, priors, answers, generated texts, maps and pictures."""
    if isinstance(model, WordEncoder):
        yield from word_faults(model, texts, tolerance)
    if isinstance(model, PriorEncoder):
        yield from prior_faults(model, images, tolerance)
    if isinstance(model, AnswerScorer):
        yield from answer_faults(model, images, texts, tolerance)
    if isinstance(model, Generator):
        yield from generation_faults(model, images, texts)
    if isinstance(model, SeveralImages):
        yield from several_faults(model, images, texts, tolerance)
    if isinstance(model, Attributor):
        yield from map_faults(model, images, texts)
    if isinstance(model, ImageGenerator):
        yield from drawing_faults(model, texts)


def _form_faults(model: object, images: Sequence[Image], texts: Sequence[str]) -> Iterator[str]:
    """Types, shapes and finiteness of all embeddings."""
    n, m = len(images), len(texts)
    if isinstance(model, ImageEncoder):
        yield from array_faults("encode_images", model.encode_images(images), (n, None))
    if isinstance(model, TextEncoder):
        yield from array_faults("encode_texts", model.encode_texts(texts), (m, None))
    if isinstance(model, WordEncoder):
        yield from word_form_faults(model, texts)
    if isinstance(model, DenseEncoder):
        yield from array_faults("encode_dense", model.encode_dense(images), (n, None, None, None))
    if isinstance(model, DualEncoder):
        yield from _space_faults(model, images, texts)


def _card_faults(model: object) -> Iterator[str]:
    if isinstance(model, Model):  # optional: any object with the right methods is a model
        card: object = model.card
        if not isinstance(card, ModelCard):
            yield f"card: expected a ModelCard, got {type(card).__name__}"


def _space_faults(
    model: DualEncoder, images: Sequence[Image], texts: Sequence[str]
) -> Iterator[str]:
    widths = [np.shape(f)[-1] for f in (model.encode_images(images), model.encode_texts(texts))]
    if widths[0] != widths[1]:
        yield f"dual encoder: images have {widths[0]} dimensions, texts {widths[1]}"


def _scale_faults(model: DualEncoder) -> Iterator[str]:
    if not (np.isfinite(model.logit_scale) and model.logit_scale > 0):
        yield f"logit_scale: expected a positive number, got {model.logit_scale!r}"


def _score_faults(
    model: TextScorer, images: Sequence[Image], texts: Sequence[str], tolerance: float
) -> Iterator[str]:
    name = "score_texts"
    scores = model.score_texts(images, texts)
    malformed = list(array_faults(name, scores, (len(images), len(texts))))
    yield from malformed
    if malformed:
        return
    if np.ptp(scores, axis=0).max() <= tolerance:
        yield f"{name}: the image does not matter"
    if np.ptp(scores, axis=1).max() <= tolerance:
        yield f"{name}: the text does not matter"
    single = np.stack([model.score_texts(images, [text])[:, 0] for text in texts], axis=1)
    scale = max(1.0, float(np.abs(scores).max()))
    if np.abs(single - scores).max() > tolerance * scale:
        yield f"{name}: a score depends on the other texts"
