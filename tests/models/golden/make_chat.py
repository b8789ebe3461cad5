"""Writes chat.json: the tiny LLaVA through plain transformers, without the adapter.

Run from the repository's root: ``python tests/models/golden/make_chat.py``.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture

sys.path.insert(0, str(Path(__file__).parents[1]))

from tiny_chat import build_llava
from transformers import AutoProcessor, LlavaForConditionalGeneration

QUESTION = "is there a nodule?"
CAPTION = "Describe this image."
ANSWERS = ("yes", "no", "large nodule in the left lung")


def pictures() -> list[Picture.Image]:
    """The pictures of the `pictures` fixture."""
    rng = np.random.default_rng(0)
    shapes = ((70, 110), (120, 80, 3), (40, 40))
    arrays = [rng.integers(0, 256, shape).astype(np.uint8) for shape in shapes]
    return [Picture.fromarray(array).convert("RGB") for array in arrays]


def likelihood(model, processor, picture, question, answer):
    """Minus loss times tokens, from the model's own labels."""
    prompt = f"USER: <image>\n{question} ASSISTANT:"
    before = processor(text=prompt, images=picture, return_tensors="pt").input_ids.shape[1]
    given = processor(text=f"{prompt} {answer}<|im_end|>", images=picture, return_tensors="pt")
    labels = given.input_ids.clone()
    labels[:, :before] = -100
    with torch.no_grad():
        loss = model(**given, labels=labels).loss
    return float(-loss * (labels != -100).sum())


def spoken(model, processor, picture):
    """Greedy ids after the prompt, up to the end token."""
    prompt = f"USER: <image>\n{QUESTION} ASSISTANT:"
    given = processor(text=prompt, images=picture, return_tensors="pt")
    ids = model.generate(**given, max_new_tokens=128, do_sample=False)
    new = ids[0, given.input_ids.shape[1] :].tolist()
    return [token for token in new if token != model.generation_config.eos_token_id]


def main() -> None:
    """Likelihoods of answers and captions, and greedy answers."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = build_llava(Path(scratch) / "llava")
        processor = AutoProcessor.from_pretrained(folder, backend="pil")
        model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    found = {
        name: [[likelihood(model, processor, p, text, a) for a in ANSWERS] for p in pictures()]
        for name, text in (("scores", QUESTION), ("captions", CAPTION))
    }
    found["generated"] = [spoken(model, processor, picture) for picture in pictures()]
    text = json.dumps(found) + "\n"
    Path(__file__).with_name("chat.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
