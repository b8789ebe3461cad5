"""Groups that cannot be told apart, and rankings that show them."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vesalius.errors import InputError
from vesalius.records import Cell, Estimate
from vesalius.stats import Comparison, Difference, letters_of, standings, tie_groups

NAN = float("nan")
NAMES = tuple("pqrstuv")


@st.composite
def relations(draw):
    """Some names, best first, and any set of pairs that differ."""
    names = draw(st.permutations(NAMES[: draw(st.integers(1, len(NAMES)))]))
    pairs = [frozenset(pair) for pair in combinations(names, 2)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return tuple(names), chosen


def groups_of(letters):
    """Letter → the names that carry it."""
    found = {}
    for name, text in letters.items():
        for letter in letters_of(text):
            found.setdefault(letter, set()).add(name)
    return found


def cliques(names, different):
    """Every largest set of names without a differing pair, by trying all subsets."""
    free = [
        set(some)
        for size in range(1, len(names) + 1)
        for some in combinations(names, size)
        if not any(pair <= set(some) for pair in different)
    ]
    return [one for one in free if not any(one < other for other in free)]


def test_letters_of_a_worked_example():
    """By hand: p beats r and s, q beats s; the sets without a difference are pq, qr and rs."""
    different = [frozenset("pr"), frozenset("ps"), frozenset("qs")]
    assert tie_groups("pqrs", different) == {"p": "a", "q": "ab", "r": "bc", "s": "c"}


@pytest.mark.parametrize(
    ("names", "different", "expected"),
    [
        ("", [], {}),
        ("p", [], {"p": "a"}),
        ("pqr", [], {"p": "a", "q": "a", "r": "a"}),
        ("pq", [frozenset("pq")], {"p": "a", "q": "b"}),
    ],
)
def test_letters_at_the_edges(names, different, expected):
    """Nobody, one, all alike, all different."""
    assert tie_groups(names, different) == expected


@settings(deadline=None)
@given(relations())
def test_a_letter_is_shared_exactly_by_those_that_do_not_differ(relation):
    """The definition, for every pair."""
    names, different = relation
    letters = tie_groups(names, different)
    assert list(letters) == list(names)
    for one, other in combinations(names, 2):
        shared = set(letters_of(letters[one])) & set(letters_of(letters[other]))
        assert bool(shared) == (frozenset({one, other}) not in different)


@settings(deadline=None)
@given(relations())
def test_groups_are_the_maximal_sets_without_a_difference(relation):
    """Against brute force: no group is missing, and none lies within another (absorption)."""
    names, different = relation
    found = groups_of(tie_groups(names, different))
    assert sorted(map(sorted, found.values())) == sorted(map(sorted, cliques(names, different)))


@settings(deadline=None)
@given(relations(), st.randoms(use_true_random=False))
def test_new_names_and_another_order_of_pairs_change_no_letter(relation, random):
    """Letters depend on places in the ranking only."""
    names, different = relation
    new = {name: f"model {number}" for number, name in enumerate(NAMES)}
    pairs = [frozenset(new[name] for name in pair) for pair in different]
    random.shuffle(pairs)
    letters = tie_groups(names, different)
    assert tie_groups([new[name] for name in names], pairs) == {
        new[name]: text for name, text in letters.items()
    }


@settings(deadline=None)
@given(relations())
def test_letters_run_from_best_to_worst(relation):
    """The first name carries a, and letters appear in the order of the ranking."""
    names, different = relation
    first_seen = dict.fromkeys(
        letter for text in tie_groups(names, different).values() for letter in letters_of(text)
    )
    assert list(first_seen) == sorted(first_seen)


def test_letters_do_not_run_out():
    """Sixty models that all differ have sixty different letters."""
    names = [f"m{number}" for number in range(60)]
    letters = tie_groups(names, [frozenset(pair) for pair in combinations(names, 2)])
    assert (letters["m0"], letters["m51"], letters["m52"]) == ("a", "Z", "a1")
    assert len(set(letters.values())) == 60


@pytest.mark.parametrize("pair", ["px", "p", "pqr"])
def test_what_differs_must_be_a_pair_of_the_names(pair):
    """A misspelt name would silently tie."""
    with pytest.raises(InputError, match=r"expected pairs of \['p', 'q', 'r'\]"):
        tie_groups("pqr", [frozenset(pair)])


def test_names_must_be_different():
    """Two models of one name could not be told apart in the result."""
    with pytest.raises(InputError, match="expected different names"):
        tie_groups("pp", [])


def cell(model, dataset="d"):
    """A place in the only column."""
    return Cell(model, dataset, "vqa", "generate")


def value(number, metric="accuracy", **options):
    """An estimate without more."""
    return Estimate(metric, number, **options)


def pair(first, second, difference, p, *, metric="accuracy", dataset="d"):
    """A comparison whose corrected p value is given."""
    found = Difference(value(difference, metric), p)
    return Comparison(cell(first, dataset), cell(second, dataset), found, p, 3)


VALUES = {cell("x"): value(0.5), cell("y"): value(0.9), cell("z"): value(0.7)}
PAIRS = (pair("x", "y", -0.4, 0.01), pair("x", "z", -0.2, 0.05), pair("y", "z", 0.2, 0.06))


def test_a_ranking_has_best_first_with_letters_and_shared_ranks():
    """By hand: y and z are better than x (0.05 counts), and cannot be told apart."""
    (found,) = standings(PAIRS, VALUES)
    assert [(one.model, one.letters, one.n_better, one.rank) for one in found.placed] == [
        ("y", "a", 0, 1), ("z", "a", 0, 1), ("x", "b", 2, 3),
    ]  # fmt: skip
    assert (found.dataset, found.task, found.protocol, found.metric) == (
        "d", "vqa", "generate", "accuracy",
    )  # fmt: skip
    assert (found.alpha, found.n_comparisons) == (0.05, 3)


def test_a_stricter_alpha_joins_groups():
    """At 0.01 only x and y differ, so z belongs to both groups."""
    (found,) = standings(PAIRS, VALUES, alpha=0.01)
    assert [(one.model, one.letters, one.rank) for one in found.placed] == [
        ("y", "a", 1), ("z", "ab", 1), ("x", "b", 2),
    ]  # fmt: skip


def test_where_lower_is_better_the_order_turns():
    """The same differences of an error: x is best and nobody is better."""
    values = {where: value(one.value, higher_is_better=False) for where, one in VALUES.items()}
    (found,) = standings(PAIRS, values)
    assert [(one.model, one.letters, one.rank) for one in found.placed] == [
        ("x", "a", 1), ("z", "b", 2), ("y", "b", 2),
    ]  # fmt: skip


def test_a_model_with_other_rows_has_a_reason_and_no_letter():
    """It was compared with nobody; its place by value says nothing about significance."""
    (found,) = standings(PAIRS, VALUES | {cell("w"): value(0.8)})
    alone = found.placed[1]
    assert (alone.model, alone.letters, alone.n_better, alone.rank) == ("w", "", None, None)
    assert "no other model has predictions for the same rows" in alone.reason
    assert [one.letters for one in found.placed] == ["a", "", "a", "b"]


def test_the_larger_set_of_models_with_the_same_rows_gets_the_letters():
    """Letters across sets that never met would claim what was not tested."""
    values = VALUES | {cell("v"): value(0.95), cell("w"): value(0.8)}
    (found,) = standings((*PAIRS, pair("v", "w", 0.15, 0.01)), values)
    letters = {one.model: one.letters for one in found.placed}
    assert letters == {"v": "", "w": "", "x": "b", "y": "a", "z": "a"}
    assert "smaller set of models" in found.placed[0].reason


def test_an_undefined_value_comes_last_with_its_reason():
    """It is neither worst nor tied."""
    values = {**VALUES, cell("x"): value(NAN, reason="no positives")}
    unknown = [pair("x", "y", NAN, NAN), pair("x", "z", NAN, NAN)]
    (found,) = standings((*unknown, PAIRS[2]), values)
    assert [(one.model, one.letters, one.reason) for one in found.placed] == [
        ("y", "a", ""), ("z", "a", ""), ("x", "", "no positives"),
    ]  # fmt: skip


def test_columns_are_ranked_apart():
    """Another data set is another ranking, with its own letters."""
    values = {**VALUES, cell("x", "e"): value(0.1), cell("y", "e"): value(0.2)}
    first, second = standings((*PAIRS, pair("x", "y", -0.1, 0.9, dataset="e")), values)
    assert (first.dataset, second.dataset) == ("d", "e")
    assert [one.letters for one in second.placed] == ["a", "a"]


def test_the_ranking_must_be_of_the_metric_that_was_compared():
    """Letters from one metric beside values of another would lie."""
    values = {**VALUES, cell("y"): value(0.9, "f1")}
    with pytest.raises(InputError, match="was compared on accuracy"):
        standings(PAIRS, values)


def test_alpha_is_a_probability():
    """A percentage is a mistake."""
    with pytest.raises(InputError, match="expected 0 < alpha < 1, got 5"):
        standings(PAIRS, VALUES, alpha=5)
