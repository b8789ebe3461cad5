"""Promises about language: log-likelihoods of answers, and generated texts."""

from collections.abc import Iterator, Sequence
from itertools import cycle, islice

import numpy as np

from vesalius.capabilities import (
    AnswerScorer,
    AnswerScores,
    Generator,
    ImageGenerator,
    SeveralImages,
)
from vesalius.records import Image


def answer_faults(
    model: AnswerScorer, images: Sequence[Image], texts: Sequence[str], tolerance: float
) -> Iterator[str]:
    """Form first; numbers of a wrong form are not compared."""
    scores = model.score_answers(images[0], texts[0], texts)
    caption = model.score_answers(images[0], "", texts)
    malformed = [*_form_faults(scores, len(texts)), *_form_faults(caption, len(texts))]
    yield from dict.fromkeys(malformed)
    if not malformed:
        yield from _candidate_faults(model, images[0], texts, scores, tolerance)
        yield from _input_faults(model, images, texts, scores, tolerance)


def _form_faults(scores: object, n: int) -> Iterator[str]:
    name = "score_answers"
    if not isinstance(scores, AnswerScores):
        yield f"{name}: expected AnswerScores, got {type(scores).__name__}"
        return
    values, counts = (np.asarray(a) for a in (scores.log_likelihood, scores.n_tokens))
    if values.shape != (n,) or not np.issubdtype(values.dtype, np.floating):
        yield f"{name}: expected {n} floats, got {values.dtype} of shape {values.shape}"
    elif not np.isfinite(values).all():
        yield f"{name}: {np.count_nonzero(~np.isfinite(values))} log-likelihoods are not finite"
    elif values.max() > 1e-6:
        yield f"{name}: a log-likelihood is above 0 ({values.max():.3g})"
    if counts.shape != (n,) or not np.issubdtype(counts.dtype, np.integer):
        yield f"{name}: expected {n} whole numbers of tokens, got {counts.dtype} {counts.shape}"
    elif counts.min() < 1:
        yield f"{name}: an answer has {counts.min()} tokens; the end token counts too"


def _candidate_faults(
    model: AnswerScorer,
    image: Image,
    texts: Sequence[str],
    scores: AnswerScores,
    tolerance: float,
) -> Iterator[str]:
    """What else is among the candidates must not matter."""
    name, prompt = "score_answers", texts[0]
    again = model.score_answers(image, prompt, texts)
    if not np.array_equal(again.log_likelihood, scores.log_likelihood):
        yield f"{name}: a second call gives other numbers"
        return
    backwards = model.score_answers(image, prompt, list(texts)[::-1])
    if _differ(_reversed(backwards), scores, tolerance):
        yield f"{name}: the order of the candidates matters"
    single = [model.score_answers(image, prompt, [text]) for text in texts]
    joined = AnswerScores(
        np.concatenate([one.log_likelihood for one in single]),
        np.concatenate([one.n_tokens for one in single]),
    )
    if _differ(joined, scores, tolerance):
        yield f"{name}: the number of candidates matters"


def _input_faults(
    model: AnswerScorer,
    images: Sequence[Image],
    texts: Sequence[str],
    scores: AnswerScores,
    tolerance: float,
) -> Iterator[str]:
    """Image, prompt and candidate must matter."""
    name = "score_answers"
    if not _differ(model.score_answers(images[1], texts[0], texts), scores, tolerance):
        yield f"{name}: the image does not matter"
    if not _differ(model.score_answers(images[0], texts[1], texts), scores, tolerance):
        yield f"{name}: the prompt does not matter"
    if np.ptp(scores.log_likelihood) <= tolerance:
        yield f"{name}: the candidate does not matter"


def _reversed(scores: AnswerScores) -> AnswerScores:
    return AnswerScores(scores.log_likelihood[::-1], scores.n_tokens[::-1])


def _differ(one: AnswerScores, other: AnswerScores, tolerance: float) -> bool:
    """Whether log-likelihoods differ by more than rounding, or the numbers of tokens at all."""
    if one.log_likelihood.shape != other.log_likelihood.shape:
        return True
    scale = max(1.0, float(np.abs(other.log_likelihood).max()))
    apart = np.abs(one.log_likelihood - other.log_likelihood).max() > tolerance * scale
    return bool(apart) or not np.array_equal(one.n_tokens, other.n_tokens)


def generation_faults(
    model: Generator, images: Sequence[Image], texts: Sequence[str]
) -> Iterator[str]:
    """One string a prompt, repeatable, the same alone as in a batch, without the prompt."""
    name = "generate"
    prompts = list(islice(cycle([*texts, ""]), len(images)))
    answers: object = model.generate(images, prompts)
    if not isinstance(answers, list) or not all(isinstance(text, str) for text in answers):
        yield f"{name}: expected a list of strings, got {answers!r}"
        return
    if len(answers) != len(prompts):
        yield f"{name}: expected one text a prompt, got {len(answers)} for {len(prompts)}"
        return
    if model.generate(images, prompts) != answers:
        yield f"{name}: a second call gives other texts"
        return
    single = [model.generate([i], [p])[0] for i, p in zip(images, prompts, strict=True)]
    if single != answers:
        yield f"{name}: a text depends on the batch"
    asked = [(text, prompt) for text, prompt in zip(answers, prompts, strict=True) if prompt]
    if all(text.strip().startswith(prompt.strip()) for text, prompt in asked):
        yield f"{name}: the answer begins with the prompt"
    if not all(isinstance(text, str) for text in model.generate(images[:1], [""])):
        yield f"{name}: an empty prompt gives no caption"


def several_faults(
    model: SeveralImages, images: Sequence[Image], texts: Sequence[str], tolerance: float
) -> Iterator[str]:
    """One of several images is the single image, and the order of images matters."""
    name, prompt = "score_answers_about", texts[0]
    one = model.score_answers_about(images[:1], prompt, texts)
    malformed = [
        fault.replace("score_answers:", f"{name}:") for fault in _form_faults(one, len(texts))
    ]
    yield from malformed
    if malformed:
        return
    if isinstance(model, AnswerScorer) and _differ(
        model.score_answers(images[0], prompt, texts), one, tolerance
    ):
        yield f"{name}: one image gives other numbers than score_answers"
    there, back = (
        model.score_answers_about(shown, prompt, texts) for shown in (images[:2], images[1::-1])
    )
    if not _differ(there, back, tolerance):
        yield f"{name}: the order of the images does not matter"
    text: object = model.answer_about(images[:1], prompt)
    if not isinstance(text, str):
        yield f"answer_about: expected a string, got {text!r}"
    elif isinstance(model, Generator) and model.generate(images[:1], [prompt]) != [text]:
        yield "answer_about: one image gives another text than generate"


def drawing_faults(model: ImageGenerator, texts: Sequence[str]) -> Iterator[str]:
    """One finite picture a text, repeatable, the same in other company; the text must matter."""
    name = "generate_images"
    drawn: object = model.generate_images(texts)
    if not isinstance(drawn, list) or not all(
        isinstance(image, Image) and not image.is_volume for image in drawn
    ):
        yield f"{name}: expected a list of 2D images, got {type(drawn).__name__}"
        return
    if len(drawn) != len(texts):
        yield f"{name}: expected one image a text, got {len(drawn)} for {len(texts)}"
        return
    pictures = [image.pixels for image in drawn]
    if not all(np.isfinite(picture).all() for picture in pictures):
        yield f"{name}: a picture is not finite"
    if not _alike(pictures, [image.pixels for image in model.generate_images(texts)]):
        yield f"{name}: a second call gives other pictures"
    elif not _alike(pictures, [model.generate_images([text])[0].pixels for text in texts]):
        yield f"{name}: a picture depends on the other texts"
    if _alike(pictures[:-1], pictures[1:]):
        yield f"{name}: the text does not matter"


def _alike(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))
