"""Writes a miniature as a folder in the hub's layout of CLIP, with its model card."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import CLIPModel

from minis.cohort import PIXELS
from minis.evaluation import Quality
from minis.network import MEAN, STD

PROCESSOR = {
    "crop_size": PIXELS,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": list(MEAN),
    "image_std": list(STD),
    "resample": 3,
    "size": PIXELS,
}
TARGET = Path(__file__).parents[2] / "src" / "vesalius" / "minis"
MAX_BYTES = 2_500_000
CARD = """---
license: apache-2.0
library_name: transformers
tags: [miniature, synthetic-data, not-for-clinical-use]
---
# mini:{name}, a miniature in the layout of `{genuine}`

**This is not the genuine model.** It has the file layout and the architecture (`CLIPModel`) of
`{genuine}` at a hundredth of its size, and was trained on computer-drawn chests only. It
shares no weight with the genuine model and says nothing about how that one performs. It exists so
that Vesalius can be run, tested and learned offline. Not for clinical use.

| | |
|---|---|
{facts}

## Measured
On patients never seen (test split of the cohort of seed 0), loaded by plain transformers.
Zero-shot: softmax over the pair "… finding" and "… no finding", templates and names averaged.

| finding | AUROC |
|---|---|
{scores}

Image → report retrieval in a gallery of {quality.n_gallery} reports, where a report is right when
its study has the same findings on the same sides: precision@5 **{quality.precision_at_5:.3f}**
(chance {quality.chance:.3f}).
"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one miniature was made, for its card.

    Attributes:
        genuine: repository of the checkpoint whose layout it has.
        start: what its weights started from.
        seeds: of the weights and batches, and of the cohort trained on.
        style: of the training captions.
    """

    name: str
    genuine: str
    start: str
    seed: int
    cohort_seed: int
    n_patients: int
    n_studies: int
    steps: str
    style: str


def write_folder(folder: Path, model: CLIPModel, tokenizer_folder: Path) -> None:
    """Configuration, fp16 weights, processor and tokenizer; the card comes after measuring."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(tokenizer_folder.iterdir()):
        shutil.copyfile(path, folder / path.name)
    model.config.architectures = ["CLIPModel"]
    model.config.dtype = "float16"
    model.config.save_pretrained(folder)
    tensors = {
        name: tensor.detach().to(torch.float16).contiguous()
        for name, tensor in sorted(model.state_dict().items())
    }
    weights = folder / "model.safetensors"
    save_file(tensors, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors makes it private
    text = json.dumps(PROCESSOR, indent=2) + "\n"
    (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")


def write_readme(folder: Path, recipe: Recipe, quality: Quality, n_parameters: int) -> None:
    """The model card: what it is, what it is not, and what it scored."""
    facts = {
        "training data": f"Vesalius synthetic cohort of seed {recipe.cohort_seed}: "
        f"{recipe.n_patients} train patients, {recipe.n_studies} radiographs; nobody was imaged",
        "captions": f"style `{recipe.style}`, drawn anew at every step; prompts with and without "
        '"no"; names of structures for the patches',
        "start": recipe.start,
        "steps": recipe.steps,
        "seed": str(recipe.seed),
        "parameters": f"{n_parameters:,}, fp16; shared space of 128 dimensions",
        "image": f"{PIXELS} px, patch 16, 64 patches; width 128, 4 layers",
        "text": "77 positions, lower-case byte BPE learned on the captions; width 96, 2 layers",
        "made by": "`make minis` (`scripts/train_minis.py`)",
    }
    scores = quality.auroc | {"**macro**": quality.macro_auroc}
    card = CARD.format(
        name=recipe.name,
        genuine=recipe.genuine,
        facts="\n".join(f"| {key} | {value} |" for key, value in facts.items()),
        scores="\n".join(f"| {key} | {value:.3f} |" for key, value in scores.items()),
        quality=quality,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def check_size(folder: Path) -> int:
    """Bytes of the folder; refuses more than the package can carry."""
    size = sum(path.stat().st_size for path in folder.iterdir())
    if size > MAX_BYTES:
        raise RuntimeError(f"{folder}: {size} bytes, more than {MAX_BYTES}")
    return size
