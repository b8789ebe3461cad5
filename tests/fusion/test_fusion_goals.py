"""What a fusion tells beside classes: vectors by every head, answers, partners and pictures."""

from dataclasses import replace

import numpy as np
import pytest
from planted import rotated

from vesalius.errors import InputError
from vesalius.fusion.answers import answers_of
from vesalius.fusion.closed_heads import Concat, LateAverage, ProductOfExperts, fit_singles
from vesalius.fusion.cohort import Cohort, Parts, parts_of, rows_of
from vesalius.fusion.goals import AnswerClasses, Partners, Pictures, partners, pictures
from vesalius.fusion.heads import HEADS
from vesalius.fusion.results import Settings
from vesalius.fusion.slots import Head, Slot
from vesalius.fusion.study import fusion_study
from vesalius.metrics import ssim
from vesalius.records import Resampling

N = 300
SPLIT = np.repeat(["train", "val", "test"], [180, 60, 60])
PATIENTS = np.array([f"p{i}" for i in range(N)])
QUICK = Settings(seeds=(0,), dropout=0, resampling=Resampling(n_resamples=200))
TRAIN = np.flatnonzero(SPLIT == "train")


def slots(a: np.ndarray, b: np.ndarray) -> tuple[Slot, Slot]:
    """Two inputs that hide a number each."""
    rng = np.random.default_rng(1)
    return Slot("a", rotated(rng, a, dim=6)), Slot("b", rotated(rng, b, dim=6))


def vectors() -> Cohort:
    """A partner that lies along a and b."""
    a, b = np.random.default_rng(0).normal(size=(2, N))
    found = np.stack([a, b, a - b], axis=1)
    return Cohort(slots(a, b), Partners(found, np.arange(N)), PATIENTS, SPLIT)


@pytest.fixture(scope="module")
def parts() -> Parts:
    return parts_of(vectors(), width=8)


@pytest.mark.parametrize(
    "head", [h for n, h in HEADS.items() if n != "gap-shift"], ids=lambda h: h.name
)
def test_every_head_tells_vectors(head: Head, parts: Parts) -> None:
    """With less error than the mean of train, and with more when an input is missing."""
    predict = head.fit(parts.train, parts.val, 0)
    answers = answers_of(parts.val)
    worst = answers.loss(np.tile(answers_of(parts.train).prior(), (60, 1)))
    whole = answers.loss(predict(parts.asked["val"]))
    assert whole < (0.75 if head.name in ("cca", "late-average") else 0.5) * worst
    assert answers.loss(predict(parts.asked["val"].without("a"))) > whole
    nothing = predict(parts.test.without("a").without("b"))
    assert np.isfinite(nothing).all()
    assert np.ptp(nothing, axis=0).max() < 1e-5


def test_products_of_gaussians_by_hand(parts: Parts) -> None:
    """Means weighted by one over the error on val; a missing slot has no weight."""
    singles = fit_singles(parts.train, parts.val)
    said = singles.said(parts.test)
    targets = answers_of(parts.val).targets
    errors = [((one - targets) ** 2).mean() for one in singles.said(parts.asked["val"])]
    weights = np.array([1 / errors[0], 1 / errors[1]])
    product = ProductOfExperts().fit(parts.train, parts.val, 0)
    expected = np.tensordot(weights / weights.sum(), said, axes=1)
    np.testing.assert_allclose(product(parts.test), expected, atol=1e-9)
    np.testing.assert_allclose(product(parts.test.without("a")), said[1], atol=1e-9)


ANSWERS = AnswerClasses(
    labels=np.array([0, 1, 1, -1, 2, 0]),
    names=("yes", "no", "left"),
    allowed=np.array([[1, 1, 0]] * 4 + [[1, 1, 1], [0, 0, 1]], dtype=bool),
)


def test_answers_are_right_or_wrong_by_hand() -> None:
    """The likeliest allowed one counts; an answer that train does not have is never right."""
    said = np.array(
        [
            [0.2, 0.1, 0.7],  # left is no choice: yes, right
            [0.6, 0.3, 0.1],  # wrong
            [0.1, 0.8, 0.1],  # right
            [0.9, 0.1, 0.0],  # unknown answer: wrong
            [0.1, 0.2, 0.7],  # right
            [0.9, 0.1, 0.0],  # its answer is no choice: wrong
        ]
    )
    score = ANSWERS.score([said], np.arange(6))
    assert score(np.arange(6)) == pytest.approx(3 / 6)
    assert score(np.array([3])) == 0
    both = ANSWERS.score([said, said[::-1]], np.arange(6))
    assert both(np.array([0])) == pytest.approx(1.0)  # yes both times


def test_the_floor_of_answers_is_the_most_frequent_allowed_one() -> None:
    """Counted in train only."""
    floor = ANSWERS.floor(np.array([1, 2, 3, 4]), np.arange(6))
    assert floor(np.array([1, 2])) == 1  # no is the most frequent
    assert floor(np.array([0])) == 0
    assert floor(np.array([4])) == 0
    assert floor(np.array([5])) == 0  # only left is allowed there, and yes is right


def test_unknown_answers_are_not_learnt_from() -> None:
    """They are left out of examples, and rows are not weighted by how rare their answer is."""
    cohort = Cohort(
        slots(*np.random.default_rng(0).normal(size=(2, N))),
        AnswerClasses(np.r_[np.zeros(100, int), np.ones(99, int), np.full(101, -1)], ("x", "y"),
                      np.ones((N, 2), bool)),
        PATIENTS,
        SPLIT,
    )  # fmt: skip
    found = parts_of(cohort, width=8)
    assert found.train.inputs.n_rows == 180
    assert found.val.inputs.n_rows == 19
    assert found.asked["val"].n_rows == 60
    answers = answers_of(found.train)
    np.testing.assert_array_equal(answers.weights, 1)
    np.testing.assert_allclose(answers.prior(), [(100 + 0.5) / 181, (80 + 0.5) / 181])


def test_partners_are_ranked_in_their_split_by_hand() -> None:
    """Rows of the same partner are right for each other; the floor is a random order."""
    angles = np.linspace(0, np.pi, 12)
    targets = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    goal = Partners(targets, np.arange(12))
    rows = np.arange(12)
    assert goal.score([targets], rows)(rows) == 1
    far = -targets  # the own partner comes last
    assert goal.score([far], rows)(rows) == 0
    same = Partners(np.repeat(targets[:6], 2, axis=0), np.repeat(np.arange(6), 2))
    assert same.score([same.targets], rows)(rows) == 1
    assert goal.floor(np.arange(3), rows)(rows) == pytest.approx(5 / 12)
    half = goal.score([targets, far], rows)
    assert half(np.array([0, 5])) == 0.5


def test_partners_are_scaled_on_train_only() -> None:
    """Other test rows move nothing but themselves."""
    values = np.random.default_rng(0).normal(size=(N, 9))
    changed = values.copy()
    changed[SPLIT == "test"] += 100
    one, other = (partners(v, np.arange(N), TRAIN, width=4) for v in (values, changed))
    np.testing.assert_array_equal(one.targets[TRAIN], other.targets[TRAIN])
    assert one.targets.shape == (N, 4)


def scene(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pictures of 16 pixels a side, whose upper and lower halves are as bright as a and b say."""
    found = np.zeros((len(a), 16, 16))
    ramp = np.linspace(0.5, 1.5, 16)
    found[:, :8] = 120 + 25 * np.clip(a, -2, 2)[:, None, None] * ramp
    found[:, 8:] = 120 + 25 * np.clip(b, -2, 2)[:, None, None] * ramp
    return np.round(found).astype(np.uint8)


def test_pictures_are_drawn_and_compared_by_hand() -> None:
    """Their own coordinates give them back; the floor is the mean of train."""
    shown = scene(*np.random.default_rng(0).normal(size=(2, N)))
    goal = pictures(shown, TRAIN, width=64)
    rows = np.arange(240, 300)
    cohort = Cohort(slots(*np.zeros((2, N))), goal, PATIENTS, SPLIT)
    inputs = parts_of(cohort, width=4).test
    targets = goal.examples(inputs, rows).targets
    assert np.abs(goal.drawn(targets).astype(int) - shown[rows]).max() <= 2
    assert goal.score([targets], rows)(np.arange(60)) > 0.95
    mean = np.floor(shown[TRAIN].mean(axis=0) + 0.5).astype(np.uint8)
    expected = [ssim(shown[row], mean, data_range=255.0) for row in rows]
    assert goal.floor(TRAIN, rows)(np.arange(60)) == pytest.approx(np.mean(expected))
    assert float((goal.examples(inputs, TRAIN).targets ** 2).mean()) == pytest.approx(1)


def test_pictures_are_decomposed_on_train_only() -> None:
    """Other test pictures leave mean and components as they are."""
    shown = scene(*np.random.default_rng(0).normal(size=(2, N)))
    changed = np.where((SPLIT == "test")[:, None, None], 255 - shown, shown)
    one, other = (pictures(v, TRAIN, width=3) for v in (shown, changed))
    np.testing.assert_array_equal(one.axes, other.axes)
    np.testing.assert_array_equal(one.mean, other.mean)
    assert isinstance(one, Pictures)


def test_a_composed_query_finds_what_neither_part_finds() -> None:
    """Retrieval: the partner is told by a and b together."""
    study = fusion_study(vectors(), {"concat": Concat(), "late": LateAverage()}, settings=QUICK)
    assert study.metric == "recall@5"
    assert study.floor.value == pytest.approx(5 / 60)
    assert study.row("concat").estimate.value > 0.95
    assert study.row("concat").difference.estimate.low > 0.2
    assert study.row("concat").p_holm < 0.05
    assert study.row("concat", "shuffled", "a").estimate.high < 0.6


def test_pictures_are_steered_by_several_inputs() -> None:
    """Generation: each input tells one half of the picture."""
    a, b = np.random.default_rng(0).normal(size=(2, N))
    goal = pictures(scene(a, b), TRAIN, width=8)
    cohort = Cohort(slots(a, b), goal, PATIENTS, SPLIT)
    study = fusion_study(cohort, {"concat": Concat()}, settings=QUICK)
    assert study.metric == "ssim"
    assert study.row("concat").difference.estimate.low > 0.05
    values = [study.contributions[name].value for name in ("a", "b")]
    whole = study.row("concat").estimate.value
    assert sum(values) == pytest.approx(whole - study.floor.value)
    assert min(values) > 0.02


def test_questions_and_images_are_multiplied() -> None:
    """VQA: the question says which of two numbers of the image is asked for."""
    rng = np.random.default_rng(0)
    image, asked = rng.normal(size=(N, 2)), rng.integers(0, 2, N)
    truth = image[np.arange(N), asked] > 0
    shown = rotated(rng, np.zeros(N), dim=4)
    shown[:, :2] = 3 * image
    goal = AnswerClasses(truth.astype(int), ("no", "yes"), np.ones((N, 2), bool))
    both = (Slot("image", shown), Slot("question", np.eye(2)[asked]))
    cohort = Cohort(both, goal, PATIENTS, SPLIT)
    heads = {"concat": Concat(), "product": HEADS["low-rank-bilinear"]}
    study = fusion_study(cohort, heads, settings=QUICK)
    assert study.metric == "accuracy"
    assert study.row("product").estimate.low > study.row("concat").estimate.value
    assert study.best_head == "product"
    assert study.row("product", "shuffled", "question").estimate.value < 0.9


def test_goals_without_rows_are_refused() -> None:
    """By the split that has none."""
    cohort = vectors()
    split = np.where(cohort.split == "val", "train", cohort.split)
    with pytest.raises(InputError, match="val: expected rows, got none"):
        fusion_study(replace(cohort, split=split), {"concat": Concat()}, settings=QUICK)
    assert len(rows_of(cohort, "val")) == 60
