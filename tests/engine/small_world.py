"""A dataset of small pictures and a model whose answers can be worked out by hand.

Bright pictures are ``bright``, dark ones ``dark``; the model's image vector turns from dark to
bright with the mean grey, and its text vector points at the word.
"""

import csv
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from vesalius.data.manifest import Dataset, load_dataset
from vesalius.imaging import display_pixels
from vesalius.records import ModelCard

SPLITS = ("train",) * 12 + ("val",) * 6 + ("test",) * 12
CARD = """\
format: 1
name: squares
modality: other
classes:
  dark: ["dark"]
  bright: ["bright"]
positive: bright
templates: ["a {} picture", "{} all over"]
subgroups: [site]
"""


def write_squares(folder: Path, *, n_patients: int = 90, seed: int = 0) -> Path:
    """Write the dataset: one picture per patient, every fifth patient with a second one."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    (folder / "dataset.yaml").write_text(CARD)
    with (folder / "samples.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "patient", "split", "image", "label", "caption", "site"])
        for patient in range(n_patients):
            for number in range(1 + (patient % 5 == 0)):
                is_bright = bool(rng.integers(2))
                grey = np.clip(rng.normal(150 if is_bright else 105, 35), 0, 255)
                pixels = np.clip(rng.normal(grey, 5, (24, 24)), 0, 255).astype(np.uint8)
                name = f"s{patient:03d}{number}"
                Pillow.fromarray(pixels).save(folder / "images" / f"{name}.png")
                label = "bright" if is_bright else "dark"
                caption = f"a {label} picture number {patient}"
                row = [name, f"p{patient:03d}", SPLITS[patient % len(SPLITS)], f"images/{name}.png"]
                writer.writerow([*row, label, caption, "north" if patient % 2 else "south"])
    return folder


def squares(folder: Path, **options: int) -> Dataset:
    """The dataset, loaded."""
    return load_dataset(write_squares(folder, **options))


class Brightness:
    """Capabilities: DualEncoder. Angle 0 is dark, a right angle is bright."""

    logit_scale = 10.0

    def __init__(
        self, name: str = "brightness", weights: str = "1", *, miniature: bool = False
    ) -> None:
        self.card = ModelCard(
            name=name, adapter="fake", weights={"angle": weights}, miniature=miniature
        )
        self.n_encoded = 0

    def encode_images(self, images):
        """Mean grey as an angle."""
        self.n_encoded += len(images)
        means = np.array([display_pixels(image).mean() / 255 for image in images])
        return _vectors(means * np.pi / 2)

    def encode_texts(self, texts):
        """The word decides."""
        return _vectors(np.array([_angle(text) for text in texts]))


def _angle(text: str) -> float:
    return 1.2 if "bright" in text else 0.3 if "dark" in text else 0.75


def _vectors(angles: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
