"""The shipped mini:biomedclip does what its card says, through the catalog."""

from importlib.resources import files
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from vesalius.catalog import load_model
from vesalius.data.phantom import Study, make_patient
from vesalius.data.phantom_plan import KINDS, split_of
from vesalius.data.phantom_write import CLASSES, TEMPLATES
from vesalius.models.biomedclip import BiomedClip
from vesalius.records import Image

HUB_FILES = {
    "README.md",
    "open_clip_config.json",
    "open_clip_model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
}
DEMO_SEED = 0  # no miniature was trained on this cohort
N_PATIENTS = 50


@pytest.fixture(scope="module")
def mini() -> BiomedClip:
    """The miniature, loaded by its name."""
    model = load_model("mini:biomedclip", device="cpu")
    assert isinstance(model, BiomedClip)
    return model


@pytest.fixture(scope="module")
def studies() -> list[Study]:
    """Studies of test patients of the demonstration's cohort."""
    unseen = (index for index in range(10_000) if split_of(DEMO_SEED, index) == "test")
    patients = (make_patient(DEMO_SEED, index) for index in islice(unseen, N_PATIENTS))
    return list(chain.from_iterable(patients))


def shown(grey: np.ndarray) -> Image:
    """A picture in [0, 1] as an 8-bit display image."""
    return Image(np.floor(grey * 255 + 0.5).astype(np.uint8), "yx", "display", (0.0, 255.0))


@pytest.fixture(scope="module")
def prompts(mini: BiomedClip) -> np.ndarray:
    """Mean unit rows of "… {}" and "… no {}" for each finding; (findings, 2, dim)."""
    forms = [
        [t.format(form.format(name)) for t in TEMPLATES["xray"] for name in CLASSES[kind]]
        for kind in KINDS
        for form in ("{}", "no {}")
    ]
    means = np.stack([mini.encode_texts(texts).mean(0) for texts in forms])
    return (means / np.linalg.norm(means, axis=1, keepdims=True)).reshape(len(KINDS), 2, -1)


def macro_auroc(images: np.ndarray, prompts: np.ndarray, studies: list[Study]) -> float:
    """Unweighted mean over the findings; the logit gap ranks as the softmax of the pair does."""
    gaps = images @ (prompts[:, 0] - prompts[:, 1]).T
    truth = [[kind in study.plan.labels for kind in KINDS] for study in studies]
    return float(roc_auc_score(truth, gaps, average="macro"))


def test_zero_shot_and_retrieval(
    mini: BiomedClip, studies: list[Study], prompts: np.ndarray
) -> None:
    """Unseen patients: macro AUROC at least 0.9, precision@5 at least three times chance."""
    images = mini.encode_images([shown(study.radiograph) for study in studies])
    assert macro_auroc(images, prompts, studies) >= 0.9
    texts = mini.encode_texts([study.report for study in studies])
    keys = [frozenset((f.kind, f.side) for f in study.plan.findings) for study in studies]
    right = np.array([[a == b for b in keys] for a in keys])
    best = np.argsort(-(images @ texts.T), axis=1, kind="stable")[:, :5]
    assert np.take_along_axis(right, best, axis=1).mean() >= 3 * right.mean()


def test_wrong_pictures_lose_it(
    mini: BiomedClip, studies: list[Study], prompts: np.ndarray
) -> None:
    """An inverted picture scores far worse: what counts is in the image."""
    images = mini.encode_images([shown(1 - study.radiograph) for study in studies])
    assert macro_auroc(images, prompts, studies) < 0.75


def test_patches_and_maps_lie_where_the_finding_is(mini: BiomedClip, studies: list[Study]) -> None:
    """Patches named "heart" lie in the middle, and a map is a grid that its text changes."""
    image = shown(studies[0].radiograph)
    grid = mini.encode_dense([image])[0] @ mini.encode_texts(["heart"])[0]
    row, column = np.unravel_index(grid.argmax(), grid.shape)
    assert 2 <= column <= 5 <= row + 2
    one, other = (mini.attribute(image, text) for text in ("left effusion", "nodule"))
    assert one.shape == (8, 8)
    assert np.abs(one - other).max() > 0.05 * one.max() > 0


def test_folder_is_a_hub_checkout(mini: BiomedClip) -> None:
    """Genuine layout, at most 2.5 MB, an honest card, marked as a miniature."""
    folder = Path(str(files("vesalius") / "minis" / "biomedclip"))
    assert {path.name for path in folder.iterdir()} == HUB_FILES
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 2_500_000
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "not the genuine model" in card
    assert "computer-drawn" in card
    assert (mini.card.source, mini.card.miniature) == ("embedded", True)
    assert mini.tokenizer("NODULE").input_ids == mini.tokenizer("nodule").input_ids
