"""Writes smolvlm.json: the tiny SmolVLM through plain transformers, without the adapter.

Run from the repository's root: ``python tests/models/golden/make_smolvlm.py``.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture

sys.path.insert(0, str(Path(__file__).parents[1]))

from tiny_smolvlm import TOKENS, build_smolvlm
from transformers import AutoProcessor, Idefics3ForConditionalGeneration

QUESTION = "is there a nodule?"
CAPTION = "Describe this image."
ANSWERS = ("yes", "no", "large nodule in the left lung")


def pictures() -> list[Picture.Image]:
    """The pictures of the `pictures` fixture."""
    rng = np.random.default_rng(0)
    shapes = ((70, 110), (120, 80, 3), (40, 40))
    arrays = [rng.integers(0, 256, shape).astype(np.uint8) for shape in shapes]
    return [Picture.fromarray(array).convert("RGB") for array in arrays]


def inputs(processor, picture, text, *, split):
    """One picture and a request in the model's chat form, ready for the answer."""
    content = [{"type": "image"}, {"type": "text", "text": text}]
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    return processor(
        text=[prompt], images=[[picture]], do_image_splitting=split, return_tensors="pt"
    )


def likelihood(model, processor, given, answer, **options):
    """Minus loss times tokens, from the model's own labels; also its output and the labels."""
    tail = processor.tokenizer(f" {answer}<end_of_utterance>", return_tensors="pt").input_ids
    ids = torch.cat([given["input_ids"], tail], dim=1)
    labels = ids.clone()
    labels[:, : given["input_ids"].shape[1]] = -100
    pixels = {name: given[name] for name in ("pixel_values", "pixel_attention_mask")}
    output = model(
        input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels, **pixels, **options
    )
    return -output.loss * tail.shape[1], output, ids


def heatmap(model, processor, picture, text, *, split):
    """Gradient times attention, positive part, accumulated over the layers."""
    given = inputs(processor, picture, CAPTION, split=split)
    total, output, ids = likelihood(model, processor, given, text, output_attentions=True)
    for attention in output.attentions:
        attention.retain_grad()
    total.backward()
    rollout = np.eye(ids.shape[1])
    for attention in output.attentions:
        weight, slope = attention.detach().numpy()[0], attention.grad.numpy()[0]
        rollout = rollout + np.maximum(weight * slope, 0).mean(0) @ rollout
    n_prompt = given["input_ids"].shape[1]
    columns = np.flatnonzero((ids[0] == model.config.image_token_id).numpy())[-TOKENS:]
    return rollout[n_prompt - 1 : -1].mean(0)[columns].reshape(2, 2)


def values(folder, *, split):
    """Everything that the adapter promises, for one setting of the splitting."""
    processor = AutoProcessor.from_pretrained(folder, backend="pil")
    model = Idefics3ForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    dense, scores, captions, answers = [], [], [], []
    end = processor.tokenizer.convert_tokens_to_ids("<end_of_utterance>")
    for picture in pictures():
        asked = inputs(processor, picture, QUESTION, split=split)
        with torch.no_grad():
            seen = model.get_image_features(asked["pixel_values"], asked["pixel_attention_mask"])
            dense.append(seen.last_hidden_state[-1].double().numpy())
            scores.append([likelihood(model, processor, asked, a)[0].item() for a in ANSWERS])
            plain = inputs(processor, picture, CAPTION, split=split)
            captions.append([likelihood(model, processor, plain, a)[0].item() for a in ANSWERS])
            ids = model.generate(
                **asked, max_new_tokens=128, do_sample=False, eos_token_id=[end, 2]
            )
        new = ids[0, asked["input_ids"].shape[1] :].tolist()
        cut = next((i for i, token in enumerate(new) if token in (end, 2)), len(new))
        answers.append(new[:cut])
    mean = np.mean(dense, axis=1)
    maps = [heatmap(model, processor, p, ANSWERS[2], split=split) for p in pictures()]
    return {
        "images": (mean / np.linalg.norm(mean, axis=1, keepdims=True)).tolist(),
        "dense_of_last": dense[-1].tolist(),
        "scores": scores,
        "captions": captions,
        "generated": answers,
        "maps": np.array(maps).tolist(),
    }


def rounded(value):
    """Seven significant digits are beyond float32's rounding."""
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return float(f"{value:.7g}") if isinstance(value, float) else value


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = build_smolvlm(Path(scratch) / "smolvlm")
        found = {name: values(folder, split=name == "split") for name in ("whole", "split")}
    text = json.dumps(rounded(found)) + "\n"
    Path(__file__).with_name("smolvlm.json").write_text(text, encoding="utf-8")
