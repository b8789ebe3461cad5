"""Who stands where: groups of models that cannot be told apart, as letters in a ranking.

A column is one data set, task, protocol and metric, the unit that a reader ranks models in. Its
comparisons are one family: p values are corrected over them, not over other columns, because the
claim made is about this column.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_letters

from vesalius.errors import InputError
from vesalius.markup import MINIATURE_NOTE, named, range_of, shown, table, text_of
from vesalius.records import Cell, Estimate
from vesalius.stats.inference import Difference

Column = tuple[str, str, str, str]  # dataset, task, protocol, metric
_LETTER = re.compile(r"[a-zA-Z][0-9]*")


@dataclass(frozen=True, slots=True)
class Comparison:
    """First minus second on one metric.

    Attributes:
        p_holm: corrected over the comparisons of the column, see `vesalius.stats.holm`.
        n_comparisons: how many of the column have a p value, the size of that family.
    """

    first: Cell
    second: Cell
    difference: Difference
    p_holm: float
    n_comparisons: int

    @property
    def turned(self) -> "Comparison":
        """Second minus first."""
        one = self.difference.estimate
        estimate = replace(one, value=-one.value, low=-one.high, high=-one.low)
        difference = replace(self.difference, estimate=estimate)
        return replace(self, first=self.second, second=self.first, difference=difference)

    def _repr_html_(self) -> str:
        """Both models, the difference with its interval and the corrected p value."""
        one = self.difference.estimate
        pair = f"{self.first.model} − {self.second.model}"
        where = f"{self.first.task} · {self.first.protocol} · {one.metric}"
        if math.isnan(one.value):
            return str(shown(f"{where}: {pair}: n/a, {one.reason or 'no reason was recorded'}"))
        span = "" if math.isnan(one.low) else f" [{one.low:+.3f}, {one.high:+.3f}]"
        p = "n/a" if math.isnan(self.p_holm) else f"{self.p_holm:.3f}"
        return str(shown(f"{where}: {pair} = {one.value:+.3f}{span}, p {p} (Holm)"))


@dataclass(frozen=True, slots=True)
class Placed:
    """A model in a ranking.

    Attributes:
        letters: its groups; models that share one cannot be told apart. Empty with a `reason`.
        n_better: how many models are significantly better; None where nothing was compared.
        reason: why it has no letters.
    """

    model: str
    estimate: Estimate
    letters: str
    n_better: int | None
    reason: str = ""

    @property
    def rank(self) -> int | None:
        """One more than the number of models that are significantly better; often shared."""
        return None if self.n_better is None else 1 + self.n_better


@dataclass(frozen=True, slots=True)
class Standing:
    """The ranking of a column, best value first and undefined values last.

    Attributes:
        alpha: two models differ where the corrected p value is at most this.
        n_comparisons: that the p values are corrected over.
    """

    dataset: str
    task: str
    protocol: str
    metric: str
    higher_is_better: bool
    placed: tuple[Placed, ...]
    alpha: float
    n_comparisons: int

    def _repr_html_(self) -> str:
        """The ranking as a table, for notebooks."""
        title = " · ".join((self.dataset, self.task, self.protocol, self.metric))
        rows = [
            (
                "–" if one.rank is None else str(one.rank),
                named(one.model),
                text_of(one.estimate.value),
                range_of(one.estimate.low, one.estimate.high),
                one.letters or one.reason,
            )
            for one in self.placed
        ]
        notes = [f"Models that share a letter cannot be told apart (Holm, {self.alpha:.0%})."]
        notes += [MINIATURE_NOTE] * any(one.model.startswith("mini:") for one in self.placed)
        columns = ("rank", "model", "value", "interval", "group")
        return str(table(columns, rows, title=title, notes=notes, numeric=columns[2:4]))


def standings(
    comparisons: Sequence[Comparison], estimates: Mapping[Cell, Estimate], /, *, alpha: float = 0.05
) -> tuple[Standing, ...]:
    """The ranking of every column, in the order in which `estimates` first names them.

    Models are compared on identical rows only. Where those of one column fall into sets with
    different rows, the largest set (of equal ones that with the best model) gets letters, and the
    others have none. A comparison without p value tells nothing apart.

    Args:
        comparisons: pairs of the column, corrected over it.
        estimates: value of every model on the metric that was compared.
        alpha: family-wise error of a column.

    Raises:
        InputError: if `alpha` is not between 0 and 1, or a compared model has no estimate of
            the metric that it was compared on.
    """
    if not 0 < alpha < 1:
        raise InputError(f"expected 0 < alpha < 1, got {alpha}")
    pairs: dict[Column, list[Comparison]] = {}
    for one in comparisons:
        for cell in (one.first, one.second):
            _check_estimate(cell, one, estimates)
        pairs.setdefault(_column(one.first, one.difference.estimate), []).append(one)
    columns: dict[Column, dict[str, Estimate]] = {}
    for cell, estimate in estimates.items():
        columns.setdefault(_column(cell, estimate), {})[cell.model] = estimate
    return tuple(
        _standing(column, pairs.get(column, []), members, alpha)
        for column, members in columns.items()
    )


def tie_groups(names: Sequence[str], different: Collection[frozenset[str]], /) -> dict[str, str]:
    """Compact letter display: two names share a letter if and only if they do not differ.

    Letters run in the order of `names`, ``a`` to ``z``, ``A`` to ``Z``, ``a1`` to ``Z1`` and so
    on; `letters_of` takes them apart. No letter is carried only by names that share another one.

    Args:
        names: all different, best first.
        different: the pairs of them that differ significantly.

    Raises:
        InputError: if a name stands twice, or what differs is not a pair of `names`.

    Source: Piepho (2004), doi:10.1198/1061860043515 (insert and absorb).

    >>> tie_groups(["p", "q", "r"], [frozenset({"p", "r"})])
    {'p': 'a', 'q': 'ab', 'r': 'b'}
    """
    if len(set(names)) != len(names):
        raise InputError(f"expected different names, got {list(names)!r}")
    place = {name: number for number, name in enumerate(names)}
    groups = [(1 << len(names)) - 1] if names else []
    for pair in different:
        if len(pair) != 2 or not pair <= place.keys():
            raise InputError(f"expected pairs of {list(names)!r}, got {sorted(pair)!r}")
        one, other = (1 << place[name] for name in pair)
        groups = _split(groups, one, other)
    members = sorted([n for n in range(len(names)) if group >> n & 1] for group in groups)
    letters: dict[str, str] = dict.fromkeys(names, "")
    for number, group_members in enumerate(members):
        for n in group_members:
            letters[names[n]] += _letter(number)
    return letters


def letters_of(text: str, /) -> tuple[str, ...]:
    """The single letters of a model in a ranking.

    >>> letters_of("abZ1")
    ('a', 'b', 'Z1')
    """
    return tuple(_LETTER.findall(text))


def _split(groups: Sequence[int], one: int, other: int) -> list[int]:
    """Groups, as sets of bits, none of which holds both; one within another is absorbed."""
    both = one | other
    kept = [group for group in groups if group & both != both]
    halves = {group & ~bit for group in groups if group & both == both for bit in (one, other)}
    rivals = [*kept, *halves]
    # only a half can lie within another group: those kept did not lie within the whole one
    new = [h for h in halves if not any(h & rival == h and h != rival for rival in rivals)]
    return kept + [half for half in new if half not in kept]


def _letter(number: int) -> str:
    turn, place = divmod(number, len(ascii_letters))
    return ascii_letters[place] + (str(turn) if turn else "")


def _column(cell: Cell, estimate: Estimate) -> Column:
    return (cell.dataset, cell.task, cell.protocol, estimate.metric)


def _check_estimate(cell: Cell, one: Comparison, estimates: Mapping[Cell, Estimate]) -> None:
    metric = one.difference.estimate.metric
    if cell not in estimates or estimates[cell].metric != metric:
        got = estimates[cell].metric if cell in estimates else "none"
        raise InputError(f"{cell} was compared on {metric}; expected its estimate of it, got {got}")


def _standing(
    column: Column, pairs: Sequence[Comparison], members: Mapping[str, Estimate], alpha: float
) -> Standing:
    ranked = sorted(members, key=lambda model: (*_badness(members[model]), model))
    compared = _compared(ranked, pairs, members)
    inside = [one for one in pairs if one.first.model in compared and one.second.model in compared]
    apart = [one for one in inside if one.p_holm <= alpha]
    letters = tie_groups(compared, [frozenset({o.first.model, o.second.model}) for o in apart])
    upwards = next(iter(members.values())).higher_is_better
    losers = [_worse(one, upwards) for one in apart]
    placed = tuple(
        Placed(model, members[model], letters[model], losers.count(model))
        if model in letters
        else Placed(model, members[model], "", None, _no_letters(model, pairs, members[model]))
        for model in ranked
    )
    n_comparisons = max((one.n_comparisons for one in inside), default=0)
    return Standing(*column, upwards, placed, alpha, n_comparisons)


def _badness(estimate: Estimate) -> tuple[bool, float]:
    is_undefined = math.isnan(estimate.value)
    signed = -estimate.value if estimate.higher_is_better else estimate.value
    return (is_undefined, 0.0 if is_undefined else signed)


def _compared(
    ranked: Sequence[str], pairs: Iterable[Comparison], members: Mapping[str, Estimate]
) -> list[str]:
    """Models of the largest set with identical rows, in the order of the ranking."""
    partners: dict[str, set[str]] = {}
    for one in pairs:
        both = {one.first.model, one.second.model}
        for model in both:
            partners.setdefault(model, set()).update(both)
    defined = [name for name in ranked if name in partners and not math.isnan(members[name].value)]
    largest = max((partners[name] for name in defined), key=len, default=set())
    return [name for name in defined if name in largest]


def _worse(one: Comparison, higher_is_better: bool) -> str:
    first_is_larger = one.difference.estimate.value > 0
    return one.second.model if first_is_larger == higher_is_better else one.first.model


def _no_letters(model: str, pairs: Iterable[Comparison], estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return estimate.reason or "undefined; no reason was recorded"
    if any(model in (one.first.model, one.second.model) for one in pairs):
        return "compared with a smaller set of models only: other rows than the rest"
    return "not compared: no other model has predictions for the same rows"
