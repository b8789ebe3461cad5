"""Writes ``blip2.json``: numbers of the tiny BLIP-2 by transformers alone, without Vesalius.

Run from the repository: ``python tests/models/golden/make_blip2.py`` (transformers 5.23).
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PILImage

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
QUESTION = "Question: is there a large nodule? Answer:"
CANDIDATES = ("yes", "no", "large nodule in the left lung")


def main() -> None:
    """Embeddings, patches, log-likelihoods, a greedy answer."""
    import tiny_blip2
    from transformers import AutoProcessor, Blip2ForConditionalGeneration

    with tempfile.TemporaryDirectory() as scratch:
        folder = tiny_blip2.build_blip2(Path(scratch) / "blip2")
        model = Blip2ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        processor = AutoProcessor.from_pretrained(folder, backend="pil")
    pixels = np.random.default_rng(0).integers(0, 256, (70, 110)).astype(np.uint8)
    picture = PILImage.fromarray(pixels)
    inputs = processor(images=picture, text=QUESTION, return_tensors="pt")
    with torch.no_grad():
        seen = model.get_image_features(inputs["pixel_values"])
        likelihoods = []
        for candidate in CANDIDATES:
            labels = processor.tokenizer(candidate, return_tensors="pt").input_ids
            loss = model(**inputs, labels=labels).loss
            likelihoods.append(-float(loss) * labels.shape[1])
        ids = model.generate(**inputs, max_new_tokens=12, do_sample=False, num_beams=1)
    queries = seen.qformer_outputs.last_hidden_state.mean(1)[0]
    pooled = seen.vision_outputs.pooler_output[0]
    numbers = {
        "qformer": (queries / queries.norm()).tolist(),
        "vision": (pooled / pooled.norm()).tolist(),
        "last_patch": seen.vision_outputs.last_hidden_state[0, -1].tolist(),
        "log_likelihood": likelihoods,
        "answer": processor.batch_decode(ids, skip_special_tokens=True)[0].strip(),
    }
    (HERE / "blip2.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
