"""Writes ``biomedclip.json``: what open_clip computes for the tiny checkpoint of BiomedCLIP.

Run from the repository's root with the packages of the ``oracle`` extra:
``python tests/models/golden/make_biomedclip.py``. Nothing of Vesalius is imported, so the file is
an independent account of the published path from pixels and words to numbers.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image as Picture

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "oracle"))

import tiny_biomedclip as tiny
from open_clip_reference import compute

TEXTS = ("chest x ray showing a large nodule", "normal", "no pneumonia in the left lung")
EVERY_PIXEL, EVERY_PATCH = 23, 3  # the rest is as good; the file stays small


def main() -> None:
    """Build the tiny checkpoint, run open_clip, write the numbers."""
    pictures = tiny.scenes()
    with tempfile.TemporaryDirectory() as scratch:
        folder = tiny.build(Path(scratch) / "biomedclip")
        shown = [Picture.fromarray(pixels) for pixels in pictures]
        found = compute(folder, shown, TEXTS, text_config=tiny.bert_config())
    record = {
        "texts": TEXTS,
        "every_pixel": EVERY_PIXEL,
        "every_patch": EVERY_PATCH,
        "pixels": found.pixels[:, :, ::EVERY_PIXEL, ::EVERY_PIXEL],
        "images": found.images,
        "text_rows": found.texts,
        "dense": found.dense[:, ::EVERY_PATCH, ::EVERY_PATCH],
        "maps_of_last_text": found.maps,
        "logits": found.logits,
    }
    plain = {
        name: [float(f"{x:.9g}") for x in value.ravel()] if isinstance(value, np.ndarray) else value
        for name, value in record.items()
    }
    lines = json.dumps(plain, indent=None, separators=(",", ":")).replace('],"', '],\n"')
    Path(__file__).with_name("biomedclip.json").write_text(lines + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
