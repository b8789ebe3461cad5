"""The shipped mini:blip2 looks, answers and describes, loaded as a user would load it."""

import re
from collections.abc import Iterator
from importlib.resources import files
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest

import vesalius
from vesalius.data.phantom import Study, make_patient
from vesalius.data.phantom_plan import KINDS, split_of
from vesalius.models.blip2 import Blip2
from vesalius.models.conformance import check_adapter
from vesalius.records import Image, Question

FOLDER = Path(str(files("vesalius") / "minis" / "blip2"))
HUB_FILES = {
    "README.md",
    "added_tokens.json",
    "config.json",
    "generation_config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
}
DEMO_SEED = 0  # no miniature was trained on this cohort
N_PATIENTS = 40
BLANK = Image(np.zeros((256, 256), np.uint8), "yx", "display", (0.0, 255.0), source="blank")
WORDS = {
    "nodule": "nodule",
    "consolidation": "consolidation|airspace opacity",
    "effusion": "effusion|pleural fluid",
    "pneumothorax": "pneumothorax|pleural air|air in the pleural",
    "cardiomegaly": "cardiomegaly|enlarged",
}
DENIED = re.compile(r"\b(no|not|without|clear|resolved)\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def mini() -> Blip2:
    """The miniature with its default options."""
    model = vesalius.load_model("mini:blip2", device="cpu")
    assert isinstance(model, Blip2)
    return model


@pytest.fixture(scope="module")
def studies() -> list[Study]:
    """Studies of test patients of the demonstration's cohort."""
    unseen = (index for index in range(10_000) if split_of(DEMO_SEED, index) == "test")
    patients = (make_patient(DEMO_SEED, index) for index in islice(unseen, N_PATIENTS))
    return list(chain.from_iterable(patients))


def display(study: Study) -> Image:
    pixels = np.floor(study.radiograph * 255 + 0.5).astype(np.uint8)
    return Image(pixels, "yx", "display", (0.0, 255.0))


def asked(study: Study) -> Iterator[Question]:
    """Closed questions that one image can answer."""
    for question in study.questions:
        if question.type == "closed" and question.question_type != "change":
            yield question


def is_right(model: Blip2, image: Image, question: Question) -> bool:
    scores = model.score_answers(image, question.question, question.choices)
    return question.choices[int(scores.log_likelihood.argmax())] == question.answer


def test_closed_questions_need_the_image(mini: Blip2, studies: list[Study]) -> None:
    """Unseen patients: at least three in four right with the image, near chance with a blank."""
    pairs = [(display(study), question) for study in studies for question in asked(study)]
    accuracy = np.mean([is_right(mini, image, question) for image, question in pairs])
    blind = np.mean([is_right(mini, BLANK, question) for _, question in pairs])
    assert accuracy >= 0.75
    assert blind <= 0.65
    assert accuracy - blind >= 0.2


def affirmed(caption: str) -> set[str]:
    sentences = [s for s in re.split(r"[.:]\s*", caption) if not DENIED.search(s)]
    return {
        kind
        for kind in KINDS
        if any(re.search(WORDS[kind], sentence, re.IGNORECASE) for sentence in sentences)
    }


def test_captions_name_what_is_there(mini: Blip2, studies: list[Study]) -> None:
    """Findings that captions affirm are mostly present, and present ones mostly affirmed."""
    captions = mini.generate([display(study) for study in studies], [""] * len(studies))
    named = [affirmed(caption) for caption in captions]
    present = [set(study.plan.labels) for study in studies]
    right = sum(len(a & b) for a, b in zip(named, present, strict=True))
    assert right / sum(map(len, named)) >= 0.6
    assert right / sum(map(len, present)) >= 0.5
    assert all(captions)


def test_adapter_keeps_every_promise(mini: Blip2, pictures: list[Image]) -> None:
    """Trained weights, not only random ones, pass the conformance suite."""
    check_adapter(mini, pictures, ("left nodule", "normal", "large effusion"))


def test_folder_is_a_hub_checkout(mini: Blip2) -> None:
    """Genuine layout without `spiece.model`, at most 2.5 MB, head untied, an honest card."""
    assert {path.name for path in FOLDER.iterdir()} == HUB_FILES
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 2_500_000
    language = mini.parts.model.language_model
    assert language.lm_head.weight is not language.shared.weight
    assert mini.card.miniature
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "not the genuine model" in card
    assert "computer-drawn" in card
