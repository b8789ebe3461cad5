"""Embedding geometry: values by hand, agreement with other formulas, and invariances."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vesalius import metrics as vm
from vesalius.errors import InputError

EAST, NORTH, WEST = (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)
OF_ONE = (vm.uniformity, vm.mean_cosine, vm.effective_rank)
OF_TWO = (vm.modality_gap, vm.alignment, vm.linear_cka, vm.linear_cka_unbiased)


def unit_rows(seed, n=24, dim=6):
    """Random unit rows with a common offset, so that they are neither even nor equal."""
    rows = np.random.default_rng(seed).normal(size=(n, dim)) + 0.5
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def rotation(seed, dim=6):
    """A random orthogonal matrix."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0]


def test_values_by_hand():
    """Three directions of the plane, worked out on paper."""
    fan = np.array([EAST, NORTH, WEST])
    assert vm.modality_gap(fan, np.array([NORTH])) == pytest.approx(2 / 3)  # (0, 1/3) to (0, 1)
    assert vm.alignment(fan, np.array([EAST, EAST, EAST])) == pytest.approx((0 + 2 + 4) / 3)
    # squared distances 2, 4, 2
    expected = math.log((2 * math.exp(-4) + math.exp(-8)) / 3)
    assert vm.uniformity(fan) == pytest.approx(expected)
    assert vm.mean_cosine(fan) == pytest.approx((0 - 1 + 0) / 3)
    # centred: (1, -1/3), (0, 2/3), (-1, -1/3): singular values √2 and √(2/3)
    big, small = math.sqrt(2), math.sqrt(2 / 3)
    p, q = big / (big + small), small / (big + small)
    assert vm.effective_rank(fan) == pytest.approx(math.exp(-p * math.log(p) - q * math.log(q)))


def test_cka_by_hand():
    """One dimension against another is a squared correlation: here 0.75 of the variance."""
    x = np.array([[0.0], [1.0], [2.0]])
    y = np.array([[0.0], [2.0], [2.0]])
    assert vm.linear_cka(x, y) == pytest.approx(np.corrcoef(x[:, 0], y[:, 0])[0, 1] ** 2)
    assert vm.linear_cka(x, y) == pytest.approx(0.75)


@pytest.mark.parametrize("seed", range(3))
def test_agreement_with_other_formulas(seed):
    """Torch's distances, eigenvalues and centred kernels give the same numbers to 1e-9."""
    x, y = unit_rows(seed), unit_rows(seed + 50)
    a, b = torch.tensor(x), torch.tensor(y)
    assert vm.modality_gap(x, y) == pytest.approx((a.mean(0) - b.mean(0)).norm().item(), abs=1e-9)
    assert vm.alignment(x, y) == pytest.approx((a - b).norm(dim=1).pow(2).mean().item(), abs=1e-9)
    spread = torch.pdist(a).pow(2).mul(-2).exp().mean().log().item()
    assert vm.uniformity(x) == pytest.approx(spread, abs=1e-9)
    pairs = [float(x[i] @ x[j]) for i, j in itertools.permutations(range(len(x)), 2)]
    assert vm.mean_cosine(x) == pytest.approx(np.mean(pairs), abs=1e-9)
    values = np.sqrt(np.clip(np.linalg.eigvalsh(np.cov(x.T)), 0, None))
    shares = values / values.sum()
    assert vm.effective_rank(x) == pytest.approx(math.exp(-sum(s * math.log(s) for s in shares)))
    centring = np.eye(len(x)) - 1 / len(x)
    kernel_x, kernel_y = centring @ x @ x.T @ centring, centring @ y @ y.T @ centring
    plain = (kernel_x * kernel_y).sum() / (np.linalg.norm(kernel_x) * np.linalg.norm(kernel_y))
    assert vm.linear_cka(x, y) == pytest.approx(plain, abs=1e-9)


def hsic_over_quadruples(x, y):
    """The unbiased criterion as its U-statistic: a mean over all quadruples of different rows."""
    k, m = x @ x.T, y @ y.T
    terms = [
        k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q])
        for i, j, q, r in itertools.permutations(range(len(x)), 4)
    ]
    return np.mean(terms)


def test_unbiased_cka_agrees_with_all_quadruples():
    """The quick formula equals the definition, which counts every four different rows once."""
    x, y = unit_rows(0, n=7, dim=3), unit_rows(1, n=7, dim=5)
    own = hsic_over_quadruples(x, x) * hsic_over_quadruples(y, y)
    expected = hsic_over_quadruples(x, y) / math.sqrt(own)
    assert vm.linear_cka_unbiased(x, y) == pytest.approx(expected, abs=1e-9)


def test_unbiased_cka_of_independent_rows_is_near_zero_where_plain_cka_is_not():
    """Fewer samples than dimensions: plain CKA of pure noise is high, the unbiased one is not."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(40, 300)), rng.normal(size=(40, 300))
    assert vm.linear_cka(x, y) > 0.8
    assert abs(vm.linear_cka_unbiased(x, y)) < 0.1


@pytest.mark.parametrize("metric", OF_TWO)
def test_symmetric(metric):
    """Neither side is the reference."""
    x, y = unit_rows(0), unit_rows(1)
    assert metric(x, y) == pytest.approx(metric(y, x), abs=1e-12)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_order_and_rotation_change_nothing_and_bounds_hold(seed):
    """Rows in another order, or a rotated space, are the same geometry."""
    x, y = unit_rows(seed), unit_rows(seed + 1)
    order, turn = np.random.default_rng(seed).permutation(len(x)), rotation(seed)
    for metric in OF_ONE:
        assert metric(x[order] @ turn) == pytest.approx(metric(x), abs=1e-9)
    for metric in OF_TWO:
        assert metric(x[order] @ turn, y[order] @ turn) == pytest.approx(metric(x, y), abs=1e-9)
    for metric in (vm.linear_cka, vm.linear_cka_unbiased):
        assert metric(3 * x @ turn + 1, y) == pytest.approx(metric(x, y), abs=1e-9)
        assert metric(x, x @ turn) == pytest.approx(1)
    assert 0 <= vm.modality_gap(x, y) <= 2
    assert 0 <= vm.alignment(x, y) <= 4
    assert -8 <= vm.uniformity(x) <= 0
    assert -1 / (len(x) - 1) <= vm.mean_cosine(x) <= 1
    assert 1 <= vm.effective_rank(x) <= x.shape[1]
    assert 0 <= vm.linear_cka(x, y) <= 1
    assert vm.linear_cka_unbiased(x, y) <= 1


def test_what_is_undefined_is_nan():
    """No rows, one row, or rows without spread: never 0, never an error, never a warning."""
    none, one, same = np.zeros((0, 2)), np.array([EAST]), np.array([EAST] * 5)
    assert math.isnan(vm.modality_gap(none, one))
    assert math.isnan(vm.alignment(none, none))
    assert all(math.isnan(metric(one)) for metric in OF_ONE)
    assert all(math.isnan(metric(none)) for metric in OF_ONE)
    assert math.isnan(vm.effective_rank(same))
    assert (vm.uniformity(same), vm.mean_cosine(same)) == (0.0, 1.0)
    fan = np.array([EAST, NORTH, WEST])
    assert math.isnan(vm.linear_cka(same, np.eye(5)))
    assert math.isnan(vm.linear_cka_unbiased(same, np.eye(5)))
    assert math.isnan(vm.linear_cka_unbiased(fan, fan))


def test_bad_input_is_named():
    """Lengths are not changed in silence, and rows that are NaN are for the caller to drop."""
    x = unit_rows(0)
    with pytest.raises(InputError, match="row 0 has 2"):
        vm.uniformity(2 * x)
    broken = x.copy()
    broken[3] = np.nan
    with pytest.raises(InputError, match="row 3 is not"):
        vm.linear_cka(x, broken)
    with pytest.raises(InputError, match="number of dimensions, got 6 and 5"):
        vm.modality_gap(x, unit_rows(0, dim=5))
    with pytest.raises(InputError, match="number of rows, got 24 and 23"):
        vm.alignment(x, x[1:])
    with pytest.raises(InputError, match=r"rows × dimensions, got shape \(6,\)"):
        vm.effective_rank(x[0])
