"""Findings drawn into a chest: each returns the voxels it changed, which are its truth."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from vesalius.data.phantom_anatomy import Chest
from vesalius.data.phantom_plan import Finding
from vesalius.data.phantom_shapes import (
    HALF_MM,
    SIDE_SIGN,
    SPACING_MM,
    Anatomy,
    Volume,
    axes_mm,
    blend,
    inside,
    smooth_noise,
)

Mask = Bool[np.ndarray, "x y z"]
ENLARGED_FROM_RATIO = 0.5  # the usual radiological rule: a heart wider than half the chest


def enlarged_ratio(size: float) -> float:
    """Cardiothoracic ratio of an enlarged heart of a given `size`; well above the rule's 0.5."""
    return 0.555 + 0.09 * size


def zone_range(chest: Chest, side: str, zone: str) -> tuple[float, float]:
    """Lower and upper z of a third of the lung, apex to dome, in mm."""
    anatomy: Anatomy = chest.anatomy
    bottom = anatomy.dome_z[0] if side == "right" else anatomy.dome_z[1]
    third = (anatomy.apex_z - bottom) / 3
    step = {"lower": 0, "mid": 1, "upper": 2}[zone]
    return bottom + step * third, bottom + (step + 1) * third


def _centre(
    chest: Chest, finding: Finding, rng: np.random.Generator, *, depth_mm: float
) -> np.ndarray:
    """A point of the finding's zone, `depth_mm` inside the lung and clear of the mediastinum.

    Every voxel has a rank of its own and the highest that fits is taken: a heart that has grown
    since the last study moves a finding only where it would lie in the heart.
    """
    low, high = zone_range(chest, finding.side, finding.zone)
    margin = min(10.0, depth_mm * 0.6)
    x, _, z = axes_mm()
    lung = chest.lung[finding.side]
    rank = rng.random(lung.size, dtype=np.float32)
    for ease in (1.0, 0.6, 0.3, 0.0):
        clear = SIDE_SIGN[finding.side] * x > 44 + 12 * ease
        place = (lung < -depth_mm * ease) & clear & (z > low + margin) & (z < high - margin * ease)
        spots = np.flatnonzero(place)
        if spots.size:
            break
    chosen = np.unravel_index(int(spots[rank[spots].argmax()]), lung.shape)
    return np.asarray(chosen) * SPACING_MM - HALF_MM


def _radius_about(centre: np.ndarray, radii: tuple[float, float, float]) -> Volume:
    """Distance from `centre` in units of `radii`."""
    x, y, z = axes_mm()
    square = ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2
    distance: Volume = np.sqrt(square + ((z - centre[2]) / radii[2]) ** 2).astype(np.float32)
    return distance


def _nodule(chest: Chest, finding: Finding, rng: np.random.Generator) -> Mask:
    """A lobulated ball, 20 to 36 mm across, some of them calcified."""
    radius = 10 + 8 * finding.size
    centre = _centre(chest, finding, rng, depth_mm=radius + 4)
    stretch = rng.uniform(0.88, 1.14, 3) * radius
    shape = _radius_about(centre, (float(stretch[0]), float(stretch[1]), float(stretch[2])))
    shape = (shape - 1 + 0.05 * smooth_noise(rng, coarse=24)) * np.float32(radius)
    shape = np.maximum(shape, chest.lung[finding.side])
    blend(chest.hu, inside(shape), 420.0 if rng.random() < 0.3 else 90.0)
    mask: Mask = shape < 0
    return mask


def _consolidation(chest: Chest, finding: Finding, rng: np.random.Generator) -> Mask:
    """An ill-defined patch of filled air spaces within one lung, with air left in its bronchi."""
    scale = 30 + 16 * finding.size
    stretch = rng.uniform(0.85, 1.25, 3) * scale
    centre = _centre(chest, finding, rng, depth_mm=14)
    shape = _radius_about(centre, (float(stretch[0]), float(stretch[1]) * 1.2, float(stretch[2])))
    shape = shape - 1 + 0.16 * smooth_noise(rng, coarse=12)
    within = inside(chest.lung[finding.side])
    density = np.clip(0.5 - shape / 0.35, 0, 1) * within * rng.uniform(0.62, 0.85)
    airy = np.clip(0.9 + 0.2 * smooth_noise(rng, coarse=20), 0.4, 1.0)
    blend(chest.hu, density * airy, 30.0)
    return (shape < 0) & (chest.lung[finding.side] < 0)


def _effusion(chest: Chest, finding: Finding, rng: np.random.Generator) -> Mask:
    """Fluid that fills the base of one pleural space, its surface rising towards the wall."""
    x, y, z = axes_mm()
    anatomy = chest.anatomy
    bottom = anatomy.dome_z[0] if finding.side == "right" else anatomy.dome_z[1]
    level = bottom - 14 + 66 * finding.size**1.3
    outward = np.clip((SIDE_SIGN[finding.side] * x - 40) / (anatomy.half_width - 40), 0, 1)
    backward = np.clip(-y / anatomy.half_depth, 0, 1)
    forward = np.clip((y + 30) / anatomy.half_depth, 0, 1)
    wave = 5 * np.sin(x / 31) * np.cos(y / 23)
    surface = level + 30 * outward**2.5 + 22 * backward - 20 * forward + wave
    surface = surface + float(rng.normal(0, 2))
    above = (z - surface) * 0.9
    # out to the chest wall: a rim of half air would draw a dark line around the fluid
    wet = inside(np.maximum(chest.lung[finding.side] - 3, above))
    blend(chest.hu, wet, np.maximum(chest.hu, 12.0))
    shape = np.maximum(chest.lung[finding.side], above)
    mask: Mask = shape < 0
    return mask


def _pneumothorax(chest: Chest, finding: Finding, rng: np.random.Generator) -> Mask:
    """Air above and beside a lung that has fallen towards the midline, widest at the apex.

    The visceral pleura stands upright in the frontal plane, so its line shows in the radiograph.
    """
    x, _, z = axes_mm()
    anatomy, lung = chest.anatomy, chest.lung[finding.side]
    outward = SIDE_SIGN[finding.side] * x
    reach = np.where(lung < 0, outward, 0).max(axis=(0, 1), keepdims=True)
    reach = ndimage.gaussian_filter1d(reach.astype(np.float32), 2.0, axis=2)
    bottom = anatomy.dome_z[0] if finding.side == "right" else anatomy.dome_z[1]
    height = np.clip((z - bottom) / (anatomy.apex_z - bottom), 0, 1)
    gap = (24 + 24 * finding.size) * (0.45 + 0.55 * height) + float(rng.normal(0, 1))
    beside = outward - (reach - gap)
    above = z - (anatomy.apex_z - 0.9 * gap)
    pleura = np.maximum(beside, above)  # positive on the side of the air
    share = inside(lung)
    blend(chest.hu, share * inside(-pleura), -1000.0)
    blend(chest.hu, share * inside(pleura) * 0.22, -350.0)
    line = np.clip(1 - np.abs(pleura + 1.5) / 3.0, 0, 1) * 0.22
    blend(chest.hu, share * line, -60.0)
    mask: Mask = (lung < 0) & (pleura > 0)
    return mask


DRAW: dict[str, Callable[[Chest, Finding, np.random.Generator], Mask]] = {
    "nodule": _nodule,
    "consolidation": _consolidation,
    "effusion": _effusion,
    "pneumothorax": _pneumothorax,
}
SIDES = ("right", "left")
ORDER: tuple[
    Literal["pneumothorax"], Literal["consolidation"], Literal["nodule"], Literal["effusion"]
] = ("pneumothorax", "consolidation", "nodule", "effusion")


def draw_findings(
    chest: Chest, findings: tuple[Finding, ...], rng: np.random.Generator
) -> list[tuple[Finding, Mask]]:
    """Draw everything but the heart's size into `chest` (in place) and return each truth.

    A voxel belongs to the finding drawn last over it, so the masks are disjoint. Each finding has
    a stream of its own, named by its kind and side: what is unchanged between two studies keeps
    its place and shape, whatever else came or went.
    """
    drawn: list[tuple[Finding, Mask]] = []
    seed = int(rng.integers(2**63))
    for kind in ORDER:
        for finding in findings:
            if finding.kind == kind:
                own = np.random.default_rng([seed, ORDER.index(kind), SIDES.index(finding.side)])
                mask = DRAW[kind](chest, finding, own)
                drawn = [(other, truth & ~mask) for other, truth in drawn]
                drawn.append((finding, mask))
    return drawn
