"""Writes mini:biomedclip as a folder in the hub's layout, measures it, and writes its card."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score

from minis.biomedclip_network import CONTEXT, configuration
from minis.cohort import PATCH, PIXELS, unseen_studies
from minis.evaluation import Quality, retrieval
from minis.export import TARGET, check_size
from minis.training import Report
from vesalius import load_model
from vesalius.data.phantom import Study
from vesalius.data.phantom_plan import KINDS
from vesalius.data.phantom_write import CLASSES, TEMPLATES
from vesalius.models.biomedclip import BiomedClip
from vesalius.models.biomedclip_network import Network
from vesalius.records import Image

N_GALLERY = 200
CARD = """---
license: apache-2.0
library_name: open_clip
tags: [miniature, synthetic-data, not-for-clinical-use]
---
# mini:biomedclip, a miniature in the layout of BiomedCLIP

**This is not the genuine model.** It has the file layout and the architecture (a vision transformer
and a BERT, as open_clip names their tensors) of
`microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224` at a hundredth of its size, and was
trained on computer-drawn chests only. It shares no weight with the genuine model and says nothing
about how that one performs. It exists so that Vesalius can be run, tested and learned offline. Not
for clinical use.

| | |
|---|---|
{facts}

## Measured
On patients never seen (test split of the cohort of seed 0), through Vesalius's own adapter.
Zero-shot: softmax over the pair "… finding" and "… no finding", templates and names averaged.

| finding | AUROC |
|---|---|
{scores}

Image → report retrieval in a gallery of {quality.n_gallery} reports, where a report is right when
its study has the same findings on the same sides: precision@5 **{quality.precision_at_5:.3f}**
(chance {quality.chance:.3f}).
"""


def publish(model: Network, words: Path, facts: Mapping[str, str], *, report: Report) -> None:
    """Write the folder, measure it as a user would load it, and write its card."""
    folder = TARGET / "biomedclip"
    write_folder(folder, model, words)
    loaded = load_model("biomedclip", source=folder, device="cpu")
    quality = measure(loaded, unseen_studies())
    n_words, width = model.text.transformer.embeddings.word_embeddings.weight.shape
    rows = dict(facts) | {
        "parameters": f"{loaded.n_parameters:,}, fp16; shared space of 128 dimensions",
        "image": f"{PIXELS} px, patch {PATCH}, 64 patches; width 128, 4 layers",
        "text": f"context {CONTEXT}, {n_words} lower-case WordPieces learned on the captions; "
        f"width {width}, 2 layers",
        "made by": "`make minis` (`scripts/train_minis.py`)",
    }
    scores = quality.auroc | {"**macro**": quality.macro_auroc}
    card = CARD.format(
        facts="\n".join(f"| {key} | {value} |" for key, value in rows.items()),
        scores="\n".join(f"| {key} | {value:.3f} |" for key, value in scores.items()),
        quality=quality,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    report(f"biomedclip: {quality}, macro {quality.macro_auroc:.3f}, {check_size(folder)} bytes")


def write_folder(folder: Path, model: Network, words: Path) -> None:
    """Configuration, fp16 weights and tokenizer; the card comes after measuring."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(words.iterdir()):
        shutil.copyfile(path, folder / path.name)
    n_words = model.text.transformer.embeddings.word_embeddings.num_embeddings
    text = json.dumps(configuration(n_words), indent=2) + "\n"
    (folder / "open_clip_config.json").write_text(text, encoding="utf-8")
    tensors = {
        name: tensor.detach().to(torch.float16).contiguous()
        for name, tensor in sorted(model.state_dict().items())
    }
    weights = folder / "open_clip_model.safetensors"
    save_file(tensors, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors makes it private


def shown(study: Study) -> Image:
    """The 8-bit radiograph as a reader of image files gives it."""
    pixels = np.floor(study.radiograph * 255 + 0.5).astype(np.uint8)
    return Image(pixels, "yx", "display", (0.0, 255.0), source="radiograph")


def measure(model: BiomedClip, studies: list[Study]) -> Quality:
    """Quality on `studies`; the gallery is the first of them."""
    images = model.encode_images([shown(study) for study in studies])
    auroc = {
        kind: float(
            roc_auc_score([kind in s.plan.labels for s in studies], presence(model, images, kind))
        )
        for kind in KINDS
    }
    gallery = studies[:N_GALLERY]
    texts = model.encode_texts([study.report for study in gallery])
    precision, chance = retrieval(images[: len(gallery)], texts, gallery)
    return Quality(auroc, precision, chance, len(gallery))


def presence(model: BiomedClip, images: np.ndarray, kind: str) -> np.ndarray:
    """P(present): softmax over the prompt pair "… {}" and "… no {}"."""
    sides = []
    for form in ("{}", "no {}"):
        texts = [t.format(form.format(n)) for t in TEMPLATES["xray"] for n in CLASSES[kind]]
        mean = model.encode_texts(texts).mean(0)
        sides.append(images @ (mean / np.linalg.norm(mean)) * model.logit_scale)
    return 1 / (1 + np.exp(sides[1] - sides[0]))
