"""The shipped miniature of BioViL-T does what its card says, the prior study included."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from vesalius import load_model
from vesalius.data.phantom import Study, make_patient
from vesalius.data.phantom_plan import KINDS, plan_patient, split_of
from vesalius.data.phantom_text import CHANGED, NAMES
from vesalius.data.phantom_write import CLASSES, TEMPLATES
from vesalius.models.biovilt import BiovilT
from vesalius.models.locate import embedded_folder
from vesalius.records import Image

DEMO_SEED = 0  # the miniature was not trained on this cohort
N_PATIENTS = 35
FILES = {
    "README.md",
    "biovil_t_image_model_proj_size_128.safetensors",
    "config.json",
    "model.safetensors",
    "preprocessor_config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
    "vocab.txt",
}


@pytest.fixture(scope="module")
def model() -> BiovilT:
    """Loaded by name, from the package."""
    loaded = load_model("mini:biovil-t", device="cpu")
    assert isinstance(loaded, BiovilT)
    return loaded


@pytest.fixture(scope="module")
def patients() -> list[tuple[Study, ...]]:
    """Test patients of the demonstration's cohort who were seen twice."""
    test = (index for index in range(10_000) if split_of(DEMO_SEED, index) == "test")
    twice = (i for i in test if len(plan_patient(DEMO_SEED, i).studies) == 2)
    return [make_patient(DEMO_SEED, index) for index in islice(twice, N_PATIENTS)]


def shown(study: Study) -> Image:
    pixels = np.floor(study.radiograph * 255 + 0.5).astype(np.uint8)
    return Image(pixels, "yx", "display", (0.0, 255.0))


def direction(model: BiovilT, there: list[str], instead: list[str]) -> np.ndarray:
    """Difference of two unit mean texts."""
    means = [model.encode_texts(texts).mean(0) for texts in (there, instead)]
    first, second = (mean / np.linalg.norm(mean) for mean in means)
    return np.asarray(first - second)


def macro_auroc(model: BiovilT, rows: np.ndarray, studies: list[Study]) -> float:
    """Unweighted mean over the five findings of "… finding" against "… no finding"."""
    values = []
    for kind in KINDS:
        frames = [t.format(name) for t in TEMPLATES["xray"] for name in ("{}", "no {}")]
        texts = [[f.format(c) for f in frames[k::2] for c in CLASSES[kind]] for k in (0, 1)]
        truth = [kind in study.plan.labels for study in studies]
        values.append(roc_auc_score(truth, rows @ direction(model, *texts)))
    return float(np.mean(values))


def test_zero_shot_auroc(model: BiovilT, patients: list[tuple[Study, ...]]) -> None:
    """Findings of unseen patients, alone and beside the prior; nothing in a blank."""
    now = [study for _, study in patients]
    images, priors = ([shown(pair[k]) for pair in patients] for k in (1, 0))
    assert macro_auroc(model, model.encode_images(images), now) >= 0.85
    assert macro_auroc(model, model.encode_with_prior(images, priors), now) >= 0.8
    blank = Image(np.full((256, 256), 128, np.uint8), "yx", "display", (0.0, 255.0))
    rows = model.encode_images([blank] * len(now))
    assert macro_auroc(model, rows, now) == pytest.approx(0.5, abs=0.05)


def test_the_prior_tells_new_from_unchanged(
    model: BiovilT, patients: list[tuple[Study, ...]]
) -> None:
    """Of findings that are there now, pooled over kinds: clearly better than without the prior."""
    images, priors = ([shown(pair[k]) for pair in patients] for k in (1, 0))
    both = (model.encode_images(images), model.encode_with_prior(images, priors))
    truth: list[bool] = []
    scores: list[list[float]] = [[], []]
    for kind in KINDS:
        texts = [[t.format(name=NAMES[kind][0]) for t in CHANGED[s]] for s in ("new", "unchanged")]
        axis = direction(model, *texts)
        for place, (_, now) in enumerate(patients):
            change = dict(now.plan.changes).get(kind)
            if change in ("new", "unchanged"):
                truth.append(change == "new")
                for column, rows in zip(scores, both, strict=True):
                    column.append(float(rows[place] @ axis))
    without, with_prior = (roc_auc_score(truth, column) for column in scores)
    assert with_prior >= 0.75
    assert with_prior >= without + 0.1


def test_folder_is_in_the_layout_of_the_hub(model: BiovilT) -> None:
    """Genuine names, two weight files, an own frame, at most 2.5 MB, an honest card."""
    folder: Path = embedded_folder("biovil-t")
    assert {path.name for path in folder.iterdir()} == FILES
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 2_500_000
    assert "not the genuine model" in (folder / "README.md").read_text(encoding="utf-8")
    assert (model.framing.resize, model.framing.crop) == (256, 256)
    assert model.card.miniature
