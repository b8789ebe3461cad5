"""Patches in images and volumes: independent resampling, round trips, nothing outside."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from vesalius.errors import InputError
from vesalius.placement import NORMAL, Placement, Plane, cut, fractions, place, spread
from vesalius.records import Geometry

PLANES: tuple[Plane, ...] = get_args(Plane)
SIZE = (7, 6, 9)


def whole(size: tuple[int, int]) -> Geometry:
    """The rectangle that covers a picture exactly."""
    return Geometry(0, 0, *size)


def in_volume(positions: tuple[int, ...], axis: Plane = "axial") -> Placement:
    """Slices that are seen whole."""
    bare = Placement(SIZE, (), positions, axis)
    return Placement(SIZE, (whole(bare.picture_size),) * len(positions), positions, axis)


@pytest.mark.parametrize("axis", PLANES)
def test_a_slice_goes_back_where_it_came_from(axis: Plane) -> None:
    """`place` is the inverse of `cut`, and touches nothing else."""
    voxels = np.arange(np.prod(SIZE), dtype=np.float32).reshape(SIZE)
    rebuilt = np.zeros_like(voxels)
    for index in range(SIZE[NORMAL[axis]]):
        place(rebuilt, cut(voxels, index, axis=axis), index, axis=axis)
        assert (rebuilt > 0).sum() <= (index + 1) * rebuilt.size // SIZE[NORMAL[axis]]
    np.testing.assert_array_equal(rebuilt, voxels)


def test_display_orientation() -> None:
    """Radiological: the patient's right is on the left, anterior (axial) and superior are up."""
    voxels = np.zeros(SIZE, dtype=np.float32)
    voxels[-1, -1, -1] = 1.0  # right, anterior, superior in RAS+
    for axis in PLANES:
        picture = cut(voxels, SIZE[NORMAL[axis]] - 1, axis=axis)
        assert picture.shape == Placement(SIZE, (), (0,), axis).picture_size
        assert picture[0, 0] == 1.0
        assert picture.sum() == 1.0


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    corner=st.tuples(st.floats(-6, 6), st.floats(-6, 6)),
    extent=st.tuples(st.floats(2, 30), st.floats(2, 30)),
    seed=st.integers(0, 99),
)
def test_spreading_agrees_with_scipy(
    shape: tuple[int, int],
    size: tuple[int, int],
    corner: tuple[float, float],
    extent: tuple[float, float],
    seed: int,
) -> None:
    """Bilinear between centres of patches, constant beyond them, NaN outside the rectangle."""
    values = np.random.default_rng(seed).normal(size=shape)
    found = spread(values[None].astype(np.float32), Placement(size, (Geometry(*corner, *extent),)))
    at = [
        (np.arange(n) + 0.5 - start) / length * patches - 0.5
        for n, start, length, patches in zip(size, corner, extent, shape, strict=True)
    ]
    grid = np.stack(np.meshgrid(*at, indexing="ij"))
    wanted = ndimage.map_coordinates(values, grid, order=1, mode="nearest")
    edge = np.array(shape)[:, None, None] - 0.5
    clear = ((np.abs(grid + 0.5) > 1e-6) & (np.abs(grid - edge) > 1e-6)).all(axis=0)
    outside = ((grid < -0.5) | (grid > edge)).any(axis=0)
    np.testing.assert_array_equal(np.isnan(found)[clear], outside[clear])
    both = clear & ~outside
    np.testing.assert_allclose(found[both], wanted[both], atol=1e-5)


def test_a_grid_as_fine_as_the_image_is_the_image() -> None:
    """One patch a pixel: nothing is interpolated, and nothing is mirrored."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    found = spread(values[None], Placement((3, 4), (whole((3, 4)),)))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("axis", PLANES)
def test_between_slices_values_are_linear(axis: Plane) -> None:
    """Along the normal a brute-force interpolation; half a step beyond the ends, then NaN."""
    n = SIZE[NORMAL[axis]]
    positions = (1, 3, 4)
    placement = in_volume(positions, axis)
    grids = np.random.default_rng(0).normal(size=(3, *placement.picture_size)).astype(np.float32)
    found = spread(grids, placement)
    assert found.shape == SIZE
    for index in range(n):
        plane = cut(found, index, axis=axis)
        if index > 5:  # the widest step is 2, half of it reaches from 4 to 5
            assert np.isnan(plane).all()
            continue
        wanted = np.array(
            [
                [np.interp(index, positions, grids[:, r, c]) for c in range(grids.shape[2])]
                for r in range(grids.shape[1])
            ]
        )
        np.testing.assert_allclose(plane, wanted, atol=1e-5)


def test_one_slice_reaches_only_itself() -> None:
    """There is no distance to take half of."""
    found = spread(np.ones((1, 2, 2), np.float32), in_volume((4,)))
    seen = np.isfinite(found).all(axis=(0, 1))
    assert np.flatnonzero(seen).tolist() == [4]


def test_what_a_slice_does_not_show_stays_unknown() -> None:
    """A crop of a slice leaves a border of NaN, in the voxels that it belongs to."""
    placement = Placement(SIZE, (Geometry(0, 0, SIZE[1], 2),), (0,))
    found = spread(np.ones((1, 2, 2), np.float32), placement)
    # the first two columns of the picture are the patient's right: the last two of x
    assert np.isfinite(found[-2:, :, 0]).all()
    assert np.isnan(found[:-2]).all()


@pytest.mark.parametrize("axis", PLANES)
def test_masks_and_maps_meet_in_the_same_voxels(axis: Plane) -> None:
    """Shares of patches, spread again at the resolution of the voxels, are the mask."""
    mask = np.random.default_rng(1).random(SIZE) < 0.3
    placement = in_volume(tuple(range(SIZE[NORMAL[axis]])), axis)
    shares = fractions(mask, placement, shape=placement.picture_size)
    np.testing.assert_array_equal(spread(shares, placement), mask)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    size=st.tuples(st.integers(1, 16), st.integers(1, 16)),
    corner=st.tuples(st.integers(-5, 5), st.integers(-5, 5)),
    extent=st.tuples(st.integers(2, 20), st.integers(2, 20)),
    seed=st.integers(0, 99),
)
def test_shares_agree_with_counting(
    shape: tuple[int, int],
    size: tuple[int, int],
    corner: tuple[int, int],
    extent: tuple[int, int],
    seed: int,
) -> None:
    """Pixel by pixel: each belongs to the patch that holds its centre; no pixel, no share."""
    mask = np.random.default_rng(seed).random(size) < 0.4
    inside, pixels = np.zeros(shape), np.zeros(shape)
    for row, column in np.ndindex(size):
        cell = [
            int(np.floor((at + 0.5 - start) / length * n))
            for at, start, length, n in zip((row, column), corner, extent, shape, strict=True)
        ]
        if all(0 <= c < n for c, n in zip(cell, shape, strict=True)):
            pixels[tuple(cell)] += 1
            inside[tuple(cell)] += mask[row, column]
    placement = Placement(size, (Geometry(*map(float, (*corner, *extent))),))
    found = fractions(mask, placement, shape=shape)[0]
    wanted = np.where(pixels > 0, inside / np.maximum(pixels, 1), np.nan)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_wrong_places_are_refused() -> None:
    """As many frames as grids, as many positions as frames, a mask in the sample's own grid."""
    two = np.zeros((2, 2, 2), np.float32)
    with pytest.raises(InputError, match="expected one frame"):
        spread(two, Placement((4, 4), (whole((4, 4)),)))
    with pytest.raises(InputError, match="expected one frame"):
        spread(two, Placement(SIZE, (whole((6, 7)),) * 2, (1,)))
    with pytest.raises(InputError, match="several pictures of one image"):
        spread(two, Placement((4, 4), (whole((4, 4)),) * 2))
    with pytest.raises(InputError, match="ascending"):
        spread(two, Placement(SIZE, (whole((6, 7)),) * 2, (3, 1)))
    with pytest.raises(InputError, match="expected a mask of"):
        fractions(np.zeros((3, 4), bool), Placement((4, 4), (whole((4, 4)),)), shape=(2, 2))
