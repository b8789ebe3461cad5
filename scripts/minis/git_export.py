"""Writes ``mini:git`` in the hub's layout of GIT, measures it and writes its card."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import GitForCausalLM

from minis.answering import BLANK, AnswerQuality, measure_answers
from minis.captions import CaptionQuality, measure_captions
from minis.cohort import PIXELS, unseen_studies
from minis.export import TARGET, check_size
from minis.network import MEAN, STD
from minis.training import Report
from vesalius import load_model

GENUINE = "microsoft/git-large"
PROCESSOR = {
    "crop_size": {"height": PIXELS, "width": PIXELS},
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": list(MEAN),
    "image_processor_type": "CLIPImageProcessor",
    "image_std": list(STD),
    "processor_class": "GitProcessor",
    "resample": 3,
    "rescale_factor": 1 / 255,
    "size": {"shortest_edge": PIXELS},
}
CARD = """---
license: apache-2.0
library_name: transformers
tags: [miniature, synthetic-data, not-for-clinical-use]
---
# mini:git, a miniature in the layout of `{genuine}`

**This is not the genuine model.** It has the file layout and the architecture (`GitForCausalLM`) of
`{genuine}` at a three-hundredth of its size, and was trained on computer-drawn chests only. It
shares no weight with the genuine model and says nothing about how that one performs. It exists so
that Vesalius can be run, tested and learned offline. Not for clinical use.

| | |
|---|---|
{facts}

## Measured
On patients never seen (test split of the cohort of seed 0), loaded by `vesalius.load_model`.
Closed questions, {answers.n_questions} of them; the answer is the candidate of highest likelihood.

| | accuracy |
|---|---|
| **with the image** | **{answers.accuracy:.3f}** |
| with a blank image | {answers.blind:.3f} |
| most frequent answer to each type of question | {answers.majority:.3f} |
{by_type}

Captions of 100 images: {captions.precision:.3f} of the findings named are there, and of those there
{captions.recall:.3f} are named (by the caption of a blank image {captions.blind:.3f}). For example:

{examples}
"""


def publish(
    model: GitForCausalLM, words: Path, facts: Mapping[str, str], *, report: Report
) -> None:
    """Write the folder, measure it as a user would load it, and write its card."""
    folder = TARGET / "git"
    write_folder(folder, model, words)
    mini = load_model(f"git={folder}", device="cpu")
    studies = unseen_studies()
    answers = measure_answers(mini, studies)
    (blank,) = mini.generate([BLANK], [""])
    captions = measure_captions(mini, studies, blank)
    report(f"git: {answers}, {captions}")
    write_card(folder, _sizes(model) | dict(facts), answers, captions)
    report(f"git: {check_size(folder)} bytes")


def write_folder(folder: Path, model: GitForCausalLM, words: Path) -> None:
    """Configurations, fp16 weights, processor and tokenizer; the card comes after measuring."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(words.iterdir()):
        shutil.copyfile(path, folder / path.name)
    model.config.architectures = ["GitForCausalLM"]
    model.config.dtype = "float16"
    model.config.save_pretrained(folder)
    config = model.config
    ends = {
        name: getattr(config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")
    }
    for name, value in (("generation_config", ends), ("preprocessor_config", PROCESSOR)):
        (folder / f"{name}.json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    tensors = {
        name: tensor.detach().to(torch.float16).contiguous()
        for name, tensor in sorted(model.state_dict().items())
    }
    weights = folder / "model.safetensors"
    save_file(tensors, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors makes it private


def _sizes(model: GitForCausalLM) -> dict[str, str]:
    config = model.config
    vision = config.vision_config
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    return {
        "parameters": f"{n_parameters:,}, fp16",
        "image": f"{vision.image_size} px, patch {vision.patch_size}, 64 patches; width "
        f"{vision.hidden_size}, {vision.num_hidden_layers} layers",
        "decoder": f"width {config.hidden_size}, {config.num_hidden_layers} layers, "
        f"{config.max_position_embeddings} positions; {config.vocab_size} lower-case word pieces",
    }


def write_card(
    folder: Path, facts: Mapping[str, str], answers: AnswerQuality, captions: CaptionQuality
) -> None:
    """The model card: what it is, what it is not, and what it scored."""
    rows = facts | {"made by": "`make minis` (`scripts/train_minis.py`)"}
    text = CARD.format(
        genuine=GENUINE,
        facts="\n".join(f"| {key} | {value} |" for key, value in rows.items()),
        answers=answers,
        by_type="\n".join(
            f"| {name}, with the image | {value:.3f} |" for name, value in answers.by_type.items()
        ),
        captions=captions,
        examples="\n".join(f"* {said!r} (there: {truth})" for said, truth in captions.examples),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
