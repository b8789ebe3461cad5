"""Generation: values by hand, agreement with pytorch-msssim, scipy and sklearn, edge cases."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from sklearn.metrics import mean_squared_error
from sklearn.metrics.pairwise import cosine_similarity, polynomial_kernel

from vesalius.errors import InputError
from vesalius.metrics import distances as d
from vesalius.metrics import similarity as s
from vesalius.metrics.geometry import row_cosines
from vesalius.metrics.table import METRICS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pytorch-msssim has an old annotation of torch
    import pytorch_msssim

# Two constant images: no variance, so the similarity is the luminance term alone.
LOW, HIGH = np.full((176, 176), 0.25), np.full((176, 176), 0.75)
LUMINANCE = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
LAST_OF_THREE = 0.3001 / (0.0448 + 0.2856 + 0.3001)
ONE, OTHER = np.array([[0.0], [2.0]]), np.array([[3.0], [5.0], [7.0]])
BY_HAND = {
    "psnr": 10 * np.log10(1 / 0.25),
    "ssim": LUMINANCE,
    # contrast and structure of two constants are 1: luminance at the coarsest scale is left
    "ms_ssim": LUMINANCE**0.1333,
    "ms_ssim[3-scale]": LUMINANCE**LAST_OF_THREE,
    # of (3, 4) with (1, 0) and of (1, 1) with (-2, -2)
    "caption_cosine": (0.6 - 1) / 2,
    # means 1 and 5, variances 2 and 4
    "fd": (5 - 1) ** 2 + (np.sqrt(4) - np.sqrt(2)) ** 2,
    # kernels: 1 within {0, 2}; 16³, 22³ and 36³ within {3, 5, 7}; 1, 1, 1, 7³, 11³, 15³ between
    "kid": 1 + (16**3 + 22**3 + 36**3) / 3 - 2 * (3 + 7**3 + 11**3 + 15**3) / 6,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_value_by_hand(name: str) -> None:
    """Constant images and a handful of numbers give the values worked out on paper."""
    if name in ("fd", "kid"):
        value = METRICS[name].function(ONE, OTHER)
    elif name == "caption_cosine":
        pairs = np.array([[3.0, 4], [1, 1], [0, 0]]), np.array([[1.0, 0], [-2, -2], [1, 0]])
        value = METRICS[name].function(row_cosines(*pairs))
    else:
        pair = s.image_values(LOW, HIGH, data_range=1.0)[name]
        value = METRICS[name].function(np.array([pair, np.nan]))
    assert value == pytest.approx(BY_HAND[name], rel=1e-9)


def _pair(seed: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """A smooth image and a noisier, slightly shifted version of it, in 0 to 255."""
    rng = np.random.default_rng(seed)
    grid = np.meshgrid(*(np.linspace(0, 6, n) for n in shape), indexing="ij")
    image = 120 + 80 * np.sin(sum(grid) + seed)
    return image, np.clip(image + rng.normal(0, 12, shape) + 5, 0, 255)


def _tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image)[None, None]


def _torch_ssim(reference: np.ndarray, image: np.ndarray) -> float:
    value = pytorch_msssim.ssim(_tensor(reference), _tensor(image), data_range=255)
    return float(value)


def _torch_ms_ssim(n_scales: int) -> Callable[[np.ndarray, np.ndarray], float]:
    weights = np.array(s.SCALE_WEIGHTS[:n_scales])
    weights = weights if n_scales == 5 else weights / weights.sum()

    def value(reference: np.ndarray, image: np.ndarray) -> float:
        pair = _tensor(reference), _tensor(image)
        return float(pytorch_msssim.ms_ssim(*pair, data_range=255, weights=weights.tolist()))

    return value


def _by_root(x: np.ndarray, y: np.ndarray) -> float:
    first, second = (np.cov(rows, rowvar=False) for rows in (x, y))
    shift = x.mean(axis=0) - y.mean(axis=0)
    root = linalg.sqrtm(first @ second).real
    return float(shift @ shift + np.trace(first + second - 2 * root))


def _by_kernel_matrix(x: np.ndarray, y: np.ndarray) -> float:
    def mean_of_pairs(a: np.ndarray) -> float:
        kernel = polynomial_kernel(a, degree=3, coef0=1)
        return float(kernel[~np.eye(len(a), dtype=bool)].mean())

    between = polynomial_kernel(x, y, degree=3, coef0=1).mean()
    return mean_of_pairs(x) + mean_of_pairs(y) - 2 * float(between)


AGREEMENT: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "psnr": lambda x, y: 10 * np.log10(255**2 / mean_squared_error(x.ravel(), y.ravel())),
    "ssim": _torch_ssim,
    "ms_ssim": _torch_ms_ssim(5),
    "ms_ssim[3-scale]": _torch_ms_ssim(3),
    "caption_cosine": lambda x, y: float(cosine_similarity(x, y).diagonal().mean()),
    "fd": _by_root,
    "kid": _by_kernel_matrix,
}


@pytest.mark.parametrize("name", ["psnr", "ssim", "ms_ssim", "ms_ssim[3-scale]"])
@pytest.mark.parametrize("seed", range(2))
def test_images_agree_with_pytorch_msssim(name: str, seed: int) -> None:
    """In 2D they are pytorch-msssim's (PSNR: sklearn's error) to 1e-5: its taps are float32."""
    reference, image = _pair(seed, (176, 192))
    value = s.image_values(reference, image, data_range=255)[name]
    assert value == pytest.approx(AGREEMENT[name](reference, image), abs=1e-5)
    assert value < 1 or name == "psnr"


def test_cosines_of_pairs_agree_with_scikit_learn() -> None:
    """Length does not matter, the order of pairs does."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, 30, 7)) * rng.uniform(0.1, 9, (2, 30, 1))
    value = METRICS["caption_cosine"].function(row_cosines(x, y))
    assert value == pytest.approx(AGREEMENT["caption_cosine"](x, y), abs=1e-12)


def test_volumes_agree_with_pytorch_msssim() -> None:
    """In 3D the window is a cube; MS-SSIM of a volume too small for its scales is NaN."""
    reference, image = _pair(3, (44, 48, 52))
    values = s.image_values(reference, image, data_range=255)
    assert values["ssim"] == pytest.approx(AGREEMENT["ssim"](reference, image), abs=1e-5)
    assert 0 < values["ms_ssim[3-scale]"] < 1
    assert np.isnan(values["ms_ssim"])


@pytest.mark.parametrize(("n", "m"), [(200, 150), (60, 300)])
def test_distances_agree_with_scipy_and_scikit_learn(n: int, m: int) -> None:
    """With more rows than dimensions both distances equal the textbook formula."""
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, 24)) @ rng.normal(size=(24, 24))
    y = rng.normal(size=(m, 24)) @ rng.normal(size=(24, 24)) + 0.5
    assert d.frechet_distance(x, y) == pytest.approx(AGREEMENT["fd"](x, y), rel=1e-7)
    assert d.kernel_distance(x, y) == pytest.approx(AGREEMENT["kid"](x, y), rel=1e-9)


def test_kernel_distance_in_blocks() -> None:
    """More rows than fit one block give the same value as the whole matrix."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1500, 3)), rng.normal(size=(1100, 3)) * 1.2
    assert d.kernel_distance(x, y) == pytest.approx(AGREEMENT["kid"](x, y), rel=1e-9)


def test_singular_covariances() -> None:
    """Fewer rows than dimensions: a set is 0 from itself, and known scales give known distances."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 200))
    assert abs(d.frechet_distance(x, x)) < 1e-9
    assert d.frechet_distance(x, 3 * x) == pytest.approx(
        4 * ((x.mean(axis=0) ** 2).sum() + x.var(axis=0, ddof=1).sum())
    )
    # the same, seen in a space without the empty dimensions
    wide = np.hstack([rng.normal(size=(90, 5)), np.zeros((90, 300))])
    other = np.hstack([rng.normal(size=(80, 5)), np.zeros((80, 300))])
    narrow = d.frechet_distance(wide[:, :5], other[:, :5])
    assert d.frechet_distance(wide, other) == pytest.approx(narrow, rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 12))
def test_distance_properties(seed: int, n: int) -> None:
    """Symmetric; order, a shift and a rotation (FD) change nothing; FD is never negative."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 6)), rng.normal(size=(9, 6)) + 1
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    distance = d.frechet_distance(x, y)
    assert distance >= 0
    assert d.frechet_distance(y, x) == pytest.approx(distance)
    assert d.frechet_distance((x + 2) @ turn, (y + 2) @ turn) == pytest.approx(distance)
    assert d.frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    kernel = d.kernel_distance(x, y)
    assert d.kernel_distance(y, x) == pytest.approx(kernel)
    assert d.kernel_distance(rng.permutation(x), y) == pytest.approx(kernel)


def test_kernel_distance_is_unbiased() -> None:
    """Over many pairs of sets from one distribution the mean is 0 within its standard error."""
    rng = np.random.default_rng(1)
    values = [d.kernel_distance(*rng.normal(size=(2, 12, 3))) for _ in range(400)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(400)
    assert min(values) < 0


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_axes=st.sampled_from([2, 3]))
def test_similarity_properties(seed: int, n_axes: int) -> None:
    """Symmetric, in range, blind to mirrors and to the unit of the scale; equal images give 1."""
    rng = np.random.default_rng(seed)
    x, y = rng.random((2, *(12, 15, 13)[:n_axes]))
    value = s.ssim(x, y, data_range=1)
    assert -1 <= value <= 1
    assert s.ssim(y, x, data_range=1) == pytest.approx(value)
    assert s.ssim(np.flip(x), np.flip(y), data_range=1) == pytest.approx(value)
    assert s.ssim(255 * x, 255 * y, data_range=255) == pytest.approx(value)
    assert s.ssim(x, x, data_range=1) == pytest.approx(1)
    nearer = (x + y) / 2
    assert s.psnr(x, nearer, data_range=1) > s.psnr(x, y, data_range=1)
    assert s.psnr(x, x, data_range=1) == np.inf


def test_multi_scale_properties() -> None:
    """One scale is SSIM, equal images give 1, an inverted image counts 0, odd rows are left out."""
    reference, image = _pair(1, (50, 61))
    one_scale = s.ms_ssim(reference, image, data_range=255, n_scales=1)
    assert one_scale == pytest.approx(s.ssim(reference, image, data_range=255))
    assert s.ms_ssim(reference, reference, data_range=255, n_scales=3) == pytest.approx(1)
    assert s.ms_ssim(reference, 255 - reference, data_range=255, n_scales=3) == 0
    assert s.ms_ssim(image, reference, data_range=255, n_scales=2) == pytest.approx(
        s.ms_ssim(image[:, :-1], reference[:, :-1], data_range=255, n_scales=2), abs=0.01
    )


def test_small_images_have_no_structural_similarity() -> None:
    """A side shorter than the window is NaN, never a window cut to size; PSNR needs no window."""
    x, y = np.random.default_rng(0).random((2, 10, 60))
    values = s.image_values(x, y, data_range=1)
    assert np.isnan([values["ssim"], values["ms_ssim"], values["ms_ssim[3-scale]"]]).all()
    assert np.isfinite(values["psnr"])


def test_one_row_has_no_covariance() -> None:
    """Fewer than two rows on a side are NaN, and the caveat says so before anything else."""
    rows = np.random.default_rng(0).random((5, 3))
    for metric in (d.frechet_distance, d.kernel_distance):
        assert np.isnan(metric(rows[:1], rows))
        assert np.isnan(metric(rows, rows[:0]))
    assert d.frechet_caveat(n_reference=1, n_images=50, dim=2).startswith("undefined")
    assert "singular" in d.frechet_caveat(n_reference=500, n_images=400, dim=512)
    assert "400 rows" in d.frechet_caveat(n_reference=500, n_images=400, dim=64)
    assert d.frechet_caveat(n_reference=5000, n_images=2048, dim=512) == ""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: s.ssim(LOW, HIGH, data_range=0.0), "data_range must be positive, got 0.0"),
        (lambda: s.psnr(LOW, HIGH[:5], data_range=1), r"one shape in 2D or 3D, got \(176, 176\)"),
        (lambda: s.ssim(LOW * np.nan, HIGH, data_range=1), "must be finite"),
        (lambda: s.ms_ssim(LOW, HIGH, data_range=1, n_scales=6), "n_scales must be 1 to 5, got 6"),
        (lambda: d.frechet_distance(ONE, np.ones((2, 2))), r"one dimension, got \(2, 1\)"),
        (lambda: d.kernel_distance(ONE, ONE - np.inf), "row 0 of images is not"),
    ],
)
def test_bad_input_is_named(call: Callable[[], float], message: str) -> None:
    """Scales, shapes and features that make no sense are errors that say what came."""
    with pytest.raises(InputError, match=message):
        call()
