"""The shipped mini:git does what its card says, through the code that loads the genuine one."""

from collections.abc import Sequence
from importlib.resources import files
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest
from transformers import GitForCausalLM

from vesalius import load_model
from vesalius.data.phantom import Study, make_patient
from vesalius.data.phantom_plan import split_of
from vesalius.data.phantom_questions import place_phrase
from vesalius.models.git import Git
from vesalius.records import Image, Question

FOLDER = Path(str(files("vesalius"))) / "minis" / "git"
HUB_FILES = {
    "README.md",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "preprocessor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
}
DEMO_SEED = 0  # the miniature was not trained on this cohort
N_PATIENTS = 24
BLANK = Image(np.zeros((256, 256), np.uint8), "yx", "display", (0.0, 255.0), source="blank")
WORDS = {
    "nodule": ("nodule",),
    "consolidation": ("consolidation", "airspace opacity"),
    "effusion": ("effusion", "pleural fluid"),
    "pneumothorax": ("pneumothorax", "pleural air", "air in the pleural space"),
    "cardiomegaly": ("enlarged", "cardiomegaly"),
}
DENIED = ("no ", "not ", "clear", "resol", "normal")


@pytest.fixture(scope="module")
def mini() -> Git:
    """As a user loads it."""
    model = load_model("mini:git", device="cpu")
    assert isinstance(model, Git)
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


def accuracy(mini: Git, studies: Sequence[Study], images: Sequence[Image]) -> float:
    """Share of closed questions whose true answer has the highest log-likelihood."""
    marks = []
    for study, image in zip(studies, images, strict=True):
        for question in questions(study):
            scores = mini.score_answers(image, question.question, question.choices)
            chosen = question.choices[int(np.argmax(scores.log_likelihood))]
            marks.append(chosen == question.answer)
    return float(np.mean(marks))


def test_closed_questions_are_answered_from_the_image(mini: Git, studies: list[Study]) -> None:
    """Unseen patients: at least 0.75 with the image, near the blind guess with a blank one."""
    seen = accuracy(mini, studies, [shown(study) for study in studies])
    blind = accuracy(mini, studies, [BLANK] * len(studies))
    assert seen >= 0.75
    assert blind <= 0.6
    assert seen - blind >= 0.2


def kinds_named(caption: str) -> set[str]:
    """Findings that a sentence states and does not deny."""
    sentences = [f"{s} " for s in caption.lower().split(".") if not any(d in s for d in DENIED)]
    return {kind for kind, words in WORDS.items() if any(w in s for w in words for s in sentences)}


def test_captions_name_what_is_there(mini: Git, studies: list[Study]) -> None:
    """Most findings that a greedy caption names are there, and it names a good part of them."""
    captions = mini.generate([shown(study) for study in studies], [""] * len(studies))
    named = [kinds_named(caption) for caption in captions]
    there = [set(study.plan.labels) for study in studies]
    right = sum(len(n & t) for n, t in zip(named, there, strict=True))
    assert right / sum(map(len, named)) >= 0.7
    assert right / sum(map(len, there)) >= 0.4


def test_maps_point_at_the_finding(mini: Git, studies: list[Study]) -> None:
    """The map's weight lies on the named finding's side in most cases."""
    hits = []
    for study in studies:
        for finding in study.plan.findings:
            if finding.kind != "cardiomegaly":
                grid = mini.attribute(shown(study), place_phrase(finding))
                assert grid.shape == (8, 8)
                # the patient's right is on the image's left
                hits.append((grid[:, :4].sum() > grid[:, 4:].sum()) == (finding.side == "right"))
    assert len(hits) >= 15
    assert np.mean(hits) >= 0.75


def test_folder_is_a_hub_checkout(mini: Git) -> None:
    """Genuine layout, no key missing or unexpected, at most 2.5 MB, an honest card."""
    assert {path.name for path in FOLDER.iterdir()} == HUB_FILES
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 2_500_000
    _, info = GitForCausalLM.from_pretrained(FOLDER, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "not the genuine model" in card
    assert "computer-drawn" in card
    assert f"{mini.n_parameters:,}" in card
