"""What gives the chest its radiographic texture: bones, airways and the vessels of the lungs."""

import numpy as np
from jaxtyping import Float

from vesalius.data.phantom_shapes import (
    AIR_HU,
    CORTEX_HU,
    DISC_HU,
    GRID,
    HALF_MM,
    MARROW_HU,
    RIB_HU,
    SIDE_SIGN,
    SPACING_MM,
    Anatomy,
    Ellipsoid,
    Points,
    Volume,
    axes_mm,
    blend,
    curves,
    inside,
    smooth_noise,
    stamp,
)


def _vessel_tree(rng: np.random.Generator, side: str) -> tuple[Points, Float[np.ndarray, "n"]]:
    """Branches from one hilum towards the periphery, thinning as they go, three twigs on each."""
    sign, n = SIDE_SIGN[side], 40
    hilum = np.array([sign * 36.0, -4.0, 8.0 if side == "right" else 18.0])
    angle, span = rng.uniform(-0.95, 0.85, n) * np.pi / 2, rng.uniform(45, 115, n)
    away = np.stack(
        [sign * span * np.cos(angle) * 0.85, rng.uniform(-70, 60, n), span * np.sin(angle) * 1.15],
        axis=1,
    )
    bow = away * 0.45 + np.array([0, 0, -12.0]) + rng.normal(0, 7, (n, 3))
    trunks = curves(np.stack([np.zeros_like(away), bow, away], axis=1), n_points=40) + hilum
    thickness = rng.uniform(2.4, 4.6, (n, 1)) * np.linspace(1, 0.22, 40)
    which, fork = np.repeat(np.arange(n), 3), rng.integers(13, 40, 3 * n)
    start = trunks[which, fork]
    tip = start + away[which] * rng.uniform(0.25, 0.5, (3 * n, 1)) + rng.normal(0, 18, (3 * n, 3))
    middle = (start + tip) / 2 + rng.normal(0, 4, (3 * n, 3))
    twigs = curves(np.stack([start, middle, tip], axis=1), n_points=18)
    thin = 0.8 * thickness[which, fork][:, None] * np.linspace(1, 0.3, 18)
    points = np.concatenate([trunks.reshape(-1, 3), twigs.reshape(-1, 3)])
    return points, np.concatenate([thickness.ravel(), thin.ravel()])


def draw_lung_tissue(
    hu: Volume, a: Anatomy, lung: dict[str, Volume], rng: np.random.Generator
) -> None:
    """Fill the lungs: parenchyma a little denser below and behind, and vessels."""
    _, y, z = axes_mm()
    parenchyma = a.lung_hu - 22 * (z / 100) - 18 * (y / 80) + 14 * smooth_noise(rng, coarse=16)
    vessels = np.zeros_like(hu)
    for side in SIDE_SIGN:
        stamp(vessels, *_vessel_tree(rng, side))
    blend(parenchyma, vessels, 35.0)
    for side in SIDE_SIGN:
        blend(hu, inside(lung[side]), parenchyma)


def draw_airways(hu: Volume) -> None:
    """Trachea and main bronchi."""
    share = np.zeros_like(hu)
    tubes = [
        ([[0, -16, HALF_MM], [4, -16, 100], [3, -14, 46.0]], 8.0),
        ([[3, -14, 46], [12, -12, 34], [34, -8, 14.0]], 6.0),
        ([[3, -14, 46], [-14, -12, 32], [-38, -8, 20.0]], 5.5),
    ]
    for nodes, radius in tubes:
        points = curves(np.array([nodes]), n_points=50)[0]
        stamp(share, points, np.full(len(points), radius))
    blend(hu, share, AIR_HU)


def _ribs(a: Anatomy, cage: Volume) -> Volume:
    """Coverage of the ribs: bands on the chest wall that fall from the spine to the front."""
    x, y, z = axes_mm()
    ring = np.abs(cage - 6.5) < 9
    xs, ys, zs = (np.broadcast_to(axis, cage.shape)[ring] for axis in (x, y, z))
    forward = np.clip((ys + a.half_depth) / (2 * a.half_depth), 0, 1)
    turn = zs + a.rib_drop * forward - 10 * np.clip(1 - np.abs(xs) / 45, 0, 1)
    phase = turn / a.rib_spacing + a.rib_phase
    number = np.floor((a.apex_z + a.rib_drop * 0.3) / a.rib_spacing + a.rib_phase - phase)
    vertical = (phase - np.floor(phase) - 0.5) * a.rib_spacing
    radius = np.sqrt(((cage[ring] - 6.5) / 4.2) ** 2 + (vertical / 6.4) ** 2)
    end_x = 42 + 5.0 * np.clip(number, 0, 12)  # bone gives way to cartilage before the sternum
    above_margin = zs > -176 + 62 * forward - 26 * np.abs(xs) / a.half_width
    bony = np.where(ys > 0, np.clip((np.abs(xs) - end_x) / 6 + 0.5, 0, 1), 1.0)
    share = np.zeros_like(cage)
    share[ring] = np.clip(0.5 - (radius - 1) * 4.4 / SPACING_MM, 0, 1) * bony * above_margin
    return share


def _spine(hu: Volume, a: Anatomy) -> None:
    """Vertebral bodies with cortex and discs, and the processes behind and beside them."""
    part = (slice(GRID // 2 - 14, GRID // 2 + 14), slice(0, GRID // 2))
    x, y, z = axes_mm()
    x, y = x[part[0]] - a.spine_bend * np.sin(z / 60), y[:, part[1]]
    y = y + np.float32(a.half_depth - 34) + 8 * np.cos(z / 90)
    distance = (np.sqrt((x / 18) ** 2 + (y / 15) ** 2) - 1) * 15
    phase = np.abs((z / 25) - np.floor(z / 25) - 0.5) * 25  # 12.5 mm is the middle of a disc
    value = np.where(phase > 9.5, DISC_HU, MARROW_HU).astype(np.float32)
    cortex = np.clip(1 - np.abs(distance + 2.0) / 3.5, 0, 1) * (phase < 10.5)
    plate = np.clip(1 - np.abs(phase - 9.0) / 2.2, 0, 1) * (distance < 0)
    value = value + (CORTEX_HU - value) * np.maximum(cortex * 0.8, plate * 0.6)
    blend(hu[part], inside(distance), value)
    arch = np.maximum(np.abs(x) - 4, np.abs(y + 32) - 12)
    arch = np.maximum(arch, np.abs(phase - 3) - 6)
    transverse = np.maximum(np.abs(x) - 30, np.abs(y + 17) - 5)
    transverse = np.maximum(transverse, np.abs(phase - 3) - 4.5)
    blend(hu[part], inside(np.minimum(arch, transverse)), MARROW_HU + 120)


def draw_bones(hu: Volume, a: Anatomy, cage: Volume, body: Volume) -> None:
    """Ribs, spine, sternum, clavicles and shoulder blades."""
    blend(hu, _ribs(a, cage) * inside(body + 4), RIB_HU)
    _spine(hu, a)
    sternum = Ellipsoid((0, a.half_depth + 4, 20), (17, 6, 85))
    blend(hu[sternum.box], inside(np.maximum(sternum.distance(), body[sternum.box] + 6)), 130.0)
    share = np.zeros_like(hu)
    for sign in SIDE_SIGN.values():
        top = a.apex_z - 22
        nodes = [
            [sign * 17, 52, top - 4],
            [sign * 80, 58, top + a.clavicle_rise * 0.4 - 6],
            [sign * 158, -12, top + a.clavicle_rise + 8],
        ]
        points = curves(np.array([nodes]), n_points=72)[0]
        stamp(share, points, 5.8 + 1.2 * np.cos(np.linspace(0, 2 * np.pi, 72)))
        blade = Ellipsoid((sign * 132, -80, 62), (26, 4, 66), -sign * 0.25)
        plate = 0.5 * inside(blade.distance())
        share[blade.box] = np.maximum(share[blade.box], plate)
    blend(hu, share * inside(body + 3), RIB_HU)
