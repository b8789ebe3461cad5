"""Writes ``git.json``: what plain transformers computes for the tiny checkpoint of GIT.

Run from the repository's root: ``python tests/models/golden/make_git.py``. Nothing of Vesalius is
imported, so the file is an independent account of the published path from pixels to numbers.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image as Picture
from transformers import AutoProcessor, GitForCausalLM

sys.path.insert(0, str(Path(__file__).parents[1]))

from tiny_git import build_git, waves

QUESTION = "is there a nodule in the left lung?"
CANDIDATES = ["yes", "no", "a large nodule in the left lung", "pneumonia"]


def likelihood(
    model: GitForCausalLM, processor: object, pixels: torch.Tensor, answer: str
) -> float:
    """Minus the summed loss of one answer, from the model's own ``labels=``."""
    words = processor.tokenizer
    prompt = [101, *words(QUESTION, add_special_tokens=False).input_ids]
    target = [*words(answer, add_special_tokens=False).input_ids, 102]
    ids, labels = [prompt + target], [[-100] * len(prompt) + target]
    out = model(input_ids=torch.tensor(ids), labels=torch.tensor(labels), pixel_values=pixels)
    return -float(out.loss) * len(target)


@torch.no_grad()
def main() -> None:
    """Build the tiny checkpoint, run it, write the numbers."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = build_git(Path(scratch) / "git")
        model = GitForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        processor = AutoProcessor.from_pretrained(folder, backend="pil")
    shown = Picture.fromarray(waves()).convert("RGB")
    pixels = processor(images=[shown], return_tensors="pt").pixel_values
    tower = model.git.image_encoder(pixels).last_hidden_state[0]
    words = processor.tokenizer
    prompt = [101, *words(QUESTION, add_special_tokens=False).input_ids]
    said = model.generate(
        pixel_values=pixels, input_ids=torch.tensor([prompt]), max_new_tokens=12, do_sample=False
    )
    record = {
        "question": QUESTION,
        "candidates": CANDIDATES,
        "log_likelihood": [likelihood(model, processor, pixels, c) for c in CANDIDATES],
        "class_token": (tower[0] / tower[0].norm()).tolist(),
        "first_patch": tower[1].tolist(),
        "answer": words.decode(said[0, len(prompt) :], skip_special_tokens=True),
    }
    target = Path(__file__).with_name("git.json")
    target.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
