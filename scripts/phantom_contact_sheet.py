"""Draws docs/img/phantom_contact_sheet.png: radiograph, truth and volume of six patients.

Run: ``.venv/bin/python scripts/phantom_contact_sheet.py``.
"""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image as Picture
from PIL import ImageDraw

from vesalius.data.phantom import Study, make_patient
from vesalius.data.phantom_plan import KINDS, plan_patient
from vesalius.data.phantom_project import enlarge, to_view
from vesalius.data.phantom_study import STRUCTURES

TARGET = Path(__file__).parents[1] / "docs" / "img" / "phantom_contact_sheet.png"
SEED, TILE, TEXT = 0, 192, 18
COLOURS = {
    "lung": (70, 130, 180),
    "heart": (205, 92, 92),
    "effusion": (0, 200, 220),
    "consolidation": (255, 200, 0),
    "pneumothorax": (150, 220, 90),
    "nodule": (255, 90, 220),
}


def chosen() -> list[Study]:
    """The first normal patient of the cohort, and the first with each finding alone."""
    wanted: list[tuple[str, ...]] = [(), *((kind,) for kind in KINDS)]
    found: dict[tuple[str, ...], int] = {}
    index = 0
    while len(found) < len(wanted):
        found.setdefault(plan_patient(SEED, index).studies[-1].labels, index)
        found = {labels: place for labels, place in found.items() if labels in wanted}
        index += 1
    return [make_patient(SEED, found[labels])[-1] for labels in wanted]


def overlay(grey: UInt8[np.ndarray, "h w"], labels: UInt8[np.ndarray, "h w"]) -> np.ndarray:
    """The picture in colour where a structure lies."""
    colour = np.repeat(grey[..., None], 3, axis=2).astype(float)
    for name, value in STRUCTURES.items():
        where = labels == value
        colour[where] = 0.62 * colour[where] + 0.38 * np.array(COLOURS[name])
    return colour.astype(np.uint8)


def coronal(study: Study) -> np.ndarray:
    """The frontal slice with most of the finding, lung window to bone."""
    masks = [truth.mask for truth in study.truths] or [study.labels == STRUCTURES["lung"]]
    y = int(masks[0].sum(axis=(0, 2)).argmax())
    shown = np.clip((study.hu[:, y].astype(float) + 1050) / 1500, 0, 1) * 255
    view = enlarge(to_view(shown.astype(np.uint8)), size=256)
    return np.repeat(view[..., None], 3, axis=2)


def column(study: Study) -> Picture.Image:
    """Title, radiograph, radiograph with label map, slice of the volume."""
    grey = (study.radiograph * 255 + 0.5).astype(np.uint8)
    plain = np.repeat(grey[..., None], 3, axis=2)
    tiles = [plain, overlay(grey, study.labels_2d), coronal(study)]
    strip = Picture.new("RGB", (TILE, TEXT + len(tiles) * TILE))
    ImageDraw.Draw(strip).text((4, 3), ", ".join(study.plan.labels) or "no finding")
    for place, tile in enumerate(tiles):
        small = Picture.fromarray(tile).resize((TILE, TILE), Picture.Resampling.LANCZOS)
        strip.paste(small, (0, TEXT + place * TILE))
    return strip


def main() -> None:
    """Draw and save."""
    strips = [column(study) for study in chosen()]
    sheet = Picture.new("RGB", (TILE * len(strips), strips[0].height))
    for place, strip in enumerate(strips):
        sheet.paste(strip, (place * TILE, 0))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
