"""The closed-form decoder against scikit-learn and against what it must give by construction."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge as SklearnRidge

from vesalius.tasks.linear_decoder import Pairs, fit_ridge, noise_root, principal_components

NOTHING = Pairs(np.zeros((0, 6)), np.zeros((0, 3)))


def pairs(n: int, *, seed: int = 0) -> Pairs:
    """Inputs of six dimensions and noisy linear targets of three."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, 6)) + 2
    weights = np.random.default_rng(9).normal(size=(6, 3))
    return Pairs(inputs, inputs @ weights + rng.normal(size=(n, 3)) - 1)


def alpha(train: Pairs, strength: float) -> float:
    """The penalty in the units of scikit-learn."""
    centred = train.inputs - train.inputs.mean(axis=0)
    return strength * float((np.linalg.svd(centred, compute_uv=False) ** 2).mean())


@pytest.mark.parametrize("shape", [(12, 40), (60, 20)])
def test_components_are_those_of_scikit_learn(shape: tuple[int, int]) -> None:
    """The same subspace, and coordinates that give the pictures back."""
    pictures = np.random.default_rng(1).normal(size=shape)
    basis, other = principal_components(pictures, 5), PCA(5, svd_solver="full").fit(pictures)
    ours, theirs = basis.components.T @ basis.components, other.components_.T @ other.components_
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    shown = other.inverse_transform(other.transform(pictures))
    np.testing.assert_allclose(basis.pictures(basis.coordinates(pictures)), shown, atol=1e-9)


def test_equal_pictures_have_no_components() -> None:
    """A constant set decodes to its mean instead of to noise."""
    basis = principal_components(np.full((5, 7), 3.0), 4)
    assert basis.components.shape == (0, 7)
    np.testing.assert_array_equal(basis.pictures(np.zeros((2, 0))), np.full((2, 7), 3.0))


def test_ridge_is_that_of_scikit_learn() -> None:
    """Penalty, offset and predictions."""
    train, test = pairs(30), pairs(10, seed=1)
    ours = fit_ridge(train, NOTHING, strengths=[0.3])
    theirs = SklearnRidge(alpha=alpha(train, 0.3)).fit(train.inputs, train.targets)
    np.testing.assert_allclose(ours(test.inputs), theirs.predict(test.inputs), atol=1e-9)


def test_residuals_are_those_of_leaving_one_out() -> None:
    """The closed form equals refitting without each row; the penalty stays what it was."""
    train = pairs(12)
    ours, penalty = fit_ridge(train, NOTHING, strengths=[0.3]), alpha(train, 0.3)
    for row in range(12):
        rest = np.arange(12) != row
        other = SklearnRidge(alpha=penalty).fit(train.inputs[rest], train.targets[rest])
        error = train.targets[row] - other.predict(train.inputs[row : row + 1])[0]
        np.testing.assert_allclose(ours.residuals[row], error, atol=1e-8)


def test_strength_is_chosen_on_validation_rows() -> None:
    """Targets that do not follow the inputs ask for the strongest penalty, true ones for little."""
    train, broken = pairs(40), pairs(200, seed=2)
    broken = Pairs(broken.inputs, np.tile(train.targets.mean(axis=0), (200, 1)))
    strengths = (0.001, 1.0, 1000.0)
    assert fit_ridge(train, broken, strengths=strengths).strength == 1000.0
    assert fit_ridge(train, pairs(200, seed=3), strengths=strengths).strength == 0.001
    assert fit_ridge(train, NOTHING, strengths=strengths).strength == 0.001


def test_noise_has_the_covariance_of_the_residuals() -> None:
    """Samples spread as far, and in the same directions, as the decoder errs."""
    residuals = np.random.default_rng(0).normal(size=(50, 3)) @ np.diag([1.0, 2.0, 5.0])
    root = noise_root(residuals)
    np.testing.assert_allclose(root @ root, residuals.T @ residuals / 50, atol=1e-9)
