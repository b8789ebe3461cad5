"""Which of its choices a closed question was answered, by whole words and never by substrings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vesalius.metrics import normalise_answer
from vesalius.metrics.text import yes_no


@dataclass(frozen=True, slots=True)
class Parsed:
    """A choice, or why there is none; without a choice the answer is wrong, and it is counted."""

    outcome: Literal["chosen", "ambiguous", "unparsed"]
    choice: str = ""


def parse_choice(answer: str, choices: Sequence[str], /) -> Parsed:
    """The one choice that an answer names.

    Yes and no are read by `vesalius.metrics.text.yes_no`. Any other choice is named where its
    normalised words stand together in the normalised answer; a choice that only stands within a
    longer one ("right" in "right upper zone") is not named by it. Several make the answer
    ambiguous, none leaves it unparsed.

    >>> parse_choice("Yes, there is a nodule.", ("yes", "no")).choice
    'yes'
    >>> parse_choice("left or right", ("left", "right")).outcome
    'ambiguous'
    """
    named = {normalise_answer(choice): choice for choice in choices}
    if set(named) == {"yes", "no"}:
        found = yes_no(answer)
        if found in ("yes", "no"):
            return Parsed("chosen", named[found])
        return Parsed("ambiguous" if found == "ambiguous" else "unparsed")
    for choice in choices:
        if answer.strip() == choice.strip():
            return Parsed("chosen", choice)
    places = _outermost(_places(normalise_answer(answer).split(), named))
    if len(places) != 1:
        return Parsed("ambiguous" if places else "unparsed")
    return Parsed("chosen", named[next(iter(places))])


Span = tuple[int, int]


def _places(words: list[str], named: dict[str, str]) -> list[tuple[str, Span]]:
    """Every place where the words of a choice stand together."""
    wanted = [(name, name.split()) for name in named if name]
    return [
        (name, (start, start + len(own)))
        for name, own in wanted
        for start in range(len(words) - len(own) + 1)
        if words[start : start + len(own)] == own
    ]


def _outermost(places: list[tuple[str, Span]]) -> set[str]:
    """The choices with a place that is not part of a longer choice's."""
    spans = {span for _, span in places}
    return {
        name
        for name, (low, high) in places
        if not any(a <= low and high <= b and b - a > high - low for a, b in spans)
    }
