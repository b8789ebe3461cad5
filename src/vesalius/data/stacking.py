"""From frames with a position each to one evenly spaced volume."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Shaped

from vesalius.data.dicom_header import Header, Plane
from vesalius.data.reading import Reading
from vesalius.data.volumes import LPS_TO_RAS, Grid, require_affine, rescaled

_SAME_PLACE_MM = 1e-3
_SAME_DIRECTION = 1e-3
_UNEVEN = 0.05  # of the spacing; scanners round positions


def stack(
    frames: Shaped[np.ndarray, "n rows columns"],
    headers: Sequence[Header],
    names: Sequence[str],
    reading: Reading,
) -> Grid:
    """Order frames along the slice normal, check their spacing, rescale and place them.

    `headers` and `names` belong to the frames one by one; for one enhanced file the same header
    stands for all. Spacing comes from the positions, never from SliceThickness, which overlaps.

    Raises:
        DataError: ``bad_affine``, ``mixed_series``, ``duplicate_slice`` or ``missing_slice``.
    """
    planes = _planes(headers)
    order, affine = arrange(planes, names, reading)
    scales = {(plane.slope, plane.intercept) for plane in planes}
    if scales <= {(None, 0.0), (1.0, 0.0)}:
        volume = frames[order]
    else:
        volume = np.empty(frames.shape, dtype=np.float32)
        for place, index in enumerate(order):
            plane = planes[index]
            slope = 1.0 if plane.slope is None else plane.slope
            volume[place] = rescaled(frames[index], slope=slope, intercept=plane.intercept)
    return Grid(
        voxels=volume.transpose(2, 1, 0),
        affine=affine,
        intensity="hu" if all(header.is_hu for header in headers) else "arbitrary",
    )


def _planes(headers: Sequence[Header]) -> list[Plane]:
    if len(headers[0].planes) == len(headers) > 1:
        return list(headers[0].planes)
    return [header.planes[0] for header in headers]


def arrange(
    planes: Sequence[Plane], names: Sequence[str], reading: Reading
) -> tuple[list[int], Float[np.ndarray, "4 4"]]:
    """Order of the planes along their normal, and the affine (column, row, slice) → RAS+ mm."""
    positions, orientation, spacing = _common_geometry(planes, names, reading)
    right, down = orientation[:3], orientation[3:]
    normal = np.cross(right, down)
    along = positions @ normal
    order = [int(index) for index in np.argsort(along, kind="stable")]
    _require_even(along[order], [names[index] for index in order], reading)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = right * spacing[1], down * spacing[0]
    affine[:3, 2] = _step(positions[order], normal, planes[0], reading)
    affine[:3, 3] = positions[order[0]]
    affine = LPS_TO_RAS @ affine
    require_affine(affine, reading)
    return order, affine


def _common_geometry(
    planes: Sequence[Plane], names: Sequence[str], reading: Reading
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    positions, orientations, spacings = [], [], []
    for plane, name in zip(planes, names, strict=True):
        if plane.position is None or plane.orientation is None or plane.spacing_mm is None:
            raise reading.error(
                "bad_affine",
                f"{name} has no ImagePositionPatient, ImageOrientationPatient or PixelSpacing, so "
                "its place in space is unknown",
            )
        positions.append(plane.position)
        orientations.append(plane.orientation)
        spacings.append(plane.spacing_mm)
    for what, values in (("orientation", orientations), ("pixel spacing", spacings)):
        away = np.abs(np.array(values) - np.array(values[0])).max(axis=1)
        if away.max() > _SAME_DIRECTION:
            raise reading.error(
                "mixed_series",
                f"{names[int(away.argmax())]} has another {what} than {names[0]}; a scout or a "
                "second stack belongs into a folder of its own",
            )
    return np.array(positions), np.array(orientations[0]), np.array(spacings[0])


def _require_even(along: np.ndarray, names: Sequence[str], reading: Reading) -> None:
    gaps = np.diff(along)
    if gaps.size == 0:
        return
    same = np.flatnonzero(gaps < _SAME_PLACE_MM)
    if same.size:
        pairs = ", ".join(f"{names[i]} = {names[i + 1]}" for i in same[:5])
        raise reading.error(
            "duplicate_slice", f"{same.size} pairs of slices at one position: {pairs}"
        )
    usual = float(np.median(gaps))
    odd = np.flatnonzero(np.abs(gaps - usual) > _UNEVEN * usual)
    if odd.size:
        places = ", ".join(
            f"{gaps[i]:.3g} mm between {names[i]} and {names[i + 1]}" for i in odd[:5]
        )
        raise reading.error(
            "missing_slice", f"slices lie {usual:.3g} mm apart, but {places}; add the missing ones"
        )


def _step(
    positions: np.ndarray, normal: np.ndarray, plane: Plane, reading: Reading
) -> Float[np.ndarray, "3"]:
    """From one slice to the next; a tilted gantry makes it lean against the normal."""
    if len(positions) > 1:
        step: np.ndarray = (positions[-1] - positions[0]) / (len(positions) - 1)
        return step
    if plane.thickness_mm is None:
        raise reading.error("bad_affine", "a single slice without SliceThickness is no volume")
    return normal * plane.thickness_mm
