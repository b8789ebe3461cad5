"""A normal chest in Hounsfield units, drawn from sampled lengths on a 96³ grid."""

from dataclasses import dataclass

import numpy as np

from vesalius.data.phantom_shapes import (
    AIR_HU,
    BLOOD_HU,
    FAT_HU,
    GRID,
    LIVER_HU,
    MEDIASTINUM_HU,
    MUSCLE_HU,
    SIDE_SIGN,
    Anatomy,
    Ellipsoid,
    Volume,
    axes_mm,
    blend,
    inside,
    unite,
)
from vesalius.data.phantom_skeleton import draw_airways, draw_bones, draw_lung_tissue


@dataclass(frozen=True, slots=True, eq=False)
class Chest:
    """A normal chest: the volume, and the regions that findings are drawn into.

    Attributes:
        hu: Hounsfield units.
        cage: distance outward from the inner chest wall, mm.
        lung: distance to each lung surface (negative inside), keyed by side.
        heart: distance to the heart surface.
        floor_z: height of the diaphragm under every (x, y), keyed by side.
    """

    anatomy: Anatomy
    hu: Volume
    cage: Volume
    lung: dict[str, Volume]
    heart: Volume
    floor_z: dict[str, Volume]


def _cage(a: Anatomy) -> Volume:
    """Distance from the inner chest wall: an ellipse in every slice, closing towards the apex."""
    x, y, z = axes_mm()
    rise = np.clip((a.apex_z - z) / 235, 0.004, 1)
    closing = (1 - (1 - rise) ** 3.2) ** 0.45
    half_x = a.half_width * closing * (1 + 0.03 * np.clip(-z / 100, -1, 1))
    half_y = a.half_depth * (1 - (1 - rise) ** 2.4) ** 0.55
    y_centre = -14 * np.clip(z / 120, 0, 1) ** 2
    radius = (np.abs(x / half_x) ** 2.3 + np.abs((y - y_centre) / half_y) ** 2.3) ** (1 / 2.3)
    wall: Volume = (radius - 1) * np.minimum(half_x, half_y)
    roof = a.apex_z - 0.012 * (np.abs(x) - 46) ** 2  # each lung has its own rounded top
    distance: Volume = np.maximum(wall, (z - roof) * 0.8).astype(np.float32)
    return distance


def _floor(a: Anatomy, side: str) -> Volume:
    """Height of one half of the diaphragm: a dome that falls away to the wall and to the back."""
    x, y, _ = axes_mm()
    outward = SIDE_SIGN[side] * x - a.half_width * 0.46
    fall_out = 44 * (np.clip(outward, 0, None) / (a.half_width * 0.54)) ** 2.2
    fall_in = 8 * (np.clip(-outward, 0, None) / (a.half_width * 0.46)) ** 2
    fall_back = 52 * (np.clip(8 - y, 0, None) / a.half_depth) ** 2
    fall_front = 20 * (np.clip(y - 8, 0, None) / a.half_depth) ** 2
    top = a.dome_z[0] if side == "right" else a.dome_z[1]
    height: Volume = (top - fall_out - fall_in - fall_back - fall_front).astype(np.float32)
    return height


def _body(a: Anatomy) -> Volume:
    """Distance to the skin: a torso with sloping shoulders, a neck and, in women, breasts."""
    x, y, z = axes_mm()
    up = np.clip((z - 40) / 120, 0, 1)
    half_x = a.half_width + a.body_margin + a.fat + 75 * np.clip((z - 5) / 105, 0, 1) ** 2
    half_y = a.half_depth + 16 + a.fat * 0.8 - 52 * up**1.5
    centre_y = -4 - 10 * up
    radius = (np.abs(x / half_x) ** 2.6 + np.abs((y - centre_y) / half_y) ** 2.6) ** (1 / 2.6)
    torso = (radius - 1) * np.minimum(half_x, half_y)
    shoulder_z = 176 - 0.42 * np.clip(np.abs(x) - 52, 0, None) - 0.0012 * np.abs(x) ** 2
    torso = np.maximum(torso, (z - shoulder_z) * 0.9)
    neck = np.sqrt((x / 58) ** 2 + ((y + 14) / 56) ** 2)
    torso = np.minimum(torso, np.where(z > 90, (neck - 1) * 56, 1e3))
    skin: Volume = torso.astype(np.float32)
    for sign in (-1, 1) if a.breast else ():
        radii = (58 * a.breast, 46 * a.breast, 52 * a.breast)
        unite(skin, Ellipsoid((sign * 76.0, a.half_depth - 4, -34.0), radii))
    return skin


def _heart(a: Anatomy) -> Volume:
    """Left-heavy union of three ellipsoids whose width is the wanted cardiothoracic ratio."""
    width = 2 * a.half_width * a.cardiothoracic_ratio
    tilt = a.heart_tilt_rad
    long, short = 0.44 * width, 0.36 * width
    reach = np.hypot(long * np.cos(tilt), short * np.sin(tilt))
    left_edge, right_edge = -0.665 * width + a.heart_shift, 0.335 * width + a.heart_shift
    z = a.dome_z[1] + 0.82 * np.hypot(long * np.sin(tilt), short * np.cos(tilt)) - 8
    depth = min(0.36 * width, 0.62 * a.half_depth)
    atrium = 0.27 * width
    heart = np.full((GRID, GRID, GRID), 1e3, np.float32)
    unite(
        heart,
        Ellipsoid((left_edge + reach, 24, z), (long, depth, short), tilt),
        Ellipsoid((right_edge - atrium, 14, z + 6), (atrium, depth * 0.9, 0.33 * width)),
        Ellipsoid((-4.0 + a.heart_shift, 8, z + 0.34 * width), (34, 30, 46)),
    )
    return heart


def _mediastinum() -> Volume:
    """Distance to the tissue between the lungs, with the knobs that its outline shows."""
    x, y, z = axes_mm()
    half = 15 + 5 * np.clip((z - 50) / 50, 0, 1) + 11 * np.clip(-(y + 34) / 40, 0, 1)
    half = half - 10 * np.clip((y - 10) / 40, 0, 1)
    band = np.broadcast_to(np.abs(x - 2) - half, (GRID, GRID, GRID)).astype(np.float32)
    unite(
        band,
        Ellipsoid((-22, -18, 62), (17, 26, 15)),  # aortic arch
        Ellipsoid((-26, 6, 32), (14, 18, 15)),  # pulmonary trunk
        Ellipsoid((-20, -46, -30), (13, 13, 100)),  # descending aorta
        Ellipsoid((20, 8, 52), (13, 14, 52)),  # superior vena cava
        Ellipsoid((-38, -4, 16), (13, 12, 13)),  # left hilum
        Ellipsoid((38, -4, 6), (13, 12, 15)),  # right hilum
    )
    return band


def build_chest(a: Anatomy) -> Chest:
    """Draw a chest without findings."""
    _, _, z = axes_mm()
    cage, heart, body = _cage(a), _heart(a), _body(a)
    floor_z = {side: _floor(a, side) for side in SIDE_SIGN}
    x = axes_mm()[0]
    solid = np.minimum(_mediastinum(), heart)
    lung = {}
    for side, sign in SIDE_SIGN.items():
        half = np.maximum(cage, -sign * x)
        lung[side] = np.maximum(np.maximum(half, -solid), (floor_z[side] - z) * 0.8)
    hu = np.full((GRID, GRID, GRID), AIR_HU, np.float32)
    rng = np.random.default_rng(a.texture_seed)
    blend(hu, inside(body), FAT_HU)
    blend(hu, inside(np.maximum(body + a.fat, cage - 22)), MUSCLE_HU)
    blend(hu, inside(np.maximum(body + 3, cage)), MEDIASTINUM_HU)
    belly = np.maximum(cage, z - np.where(x > 0, floor_z["right"], floor_z["left"]))
    blend(hu, inside(belly), 25 + (LIVER_HU - 25) * np.clip((x + 50) / 100, 0, 1))
    if a.stomach_air > 8:
        fluid_z = a.dome_z[1] - 14 - a.stomach_air * 1.2
        bubble = Ellipsoid((-68, 20, fluid_z), (32, 24, a.stomach_air * 1.2))
        gas = np.maximum(bubble.distance(), fluid_z - z[:, :, bubble.box[2]])
        blend(hu[bubble.box], inside(gas), AIR_HU)
    blend(hu, inside(heart), BLOOD_HU)
    draw_lung_tissue(hu, a, lung, rng)
    draw_airways(hu)
    draw_bones(hu, a, cage, body)
    return Chest(a, hu, cage, lung, heart, floor_z)
