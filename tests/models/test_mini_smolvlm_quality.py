"""The shipped mini:smolvlm does what its card says, through the code that loads the genuine one."""

from collections.abc import Sequence
from importlib.resources import files
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest

from vesalius import load_model
from vesalius.data.phantom import Study, make_patient
from vesalius.data.phantom_plan import split_of
from vesalius.data.phantom_questions import place_phrase
from vesalius.models.smolvlm import SmolVlm
from vesalius.records import Image, Question

FOLDER = Path(str(files("vesalius"))) / "minis" / "smolvlm"
HUB_FILES = {
    "README.md",
    "added_tokens.json",
    "chat_template.json",
    "config.json",
    "generation_config.json",
    "merges.txt",
    "model.safetensors",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
}
DEMO_SEED = 0  # the miniature was not trained on this cohort
N_PATIENTS = 24
BLANK = Image(np.zeros((256, 256), np.uint8), "yx", "display", (0.0, 255.0), source="blank")
WORDS = {
    "nodule": "nodule",
    "consolidation": "consolidation",
    "effusion": "effusion",
    "pneumothorax": "pneumothorax",
    "cardiomegaly": "enlarged",
}


@pytest.fixture(scope="module")
def mini() -> SmolVlm:
    """As a user loads it."""
    model = load_model("mini:smolvlm", device="cpu")
    assert isinstance(model, SmolVlm)
    return model


@pytest.fixture(scope="module")
def studies() -> list[Study]:
    """Studies of test patients of the demonstration's cohort."""
    unseen = (index for index in range(10_000) if split_of(DEMO_SEED, index) == "test")
    patients = (make_patient(DEMO_SEED, index) for index in islice(unseen, N_PATIENTS))
    return list(chain.from_iterable(patients))


def shown(study: Study) -> Image:
    grey = np.floor(study.radiograph * 255 + 0.5).astype(np.uint8)
    return Image(grey, "yx", "display", (0.0, 255.0))


def questions(study: Study) -> list[Question]:
    """Closed ones that a single image can answer."""
    return [q for q in study.questions if q.type == "closed" and q.question_type != "change"]


def accuracy(mini: SmolVlm, studies: Sequence[Study], images: Sequence[Image]) -> float:
    """Share of closed questions whose true answer has the highest log-likelihood."""
    marks = []
    for study, image in zip(studies, images, strict=True):
        for question in questions(study):
            scores = mini.score_answers(image, question.question, question.choices)
            chosen = question.choices[int(np.argmax(scores.log_likelihood))]
            marks.append(chosen == question.answer)
    return float(np.mean(marks))


def test_closed_questions_are_answered_from_the_image(mini: SmolVlm, studies: list[Study]) -> None:
    """Unseen patients: at least 0.75 with the image, near the blind guess with a blank one."""
    seen = accuracy(mini, studies, [shown(study) for study in studies])
    blind = accuracy(mini, studies, [BLANK] * len(studies))
    assert seen >= 0.75
    assert blind <= 0.6
    assert seen - blind >= 0.2


def test_captions_name_what_is_there(mini: SmolVlm, studies: list[Study]) -> None:
    """Greedy captions mention a finding of the study far more often than one it lacks."""
    captions = mini.generate([shown(study) for study in studies], [""] * len(studies))
    told = {True: 0, False: 0}
    for study, caption in zip(studies, captions, strict=True):
        for kind, word in WORDS.items():
            if any(word in s and "no" not in s.lower().split() for s in caption.split(".")):
                told[kind in study.plan.labels] += "not" not in caption
    assert told[True] >= len(studies) / 3
    assert told[False] <= told[True] / 5


def test_maps_point_at_the_finding(mini: SmolVlm, studies: list[Study]) -> None:
    """The highest cell of the map lies on the named finding's side in most cases."""
    hits = []
    for study in studies:
        for finding in study.plan.findings:
            if finding.kind != "cardiomegaly":
                grid = mini.attribute(shown(study), place_phrase(finding))
                assert grid.shape == (4, 4)
                column = int(grid.sum(axis=0).argmax())
                # the patient's right is on the image's left
                hits.append((column < 2) == (finding.side == "right"))
    assert len(hits) >= 15
    assert np.mean(hits) >= 0.75


def test_folder_is_a_hub_checkout(mini: SmolVlm) -> None:
    """Genuine layout, at most 2.5 MB, an honest card."""
    assert {path.name for path in FOLDER.iterdir()} == HUB_FILES
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 2_500_000
    assert mini.card.miniature
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "not the genuine model" in card
    assert "computer-drawn" in card
