"""The grid, the lengths of one chest, and the shapes that everything is drawn with.

Frame: arrays are (x, y, z) in RAS+ order, millimetres from the centre of the grid, so x grows to
the patient's right, y forwards, z upwards. Every organ is a signed distance (negative inside) and
is blended over one voxel at its surface, which is what partial volume does in a scanner.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

GRID = 96
SPACING_MM = 3.75
HALF_MM = (GRID - 1) / 2 * SPACING_MM
AIR_HU, FAT_HU, MUSCLE_HU, BLOOD_HU, LIVER_HU = -1000.0, -90.0, 45.0, 40.0, 60.0
MEDIASTINUM_HU, RIB_HU, CORTEX_HU, MARROW_HU, DISC_HU = 20.0, 900.0, 330.0, 110.0, 50.0
SIDE_SIGN = {"right": 1.0, "left": -1.0}

Volume = Float[np.ndarray, "#x #y #z"]  # fields that broadcast to the grid
Points = Float[np.ndarray, "n 3"]
Triple = tuple[float | int, float | int, float | int]


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Lengths of one chest, in millimetres unless the name says otherwise."""

    half_width: float
    half_depth: float
    apex_z: float
    dome_z: tuple[float, float]
    body_margin: float
    fat: float
    breast: float
    heart_tilt_rad: float
    heart_shift: float
    cardiothoracic_ratio: float
    rib_spacing: float
    rib_drop: float
    rib_phase: float
    clavicle_rise: float
    spine_bend: float
    stomach_air: float
    lung_hu: float
    texture_seed: int


def sample_anatomy(rng: np.random.Generator, *, sex: str) -> Anatomy:
    """Draw the lengths of one chest; women are a little smaller and have breasts."""
    scale = float(rng.normal(0.95 if sex == "F" else 1.02, 0.035))
    dome = float(rng.normal(-76, 8))
    return Anatomy(
        half_width=136 * scale,
        half_depth=96 * scale * float(rng.normal(1, 0.04)),
        apex_z=float(rng.normal(134, 5)),
        dome_z=(dome, dome - float(rng.uniform(6, 18))),
        body_margin=float(rng.uniform(19, 27)),
        fat=float(rng.uniform(5, 16)),
        breast=float(rng.uniform(0.6, 1.1)) if sex == "F" else 0.0,
        heart_tilt_rad=float(np.deg2rad(rng.uniform(28, 46))),
        heart_shift=float(rng.normal(0, 3)),
        cardiothoracic_ratio=float(rng.uniform(0.41, 0.475)),
        rib_spacing=float(rng.uniform(23.5, 26.5)),
        rib_drop=float(rng.uniform(70, 95)),
        rib_phase=float(rng.uniform(0, 1)),
        clavicle_rise=float(rng.uniform(0, 22)),
        spine_bend=float(rng.normal(0, 3)),
        stomach_air=float(rng.uniform(0, 26)),
        lung_hu=float(rng.uniform(-885, -840)),
        texture_seed=int(rng.integers(2**31)),
    )


def axes_mm() -> tuple[Volume, Volume, Volume]:
    """Coordinates of the voxel centres along x, y, z, shaped for broadcasting."""
    line, _, _ = _lines()
    return line[:, None, None], line[None, :, None], line[None, None, :]


def _lines() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same coordinates, one dimension each; the grid is a cube about its centre."""
    line = np.linspace(-HALF_MM, HALF_MM, GRID, dtype=np.float32)
    return line, line, line


def inside(distance: Volume) -> Volume:
    """Share of each voxel that lies inside a surface at signed `distance` (mm)."""
    return np.clip(0.5 - distance / SPACING_MM, 0.0, 1.0)


def blend(volume: Volume, share: Volume, value: float | Volume) -> None:
    """Replace `share` of each voxel by a material of `value` HU, in place."""
    volume += share * (value - volume)


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """An ellipsoid, turned by `tilt_rad` in the frontal plane; lengths in mm."""

    centre: Triple
    radii: Triple
    tilt_rad: float = 0.0

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """The part of the grid that holds the ellipsoid and two voxels around it."""
        cos, sin = np.cos(self.tilt_rad), np.sin(self.tilt_rad)
        reach_x = np.hypot(self.radii[0] * cos, self.radii[2] * sin)
        reach_z = np.hypot(self.radii[0] * sin, self.radii[2] * cos)
        reach = np.array([reach_x, self.radii[1], reach_z]) + 2 * SPACING_MM
        low = np.floor((np.array(self.centre) - reach + HALF_MM) / SPACING_MM).clip(0, GRID)
        high = np.ceil((np.array(self.centre) + reach + HALF_MM) / SPACING_MM + 1).clip(0, GRID)
        x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return x, y, z

    def distance(self) -> Volume:
        """Approximate signed distance to the surface, inside `box`."""
        x, y, z = (
            line[part] - np.float32(middle)
            for line, part, middle in zip(_lines(), self.box, self.centre, strict=True)
        )
        x, y, z = x[:, None, None], y[None, :, None], z[None, None, :]
        cos, sin = np.float32(np.cos(self.tilt_rad)), np.float32(np.sin(self.tilt_rad))
        along, across = (x * cos + z * sin) / self.radii[0], (z * cos - x * sin) / self.radii[2]
        radius = np.sqrt(along**2 + across**2 + (y / self.radii[1]) ** 2)
        return ((radius - 1) * np.float32(min(self.radii))).astype(np.float32)


def unite(distance: Volume, *parts: Ellipsoid) -> None:
    """Add ellipsoids to the shape of `distance`, in place."""
    for part in parts:
        np.minimum(distance[part.box], part.distance(), out=distance[part.box])


def stamp(share: Volume, points: Points, radii: Float[np.ndarray, "n"]) -> None:
    """Raise `share` to the part of each voxel covered by balls at `points`, in place (maximum).

    A ball thinner than a voxel covers the part of it that its cross-section has.
    """
    reaches = np.ceil((radii + SPACING_MM) / SPACING_MM).astype(int)
    for reach in np.unique(reaches):
        group = reaches == reach
        _stamp_group(share, points[group], radii[group], reach=int(reach))


def _stamp_group(
    share: Volume, points: Points, radii: Float[np.ndarray, "n"], *, reach: int
) -> None:
    """Stamp balls that all fit into ``2 · reach + 1`` voxels."""
    radii = radii.astype(np.float32)[:, None, None, None]
    index = np.rint((points + HALF_MM) / SPACING_MM).astype(np.int64)[:, :, None]
    index = index + np.arange(-reach, reach + 1)
    apart = (index * SPACING_MM - HALF_MM - points[:, :, None]).astype(np.float32) ** 2
    square = apart[:, 0, :, None, None] + apart[:, 1, None, :, None] + apart[:, 2, None, None, :]
    thin = np.minimum(1, (2 * radii / np.float32(SPACING_MM)) ** 2)
    cover = np.clip(0.5 - (np.sqrt(square) - radii) / np.float32(SPACING_MM), 0, 1) * thin
    valid = (index >= 0) & (index < GRID)
    within = valid[:, 0, :, None, None] & valid[:, 1, None, :, None] & valid[:, 2, None, None, :]
    keep = (cover > 0.02) & within
    flat = (index[:, 0, :, None, None] * GRID + index[:, 1, None, :, None]) * GRID
    flat = flat + index[:, 2, None, None, :]
    np.maximum.at(share.reshape(-1), flat[keep], cover[keep])


def curves(
    nodes: Float[np.ndarray, "curves 3 3"], *, n_points: int
) -> Float[np.ndarray, "curves n 3"]:
    """Points along quadratic Bézier curves, each given by three control points."""
    t = np.linspace(0, 1, n_points)[:, None]
    start, control, end = nodes[:, None, 0], nodes[:, None, 1], nodes[:, None, 2]
    points: np.ndarray = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
    return points


def smooth_noise(rng: np.random.Generator, *, coarse: int) -> Volume:
    """Smooth field of about unit variance, made from `coarse`³ random values."""
    seeds = rng.standard_normal((coarse,) * 3).astype(np.float32)
    place = np.clip((np.arange(GRID) + 0.5) * coarse / GRID - 0.5, 0, coarse - 1)
    weights = np.clip(1 - np.abs(place[:, None] - np.arange(coarse)), 0, 1).astype(np.float32)
    for _ in range(3):  # linear interpolation along one axis after the other
        seeds = np.moveaxis(np.tensordot(weights, seeds, axes=(1, 0)), 0, 2)
    return np.ascontiguousarray(seeds) * np.float32(1.5)
