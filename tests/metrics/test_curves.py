"""Curves agree with scikit-learn and with the numbers they stand behind."""

import numpy as np
import pytest
from sklearn import metrics as sk

from vesalius import metrics as vm
from vesalius.errors import InputError
from vesalius.metrics import curves

RNG = np.random.default_rng(7)
Y = RNG.random(120) < 0.4
SCORE = RNG.random(120).round(2)


def test_precision_recall_curve_agrees_with_scikit_learn() -> None:
    """Same points as sklearn (which ends in an added 1, 0); steps sum to the average precision."""
    curve = curves.precision_recall_curve(Y, SCORE)
    precision, recall, threshold = sk.precision_recall_curve(Y, SCORE)
    np.testing.assert_allclose(curve.threshold[::-1], threshold)
    np.testing.assert_allclose(curve.precision[::-1], precision[:-1])
    np.testing.assert_allclose(curve.recall[::-1], recall[:-1])
    area = (np.diff(curve.recall, prepend=0) * curve.precision).sum()
    assert area == pytest.approx(vm.auprc(Y, SCORE))


def test_roc_curve_agrees_with_scikit_learn() -> None:
    """Same points as sklearn; the trapezoid area is the AUROC."""
    curve = curves.roc_curve(Y, SCORE)
    fpr, tpr, threshold = sk.roc_curve(Y, SCORE, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive_rate, fpr)
    np.testing.assert_allclose(curve.true_positive_rate, tpr)
    np.testing.assert_allclose(curve.threshold, threshold)
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(vm.auroc(Y, SCORE))


def test_rates_of_a_missing_class_are_nan() -> None:
    """Without positives there is no recall; it is not drawn as 0."""
    none = np.zeros(3, dtype=bool)
    assert np.isnan(curves.precision_recall_curve(none, np.arange(3.0)).recall).all()
    roc = curves.roc_curve(none, np.arange(3.0))
    assert np.isnan(roc.true_positive_rate).all()
    assert roc.false_positive_rate[-1] == 1


def test_reliability_curve_carries_the_ece() -> None:
    """The gaps between its two axes, weighted by the rows, are the calibration error."""
    curve = curves.reliability_curve(Y, SCORE)
    gap = np.abs(curve.mean_probability - curve.share_positive)
    assert curve.n.sum() == 120
    assert (gap * curve.n).sum() / 120 == pytest.approx(vm.ece(Y, SCORE))


def test_confusion_matrix_axes() -> None:
    """Reference along the first axis, prediction along the second, absent classes included."""
    y, predicted = RNG.integers(0, 3, 50), RNG.integers(0, 3, 50)
    table = curves.confusion_matrix(y, predicted, n_classes=4)
    np.testing.assert_array_equal(table, sk.confusion_matrix(y, predicted, labels=range(4)))
    with pytest.raises(InputError, match="below 2, got"):
        curves.confusion_matrix(y, predicted, n_classes=2)


def test_thin_keeps_the_ends_and_the_budget() -> None:
    """A thinned curve is a subset of the points with both ends; short curves stay whole."""
    x = np.linspace(0, 1, 5000)
    thinned_x, thinned_y = curves.thin(x, x**2, n_points=100)
    assert len(thinned_x) <= 100
    assert thinned_x[0] == 0
    assert thinned_x[-1] == 1
    np.testing.assert_array_equal(thinned_y, thinned_x**2)
    assert len(curves.thin(x[:5], x[:5], n_points=10)[0]) == 5
    with pytest.raises(InputError, match="at least 2"):
        curves.thin(x, x, n_points=1)
