"""The patient bootstrap: coverage by simulation, invariances, undefined cases, pairing."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vesalius import stats
from vesalius.errors import InputError
from vesalius.metrics import auroc
from vesalius.metrics.table import MetricInfo
from vesalius.stats import resampling


def _cohort(
    rng: np.random.Generator, *, n_patients: int = 60, n_images: int = 4, shift: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label per patient; scores of one patient share half of their variance."""
    patient = np.repeat(np.arange(n_patients), n_images)
    y = (np.arange(n_patients) % 2 == 0)[patient]
    own, shared = rng.normal(size=len(patient)), rng.normal(size=n_patients)[patient]
    return y, shift * y + np.sqrt(0.5) * (own + shared), patient


def test_coverage_is_nominal_and_rows_would_undercover() -> None:
    """95 % intervals of AUROC hold the true value in 95 % of cohorts; row resampling does not."""
    rng, n_cohorts = np.random.default_rng(20), 300
    truth = NormalDist().cdf(1 / np.sqrt(2))
    held = {"patients": 0, "rows": 0}
    for seed in range(n_cohorts):
        y, score, patient = _cohort(rng)
        value = stats.statistic("auroc", y, score)
        for unit, groups in (("patients", patient), ("rows", np.arange(len(y)))):
            estimate = stats.bootstrap(value, groups=groups, seed=seed, n_resamples=250)
            held[unit] += estimate.low <= truth <= estimate.high
    error = np.sqrt(0.95 * 0.05 / n_cohorts)
    assert abs(held["patients"] / n_cohorts - 0.95) < 3 * error
    assert held["rows"] / n_cohorts < 0.95 - 6 * error


def test_function_of_rows_equals_batched_metric() -> None:
    """A lambda over rows and the metric by name meet the same resamples and give the same ends."""
    y, score, patient = _cohort(np.random.default_rng(1), n_patients=20)
    plain = stats.bootstrap(
        lambda rows: auroc(y[rows], score[rows]), groups=patient, seed=3, n_resamples=100
    )
    fast = stats.bootstrap(
        stats.statistic("auroc", y, score), groups=patient, seed=3, n_resamples=100
    )
    assert (plain.low, plain.high) == pytest.approx((fast.low, fast.high), abs=1e-12)
    assert fast.metric == "auroc"
    assert fast.value == auroc(y, score)
    assert (fast.n, fast.n_patients, fast.n_resamples, fast.level) == (80, 20, 100, 0.95)


def test_the_bootstrap_resamples() -> None:
    """Defect 6: resamples differ, their spread is the standard error of the mean."""
    values = np.random.default_rng(0).normal(size=400)
    estimate = stats.bootstrap(lambda rows: float(values[rows].mean()), groups=np.arange(400))
    width = 2 * 1.96 * values.std() / 20
    assert estimate.high - estimate.low == pytest.approx(width, rel=0.1)
    assert estimate.low < estimate.value < estimate.high


def test_golden_two_patients() -> None:
    """Two patients with values 0 and 1: resample means are 0, ½ and 1 with shares ¼, ½, ¼."""
    values = np.array([0.0, 1.0])
    plan = resampling.plan_resampling(["a", "b"], None, seed=0, n_resamples=4000, level=0.95)
    drawn = resampling.distributions({"mean": lambda rows: float(values[rows].mean())}, plan)
    shares = [(drawn["mean"] == v).mean() for v in (0.0, 0.5, 1.0)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_whole_patients_are_drawn() -> None:
    """Every resample holds whole patients, and as many as there are."""
    groups = np.array(["c", "a", "b", "a", "c", "c"])
    plan = resampling.plan_resampling(groups, None, seed=1, n_resamples=50, level=0.9)
    seen: list[np.ndarray] = []

    def note(rows: np.ndarray) -> float:
        seen.append(np.bincount(rows, minlength=6))
        return 0.0

    resampling.distributions({"note": note}, plan)
    counts = np.array(seen)
    assert (counts[:, [0, 4]] == counts[:, [5]]).all()
    assert (counts[:, 1] == counts[:, 3]).all()
    assert (counts[:, [0, 1, 2]].sum(axis=1) == 3).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_row_order_and_patient_names_change_nothing(seed: int) -> None:
    """Shuffled rows, or other names in the same order, give the same interval."""
    rng = np.random.default_rng(seed)
    y, score, patient = _cohort(rng, n_patients=12)
    order = rng.permutation(len(y))

    def ends(rows: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
        value = stats.statistic("auroc", y[rows], score[rows])
        estimate = stats.bootstrap(value, groups=groups, seed=5, n_resamples=60)
        return estimate.low, estimate.high

    straight = ends(np.arange(len(y)), patient)
    assert ends(order, patient[order]) == pytest.approx(straight, abs=1e-12)
    names = np.array([f"p{number:03d}" for number in patient])
    assert ends(order, names[order]) == pytest.approx(straight, abs=1e-12)


def test_duplicated_images_do_not_narrow_the_interval() -> None:
    """Ten copies of every image of a patient add no information."""
    y, score, patient = _cohort(np.random.default_rng(2), n_patients=30)
    rows = np.repeat(np.arange(len(y)), 10)
    once = stats.bootstrap(stats.statistic("auroc", y, score), groups=patient, n_resamples=200)
    often = stats.bootstrap(
        stats.statistic("auroc", y[rows], score[rows]), groups=patient[rows], n_resamples=200
    )
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=1e-12)


def test_block_size_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory bounds are free: one resample at a time gives the same distribution."""
    y, score, patient = _cohort(np.random.default_rng(3), n_patients=10)
    value = stats.statistic("auprc", y, score)
    whole = stats.bootstrap(value, groups=patient, n_resamples=40, method="bca")
    monkeypatch.setattr(resampling, "_BLOCK_BYTES", 1)
    assert stats.bootstrap(value, groups=patient, n_resamples=40, method="bca") == whole


def test_undefined_resamples_are_counted_and_left_out() -> None:
    """One positive patient in four: about a third of the resamples has none."""
    y = np.array([True, False, False, False])
    value = stats.statistic("auroc", y, np.array([0.9, 0.1, 0.2, 0.3]))
    estimate = stats.bootstrap(value, groups=list("abcd"), n_resamples=1000)
    assert estimate.n_undefined == pytest.approx(1000 * (0.75**4 + 0.25**4), abs=60)
    assert (estimate.value, estimate.low, estimate.high) == (1.0, 1.0, 1.0)
    assert estimate.reason == ""


def test_no_interval_when_most_resamples_are_undefined() -> None:
    """Defined in few resamples: the value stays, the interval is NaN, the reason says why."""

    def only_complete(rows: np.ndarray) -> float:
        return 1.0 if len(np.unique(rows)) == 5 else float("nan")

    estimate = stats.bootstrap(only_complete, groups=list("abcde"), n_resamples=200)
    assert estimate.value == 1
    assert np.isnan([estimate.low, estimate.high]).all()
    assert estimate.reason == f"no interval: undefined in {estimate.n_undefined} of 200 resamples"


def test_undefined_value_has_a_reason() -> None:
    """A single class gives NaN and words, never 0."""
    value = stats.statistic("auroc", np.ones(4, dtype=bool), np.arange(4.0))
    estimate = stats.bootstrap(value, groups=list("aabb"), n_resamples=10)
    assert np.isnan([estimate.value, estimate.low, estimate.high]).all()
    assert estimate.reason == "undefined on these 4 rows of 2 patients"
    assert estimate.n_undefined == 10


def test_one_patient_and_no_rows() -> None:
    """One patient has a value without an interval; no rows have neither."""
    values = np.arange(3.0)
    one = stats.bootstrap(lambda rows: float(values[rows].mean()), groups=["a"] * 3)
    assert one.value == 1
    assert np.isnan(one.low)
    assert one.reason == "no interval: all rows belong to one patient"
    none = stats.bootstrap(
        stats.statistic("accuracy", np.zeros(0, int), np.zeros(0, int)), groups=[]
    )
    assert np.isnan(none.value)
    assert none.reason == "undefined: there are no rows"
    assert none.n_resamples == 0


def test_many_equals_each_alone() -> None:
    """Sharing resamples changes nothing, names and directions are kept."""
    y, score, patient = _cohort(np.random.default_rng(4), n_patients=15)
    probability = 1 / (1 + np.exp(-score))
    statistics = {
        "auroc": stats.statistic("auroc", y, probability),
        "brier": stats.statistic("brier", y, probability),
        "mean": lambda rows: float(score[rows].mean()),
    }
    many = stats.bootstrap_many(statistics, groups=patient, seed=9, n_resamples=50)
    for name, value in statistics.items():
        alone = stats.bootstrap(value, groups=patient, seed=9, n_resamples=50, metric=name)
        assert many[name] == alone
    assert not many["brier"].higher_is_better
    assert many["mean"].higher_is_better


def test_subgroup_is_a_cohort_of_its_own() -> None:
    """Rows of a subgroup give the same estimate as a dataset that holds only them."""
    y, score, patient = _cohort(np.random.default_rng(6), n_patients=20)
    rows = np.flatnonzero(patient % 3 != 0)[::-1]
    value = {"auroc": stats.statistic("auroc", y, score)}
    inside = stats.bootstrap_many(value, groups=patient, seed=1, n_resamples=40, rows=rows)
    alone = {"auroc": stats.statistic("auroc", y[rows], score[rows])}
    cut = stats.bootstrap_many(alone, groups=patient[rows], seed=1, n_resamples=40)
    assert inside["auroc"].n_patients == 13
    assert inside["auroc"].low == pytest.approx(cut["auroc"].low, abs=1e-12)
    assert inside["auroc"].value == pytest.approx(cut["auroc"].value, abs=1e-12)


def test_mean_of_leaves_undefined_parts_out() -> None:
    """A macro average runs over what is defined, in each resample by itself, fast or slow."""
    y, score, patient = _cohort(np.random.default_rng(7), n_patients=8)
    rare = np.arange(len(y)) == 0
    parts = (stats.statistic("auroc", y, score), stats.statistic("auroc", rare, score))
    macro = stats.MeanOf(parts)
    weights = np.random.default_rng(0).integers(0, 3, (12, len(y))).astype(np.float32)
    slow = [macro(np.repeat(np.arange(len(y)), w.astype(int))) for w in weights]
    np.testing.assert_allclose(macro.batched(weights), slow, atol=1e-12)
    only = np.flatnonzero(~rare)
    assert macro(only) == parts[0](only)
    estimate = stats.bootstrap(macro, groups=patient, n_resamples=50)
    assert estimate.metric == "auroc"
    mixed = stats.MeanOf((parts[0], stats.statistic("auprc", y, score)))
    assert stats.bootstrap(mixed, groups=patient, n_resamples=5).metric == ""


def test_metric_without_batched_form_is_evaluated_one_by_one() -> None:
    """A metric that only has a definition still works in the bootstrap."""
    values = np.arange(6.0)
    slow = MetricInfo(name="top", function=lambda a: float(a.max()), batched=None)
    estimate = stats.bootstrap(
        stats.ArrayStatistic(slow, (values,)), groups=np.arange(6), n_resamples=100
    )
    assert estimate.value == 5
    assert estimate.low < 5


@pytest.mark.parametrize("seed", range(3))
def test_bca_agrees_with_scipy(seed: int) -> None:
    """BCa ends of a mean of single-row patients equal scipy's up to Monte-Carlo noise."""
    from scipy.stats import bootstrap as scipy_bootstrap

    values = np.random.default_rng(seed).exponential(size=60)
    ours = stats.bootstrap(
        lambda rows: float(values[rows].mean()), groups=np.arange(60), method="bca", seed=seed
    )
    theirs = scipy_bootstrap((values,), np.mean, method="BCa", rng=seed).confidence_interval
    plain = stats.bootstrap(
        lambda rows: float(values[rows].mean()), groups=np.arange(60), seed=seed
    )
    width = ours.high - ours.low
    assert abs(ours.low - theirs.low) < 0.06 * width
    assert abs(ours.high - theirs.high) < 0.06 * width
    assert ours.high > plain.high


def test_bca_of_a_constant_is_the_constant() -> None:
    """A degenerate distribution gives a degenerate interval, not NaN."""
    constant = stats.bootstrap(lambda rows: 2.0, groups=list("abc"), n_resamples=20, method="bca")
    assert (constant.low, constant.high) == (2, 2)
    top = np.arange(3.0)
    highest = stats.bootstrap(
        lambda rows: float(top[rows].min()) - 1, groups=list("abc"), n_resamples=20, method="bca"
    )
    assert highest.low <= highest.high


def test_paired_difference_sees_what_separate_intervals_miss() -> None:
    """A small constant gain on the same rows is certain when paired, though intervals overlap."""
    y, score, patient = _cohort(np.random.default_rng(8), n_patients=40)
    better = stats.statistic("auroc", y, score + 0.3 * y)
    worse = stats.statistic("auroc", y, score)
    result = stats.paired_difference(better, worse, groups=patient, seed=2, n_resamples=500)
    apart = [stats.bootstrap(s, groups=patient, seed=2, n_resamples=500) for s in (better, worse)]
    assert apart[0].low < apart[1].high
    assert result.estimate.low > 0
    assert result.p_value == pytest.approx(2 / 501)
    assert result.estimate.metric == "Δauroc"
    assert result.estimate.value == pytest.approx(apart[0].value - apart[1].value)


def test_paired_difference_is_antisymmetric() -> None:
    """Swapping the two turns the interval over and keeps p; a model equals itself with p = 1."""
    y, score, patient = _cohort(np.random.default_rng(9), n_patients=20)
    other = stats.statistic("auroc", y, np.random.default_rng(0).permuted(score))
    first = stats.statistic("auroc", y, score)
    there = stats.paired_difference(first, other, groups=patient, n_resamples=200)
    back = stats.paired_difference(other, first, groups=patient, n_resamples=200)
    assert there.estimate.low == pytest.approx(-back.estimate.high, abs=1e-12)
    assert there.p_value == back.p_value
    assert stats.paired_difference(first, first, groups=patient, n_resamples=50).p_value == 1


def test_paired_difference_of_functions_and_undefined() -> None:
    """Plain functions can be compared; an undefined difference has no p-value."""
    nan = stats.paired_difference(
        lambda rows: float("nan"), lambda rows: 1.0, groups=list("ab"), n_resamples=9, metric="Δx"
    )
    assert np.isnan(nan.p_value)
    assert nan.estimate.reason.startswith("undefined")
    assert nan.estimate.metric == "Δx"


def test_p_values_are_uniform_without_a_difference() -> None:
    """Two equally good models differ at the 5 % level in about 5 % of cohorts."""
    rng, rejected, n_cohorts = np.random.default_rng(12), 0, 200
    for seed in range(n_cohorts):
        patient = np.repeat(np.arange(50), 2)
        y = rng.random(100) < 0.5
        first, second = ((y ^ (rng.random(100) < 0.3)) for _ in range(2))
        result = stats.paired_difference(
            stats.statistic("accuracy", y, first),
            stats.statistic("accuracy", y, second),
            groups=patient,
            seed=seed,
            n_resamples=199,
        )
        rejected += result.p_value <= 0.05
    assert rejected / n_cohorts < 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_cohorts)


def test_holm_by_hand() -> None:
    """The worked example, monotone and capped; NaN is no comparison and stays NaN."""
    adjusted = stats.holm([0.01, 0.04, float("nan"), 0.03, 0.9])
    np.testing.assert_allclose(adjusted, [0.04, 0.09, np.nan, 0.09, 0.9])
    assert stats.holm([]).shape == (0,)
    assert stats.holm([0.6, 0.7]).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.statistic("aurok", np.zeros(1)), "did you mean .auroc"),
        (lambda: stats.statistic("zzzz", np.zeros(1)), "known: auroc"),
        (lambda: stats.statistic("auroc", np.zeros(1), np.zeros(2)), r"one length, got \[1, 2\]"),
        (lambda: stats.bootstrap(len, groups=["a"], level=1.5), "0 < level < 1"),
        (lambda: stats.bootstrap(len, groups=["a"], n_resamples=0), "n_resamples ≥ 1"),
        (
            lambda: stats.bootstrap_many({}, groups=["a", "b"], rows=np.array([0, 0])),
            "different indices from 0 to 1",
        ),
        (
            lambda: stats.bootstrap_many({}, groups=["a", "b"], rows=np.array([2])),
            "different indices from 0 to 1",
        ),
    ],
)
def test_bad_arguments_are_named(call, message: str) -> None:
    """Wrong names and ranges are errors that say what to write instead."""
    with pytest.raises(InputError, match=message):
        call()


def test_arrays_and_groups_must_agree() -> None:
    """A patient list of another length than the arrays is an error, not a shorter evaluation."""
    value = stats.statistic("auroc", np.array([0, 1, 1]), np.array([0.1, 0.2, 0.3]))
    with pytest.raises(InputError, match="3 rows"):
        stats.bootstrap(value, groups=["a", "b"], n_resamples=3)
