"""The shipped miniatures of the CLIP layout do what their cards say, through plain transformers.

A wrong preprocessing, a swapped sign or a broken tokenizer shows here as a score near chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from sklearn.metrics import roc_auc_score
from transformers import AutoProcessor, CLIPModel

from vesalius.data.phantom import Study, make_patient
from vesalius.data.phantom_plan import KINDS, split_of
from vesalius.data.phantom_write import CLASSES, TEMPLATES

MINIS = ("clip", "pubmedclip", "clipmd")
HUB_FILES = {
    "README.md",
    "config.json",
    "merges.txt",
    "model.safetensors",
    "preprocessor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
}
DEMO_SEED = 0  # no miniature was trained on this cohort
N_PATIENTS = 70


@dataclass(frozen=True, eq=False)
class Mini:
    """A loaded miniature."""

    name: str
    folder: Path
    model: CLIPModel
    processor: object

    def see(self, greys: Sequence[np.ndarray]) -> np.ndarray:
        """Unit embeddings of pictures in [0, 1]."""
        shown = [Picture.fromarray(np.floor(g * 255 + 0.5).astype(np.uint8)) for g in greys]
        inputs = self.processor(images=[p.convert("RGB") for p in shown], return_tensors="pt")
        with torch.no_grad():
            rows = self.model.get_image_features(**inputs).pooler_output.numpy()
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def read(self, text: str) -> np.ndarray:
        """Unit embedding of a text: cut at 77 tokens, or the mean of ClipMD's windows."""
        tokenizer = self.processor.tokenizer
        if self.name != "clipmd":
            tokens = tokenizer(text, truncation=True, max_length=77).input_ids
            parts = [tokens]
        else:
            tokens = tokenizer(text, truncation=False, verbose=False).input_ids
            n_full = (len(tokens) - 77) // 70 + 1 if len(tokens) > 77 else 0
            parts = [tokens[i * 70 : i * 70 + 77] for i in range(n_full)] + [tokens[n_full * 70 :]]
        with torch.no_grad():
            rows = [
                self.model.get_text_features(input_ids=torch.tensor([part])).pooler_output[0]
                for part in parts
            ]
        mean = torch.stack(rows).mean(0).numpy()
        return mean / np.linalg.norm(mean)

    def presence(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """P(present) per finding: softmax over the pair "… {}" and "… no {}"."""
        scale = float(self.model.logit_scale.detach().exp())
        scores = {}
        for kind in KINDS:
            logits = []
            for form in ("{}", "no {}"):
                prompts = [
                    t.format(form.format(c)) for t in TEMPLATES["xray"] for c in CLASSES[kind]
                ]
                mean = np.mean([self.read(prompt) for prompt in prompts], axis=0)
                logits.append(scale * images @ (mean / np.linalg.norm(mean)))
            scores[kind] = 1 / (1 + np.exp(logits[1] - logits[0]))
        return scores


@pytest.fixture(scope="module")
def studies() -> list[Study]:
    """Studies of test patients of the demonstration's cohort."""
    unseen = (index for index in range(10_000) if split_of(DEMO_SEED, index) == "test")
    patients = (make_patient(DEMO_SEED, index) for index in islice(unseen, N_PATIENTS))
    return list(chain.from_iterable(patients))


@pytest.fixture(scope="module", params=MINIS)
def mini(request: pytest.FixtureRequest) -> Mini:
    """One miniature, loaded as a user of transformers would."""
    folder = Path(str(files("vesalius") / "minis" / request.param))
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(folder, backend="pil")
    return Mini(request.param, folder, model, processor)


def macro_auroc(mini: Mini, studies: list[Study], greys: Sequence[np.ndarray]) -> float:
    """Unweighted mean over the five findings."""
    scores = mini.presence(mini.see(greys))
    truth = {kind: [kind in study.plan.labels for study in studies] for kind in KINDS}
    return float(np.mean([roc_auc_score(truth[kind], scores[kind]) for kind in KINDS]))


def test_zero_shot_auroc(mini: Mini, studies: list[Study]) -> None:
    """Unseen patients: macro AUROC over the five findings is at least 0.85."""
    assert macro_auroc(mini, studies, [study.radiograph for study in studies]) >= 0.85


def test_wrong_pictures_lose_it(mini: Mini, studies: list[Study]) -> None:
    """A blank or an inverted picture scores near chance: what counts is in the image."""
    blank = np.full((256, 256), 0.5)
    assert macro_auroc(mini, studies, [blank] * len(studies)) == pytest.approx(0.5, abs=0.05)
    assert macro_auroc(mini, studies, [1 - study.radiograph for study in studies]) < 0.7


def test_retrieval_by_meaning(mini: Mini, studies: list[Study]) -> None:
    """Precision@5 of image → report is at least three times chance.

    A report is right when its study has the same findings on the same sides.
    """
    images = mini.see([study.radiograph for study in studies])
    texts = np.stack([mini.read(study.report) for study in studies])
    keys = [frozenset((f.kind, f.side) for f in study.plan.findings) for study in studies]
    right = np.array([[a == b for b in keys] for a in keys])
    best = np.argsort(-(images @ texts.T), axis=1, kind="stable")[:, :5]
    precision = np.take_along_axis(right, best, axis=1).mean()
    assert precision >= 3 * right.mean()


def test_folder_is_a_hub_checkout(mini: Mini) -> None:
    """Genuine layout, no key missing or unexpected, at most 2.5 MB, an honest card."""
    assert {path.name for path in mini.folder.iterdir()} == HUB_FILES
    assert sum(path.stat().st_size for path in mini.folder.iterdir()) <= 2_500_000
    _, info = CLIPModel.from_pretrained(mini.folder, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    card = (mini.folder / "README.md").read_text(encoding="utf-8")
    assert "not the genuine model" in card
    assert "computer-drawn" in card


def test_text_side_has_the_quirks_of_clip(mini: Mini) -> None:
    """77 positions, specials as the two highest ids, eos_token_id 2, lower case, no unknown."""
    tokenizer, config = mini.processor.tokenizer, mini.model.config.text_config
    start, end = tokenizer.convert_tokens_to_ids(["<|startoftext|>", "<|endoftext|>"])
    assert (start, end) == (config.vocab_size - 2, config.vocab_size - 1)
    assert (config.eos_token_id, config.max_position_embeddings) == (2, 77)
    ids = tokenizer("NODULE").input_ids
    assert ids == tokenizer("nodule").input_ids
    strange = tokenizer("Ωmega-zürich 𝛼").input_ids
    assert strange[0] == start
    assert strange[1:].count(end) == 1
    assert tokenizer.model_max_length == 77


def test_vision_side_has_the_sizes_of_the_card(mini: Mini) -> None:
    """128 px, patch 16, quick GELU, CLIP's channel statistics, whatever the picture's size."""
    config = mini.model.config.vision_config
    assert (config.image_size, config.patch_size, config.hidden_act) == (128, 16, "quick_gelu")
    picture = Picture.fromarray(np.zeros((200, 300), np.uint8)).convert("RGB")
    pixels = mini.processor(images=[picture], return_tensors="pt").pixel_values
    assert pixels.shape == (1, 3, 128, 128)
    assert pixels[0, :, 0, 0].tolist() == pytest.approx(
        [-0.48145466 / 0.26862954, -0.4578275 / 0.26130258, -0.40821073 / 0.27577711], abs=1e-5
    )


def test_miniatures_are_distinct(studies: list[Study]) -> None:
    """Three checkpoints, three sets of weights."""
    folder = Path(str(files("vesalius") / "minis"))
    weights = {(folder / name / "model.safetensors").read_bytes() for name in MINIS}
    assert len(weights) == len(MINIS)
