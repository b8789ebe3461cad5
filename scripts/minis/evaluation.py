"""What a finished miniature can do on patients it never saw, through plain transformers loading."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture
from sklearn.metrics import roc_auc_score
from transformers import AutoProcessor, CLIPModel

from minis.network import read, see
from vesalius.data.phantom import Study
from vesalius.data.phantom_plan import KINDS
from vesalius.data.phantom_write import CLASSES, TEMPLATES


@dataclass(frozen=True, slots=True)
class Quality:
    """Macro zero-shot AUROC over the findings, and mean precision of the five best captions.

    A caption is right for an image when both studies have the same findings on the same sides;
    `chance` is the share of right captions in the gallery, averaged over images.
    """

    auroc: dict[str, float]
    precision_at_5: float
    chance: float
    n_gallery: int

    @property
    def macro_auroc(self) -> float:
        """Unweighted mean over the findings."""
        return float(np.mean(list(self.auroc.values())))


def load(folder: Path) -> tuple[CLIPModel, object]:
    """Model in fp32 and processor on Pillow; refuses missing or unexpected keys."""
    model, info = CLIPModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    if info["missing_keys"] or info["unexpected_keys"]:
        raise RuntimeError(f"{folder}: {info}")
    return model.eval(), AutoProcessor.from_pretrained(folder, backend="pil")


def embed_images(model: CLIPModel, processor: object, studies: list[Study]) -> np.ndarray:
    """Unit rows of the 8-bit radiographs."""
    shown = [
        Picture.fromarray(np.floor(s.radiograph * 255 + 0.5).astype(np.uint8)) for s in studies
    ]
    pixels = processor(images=[p.convert("RGB") for p in shown], return_tensors="pt").pixel_values
    with torch.no_grad():
        return see(model, pixels).whole.numpy()


def embed_texts(model: CLIPModel, processor: object, texts: list[str], *, long: bool) -> np.ndarray:
    """Unit rows of texts."""
    with torch.no_grad():
        return read(model, processor.tokenizer, texts, long=long).numpy()


def zero_shot(
    model: CLIPModel, processor: object, images: np.ndarray, *, long: bool
) -> dict[str, np.ndarray]:
    """P(present) per finding: softmax over the prompt pair "… {}" and "… no {}"."""
    scores = {}
    scale = float(model.logit_scale.detach().exp())
    for kind in KINDS:
        sides = []
        for form in ("{}", "no {}"):
            texts = [t.format(form.format(n)) for t in TEMPLATES["xray"] for n in CLASSES[kind]]
            mean = embed_texts(model, processor, texts, long=long).mean(0)
            sides.append(images @ (mean / np.linalg.norm(mean)) * scale)
        scores[kind] = 1 / (1 + np.exp(sides[1] - sides[0]))
    return scores


def retrieval(images: np.ndarray, texts: np.ndarray, studies: list[Study]) -> tuple[float, float]:
    """Mean precision@5 of image → caption over the full gallery, and its chance level."""
    keys = [frozenset((f.kind, f.side) for f in study.plan.findings) for study in studies]
    right = np.array([[a == b for b in keys] for a in keys])
    best = np.argsort(-(images @ texts.T), axis=1, kind="stable")[:, :5]
    return float(np.take_along_axis(right, best, 1).mean()), float(right.mean())


def measure(folder: Path, studies: list[Study], *, long: bool, n_gallery: int = 200) -> Quality:
    """Quality on `studies`; the gallery is the first `n_gallery` of them."""
    model, processor = load(folder)
    images = embed_images(model, processor, studies)
    scores = zero_shot(model, processor, images, long=long)
    auroc = {
        kind: float(roc_auc_score([kind in s.plan.labels for s in studies], scores[kind]))
        for kind in KINDS
    }
    gallery = studies[:n_gallery]
    texts = embed_texts(model, processor, [s.report for s in gallery], long=long)
    precision, chance = retrieval(images[: len(gallery)], texts, gallery)
    return Quality(auroc, precision, chance, len(gallery))
