"""Folders of pictures against references: pairs, sets, and what is refused."""

import numpy as np
import pytest
from generation_fakes import judge

from vesalius.errors import InputError
from vesalius.metrics import frechet_distance, ssim
from vesalius.records import Image, Resampling
from vesalius.tasks.generation_compare import Comparison, compare_images

QUICK = Resampling(n_resamples=50)


def images(n: int, *, seed: int) -> list[Image]:
    """Noise, already of the size of the comparison."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, 16, 16)).astype(np.uint8)
    return [Image(one, "yx", "display", (0.0, 255.0)) for one in pixels]


def test_pairs_have_likeness_with_intervals_and_distances_of_the_sets() -> None:
    """The same numbers as the definitions, under the names of the task."""
    first, second, how = images(9, seed=0), images(9, seed=1), Comparison(16, True, QUICK)
    found = {e.metric: e for e in compare_images(first, second, judge("j"), how=how)}
    assert list(found) == ["ssim", "psnr", "fd[j]", "kid[j]"]
    values = [ssim(x.pixels, y.pixels, data_range=255) for x, y in zip(first, second, strict=True)]
    assert found["ssim"].value == pytest.approx(np.mean(values))
    assert found["ssim"].low < found["ssim"].value < found["ssim"].high
    assert np.isnan(found["fd[j]"].low)
    assert "no interval" in found["fd[j]"].reason
    assert np.isfinite(found["kid[j]"].low)


def test_sets_of_different_size_have_distances_only() -> None:
    """Nothing is invented for the missing partners."""
    first, second, how = images(5, seed=0), images(9, seed=1), Comparison(16, False, QUICK)
    found = {e.metric: e for e in compare_images(first, second, judge("j"), how=how)}
    assert list(found) == ["fd[j]", "kid[j]"]
    features = [judge("j").image_features(s).round(5) for s in (first, second)]
    assert found["fd[j]"].value == pytest.approx(frechet_distance(*features))
    assert "9 images and 5 references" in found["kid[j]"].reason


@pytest.mark.parametrize(("n", "m", "paired"), [(0, 3, False), (3, 0, False), (3, 2, True)])
def test_sets_that_cannot_be_compared_are_refused(n: int, m: int, paired: bool) -> None:
    """Pairs need partners, and sets need members."""
    with pytest.raises(InputError, match=f"{m} images and {n} references"):
        compare_images(images(n, seed=0), images(m, seed=1), judge("j"),
                       how=Comparison(16, paired))  # fmt: skip
