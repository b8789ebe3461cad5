"""Classification and calibration: values by hand, agreement with scikit-learn, edge cases."""

import numpy as np
import pytest
from sklearn import metrics as sk

from vesalius import metrics as vm
from vesalius.errors import InputError
from vesalius.metrics import checks
from vesalius.metrics.table import METRICS

Y = np.array([True, False, True, False, False])
SCORE = np.array([0.9, 0.8, 0.8, 0.3, 0.1])
DECIDED = np.array([True, True, False, False, False])
CLASSES = np.array([0, 0, 1, 1, 2])
PREDICTED = np.array([0, 1, 1, 1, 0])
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.0, 0.9, 0.1], [0.6, 0.2, 0.2]]
)

# (arguments, value worked out on paper)
BY_HAND = {
    # pairs: 0.9 beats 3; 0.8 ties one (½) and beats 2 → 5.5 of 6
    "auroc": ((Y, SCORE), 5.5 / 6),
    # 0.9: gains ½ at precision 1; 0.8: gains ½ at precision ⅔
    "auprc": ((Y, SCORE), 0.5 + 0.5 * 2 / 3),
    "brier": ((Y, SCORE), (0.01 + 0.64 + 0.04 + 0.09 + 0.01) / 5),
    # midranks of 15 bins put 0.1, 0.3, the two 0.8 and 0.9 into four bins
    "ece": ((Y, SCORE), (0.1 + 0.3 + abs(1 - 1.6) + 0.1) / 5),
    "specificity@90sensitivity": ((Y, SCORE), 2 / 3),
    "specificity@95sensitivity": ((Y, SCORE), 2 / 3),
    "prevalence": ((Y,), 2 / 5),
    "accuracy": ((CLASSES, PREDICTED), 3 / 5),
    "balanced_accuracy": ((CLASSES, PREDICTED), (1 / 2 + 1 + 0) / 3),
    "f1": ((Y, DECIDED), 2 / 4),
    "precision": ((np.array([1, 1, 1, 0]), np.array([1, 0, 0, 0])), 1.0),
    "recall": ((np.array([1, 1, 1, 0]), np.array([1, 0, 0, 0])), 1 / 3),
    "specificity": ((Y, DECIDED), 2 / 3),
    # TP 1, FP 1, FN 1, TN 2
    "mcc": ((Y, DECIDED), (1 * 2 - 1 * 1) / np.sqrt(2 * 2 * 3 * 3)),
    # F1 per class: 2/4, 4/5, 0
    "macro_f1": ((CLASSES, PREDICTED), (1 / 2 + 4 / 5 + 0) / 3),
    # class 0: 5 of 6 pairs; class 1: 6 of 6; class 2: 4 of 4
    "macro_auroc": ((CLASSES, PROBABILITIES), (5 / 6 + 1 + 1) / 3),
    # class 0: ½·1 + ½·⅔; class 1: 1; class 2: 1
    "macro_auprc": ((CLASSES, PROBABILITIES), (5 / 6 + 1 + 1) / 3),
    "brier[multiclass]": ((CLASSES, PROBABILITIES), (0.06 + 1.14 + 0.06 + 0.02 + 1.04) / 5),
    # five distinct confidences, five bins: right, wrong, right, right, wrong (0.8 twice: two bins)
    "ece[top-label]": ((CLASSES, PROBABILITIES), (0.6 + 0.7 + abs(2 - 1.6) + 0.1) / 5),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_value_by_hand(name: str) -> None:
    """Each definition gives the value worked out on paper."""
    arguments, expected = BY_HAND[name]
    assert METRICS[name].function(*arguments) == pytest.approx(expected, abs=1e-12)


def _sample(seed: int, *, n: int = 200, n_classes: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, n_classes)).round(1 if seed % 2 else 6)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    classes = rng.integers(0, n_classes, n)
    score = rng.random(n).round(2 if seed % 2 else 8)
    return {
        "y": rng.random(n) < 0.3,
        "score": score,
        "decided": score > 0.6,
        "classes": classes,
        "predicted": np.where(rng.random(n) < 0.4, classes, rng.integers(0, n_classes, n)),
        "probabilities": probabilities,
    }


def _best_specificity(y: np.ndarray, score: np.ndarray, *, sensitivity: float) -> float:
    fpr, tpr, _ = sk.roc_curve(y, score, drop_intermediate=False)
    return float(1 - fpr[tpr >= sensitivity - 1e-12].min())


def _ece_by_loop(y: np.ndarray, score: np.ndarray) -> float:
    bins: dict[int, list[int]] = {}
    for row, value in enumerate(score):
        below, tied = (score < value).sum(), (score == value).sum()
        bins.setdefault(int(15 * (2 * below + tied) // (2 * len(y))), []).append(row)
    return sum(
        abs(y[rows].mean() - score[rows].mean()) * len(rows) for rows in bins.values()
    ) / len(y)


def _one_hot(classes: np.ndarray, n_classes: int) -> np.ndarray:
    return np.eye(n_classes, dtype=int)[classes]


SKLEARN = {
    "auroc": (("y", "score"), sk.roc_auc_score),
    "auprc": (("y", "score"), sk.average_precision_score),
    "brier": (("y", "score"), sk.brier_score_loss),
    "ece": (("y", "score"), _ece_by_loop),
    "specificity@90sensitivity": (
        ("y", "score"),
        lambda y, s: _best_specificity(y, s, sensitivity=0.9),
    ),
    "specificity@95sensitivity": (
        ("y", "score"),
        lambda y, s: _best_specificity(y, s, sensitivity=0.95),
    ),
    "prevalence": (("y", "score"), lambda y, _: np.mean(y)),
    "accuracy": (("classes", "predicted"), sk.accuracy_score),
    "balanced_accuracy": (("classes", "predicted"), sk.balanced_accuracy_score),
    "f1": (("y", "decided"), sk.f1_score),
    "precision": (("y", "decided"), sk.precision_score),
    "recall": (("y", "decided"), sk.recall_score),
    "specificity": (("y", "decided"), lambda y, d: sk.recall_score(y, d, pos_label=0)),
    "mcc": (("classes", "predicted"), sk.matthews_corrcoef),
    "macro_f1": (("classes", "predicted"), lambda y, d: sk.f1_score(y, d, average="macro")),
    "macro_auroc": (
        ("classes", "probabilities"),
        lambda y, p: sk.roc_auc_score(y, p, multi_class="ovr", average="macro"),
    ),
    "macro_auprc": (
        ("classes", "probabilities"),
        lambda y, p: sk.average_precision_score(_one_hot(y, p.shape[1]), p, average="macro"),
    ),
    "brier[multiclass]": (
        ("classes", "probabilities"),
        lambda y, p: sk.brier_score_loss(y, p, scale_by_half=False),
    ),
    "ece[top-label]": (
        ("classes", "probabilities"),
        lambda y, p: _ece_by_loop(p.argmax(axis=1) == y, p.max(axis=1)),
    ),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", SKLEARN)
def test_agrees_with_scikit_learn(name: str, seed: int) -> None:
    """Values equal scikit-learn (ECE: a plain loop) to 1e-9, with and without ties."""
    columns, oracle = SKLEARN[name]
    sample = _sample(seed)
    arrays = [sample[column] for column in columns]
    assert METRICS[name].function(*arrays) == pytest.approx(oracle(*arrays), abs=1e-9)


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "mcc"])
def test_binary_form_is_the_two_class_case(name: str) -> None:
    """Booleans and the classes 0 and 1 give the same value."""
    sample = _sample(3)
    y, decided = sample["y"], sample["decided"]
    function = METRICS[name].function
    assert function(y, decided) == function(y.astype(int), decided.astype(int))


@pytest.mark.parametrize("name", ["auroc", "specificity@90sensitivity", "mcc"])
@pytest.mark.parametrize("constant", [True, False])
def test_single_class_is_nan(name: str, constant: bool) -> None:
    """With one class only there is no value, never 0 or ½."""
    y = np.full(6, constant)
    prediction = np.arange(6) > 2 if name == "mcc" else np.linspace(0, 1, 6)
    assert np.isnan(METRICS[name].function(y, prediction))


def test_undefined_sides_of_decisions() -> None:
    """Precision without predictions and recall without positives are NaN; F1 is 0 or NaN."""
    none, some = np.zeros(3, dtype=bool), np.array([True, False, False])
    assert np.isnan(vm.precision(some, none))
    assert np.isnan(vm.recall(none, some))
    assert np.isnan(vm.specificity(~none, some))
    assert np.isnan(vm.f1(none, none))
    assert vm.f1(some, none) == 0
    assert vm.f1(none, some) == 0
    assert np.isnan(vm.auprc(none, np.arange(3.0)))


def test_macro_leaves_undefined_classes_out() -> None:
    """A class without rows is left out; a perfect classifier keeps its 1 (peers gave 0.667)."""
    y = np.array([0, 1, 0, 1])
    perfect = np.eye(3)[y]
    assert vm.macro_auroc(y, perfect) == 1
    assert vm.macro_auprc(y, perfect) == 1
    assert vm.macro_f1(y, y + 0) == 1
    assert np.isnan(vm.macro_auroc(np.zeros(3, dtype=int), np.eye(3)))


@pytest.mark.parametrize("name", BY_HAND)
def test_no_rows_is_nan(name: str) -> None:
    """Nothing to measure is NaN, not an error and not 0."""
    arguments, _ = BY_HAND[name]
    assert np.isnan(METRICS[name].function(*(argument[:0] for argument in arguments)))


def test_f1_precision_and_recall_are_not_permuted() -> None:
    """Defect 1: three different values for one confusion table, each in its own place."""
    y = np.array([1, 1, 1, 1, 0, 0])
    decided = np.array([1, 0, 0, 0, 0, 0])
    assert vm.precision(y, decided) == 1
    assert vm.recall(y, decided) == 0.25
    assert vm.f1(y, decided) == pytest.approx(0.4)
    assert vm.precision(decided, y) == 0.25


def test_multiclass_auroc_is_a_number() -> None:
    """Defect 5: AUROC of more than two classes is computed, never silently None."""
    sample = _sample(0, n_classes=5)
    value = vm.macro_auroc(sample["classes"], sample["probabilities"])
    assert isinstance(value, float)
    assert 0 < value < 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: checks.binary_scores([0, 2], [0.1, 0.2]), "boolean"),
        (lambda: checks.binary_scores([0, 1], [0.1, np.nan]), "finite, got nan in row 1"),
        (lambda: checks.binary_scores([0, 1], [0.1]), "one row each, got 2 and 1"),
        (lambda: checks.binary_decisions([0, 1], [1]), "one row each, got 2 and 1"),
        (lambda: checks.binary_scores(np.zeros((2, 2), dtype=bool), [0, 0]), "one axis"),
        (lambda: vm.brier(np.array([0, 1]), np.array([-1.0, 3.0])), r"probability in \[0, 1\]"),
        (lambda: vm.ece(np.array([0, 1]), np.array([0.0, 3.0])), "logits"),
        (lambda: checks.class_decisions([0.5], [1]), "integers"),
        (lambda: checks.class_decisions([-1], [1]), "from 0, got -1"),
        (lambda: checks.class_scores([3], np.eye(3)[:1]), "class 3, probabilities have 3"),
        (lambda: checks.class_scores([0], [0.5]), "rows × classes"),
        (lambda: checks.class_scores([0], [[np.nan, 1]]), "row 0 is not"),
        (lambda: vm.brier_multiclass(np.array([0]), np.array([[2.0, 1]])), "softmax"),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:
    """Wrong shapes, types and ranges are errors that say what came."""
    with pytest.raises(InputError, match=message):
        call()
