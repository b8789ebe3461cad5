"""A question and an answer to it, turned into the statement that they make together.

Encoders of captions know statements and hardly any questions: "Is there a nodule?" answered with no
says "no nodule". Whatever no rule fits becomes question and answer, side by side.
"""

import re
from dataclasses import dataclass

from vesalius.metrics import normalise_answer

_ARTICLE = re.compile(r"^(?:an?|the|any|some)\s+", re.IGNORECASE)
_SIGHT = r"(?:present|seen|visible|evident|identified|detected|shown|there|noted)"
_PLACE = r"(?:\s+(?:in|on|at|within)\s+.+)?"
_VIEW = r"(?:patient|image|study|scan|picture|x-?ray|radiograph|film|ct|mri)"
_THINGS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^(?:is|are)\s+there\s+(?P<thing>.+?)(?:\s+{_SIGHT})?$",
        rf"^(?:is|are)\s+(?P<thing>.+?)\s+{_SIGHT}(?P<place>{_PLACE})$",
        rf"^can\s+(?P<thing>.+?)\s+be\s+{_SIGHT}(?P<place>{_PLACE})$",
        rf"^(?:does|do)\s+(?:the|this)\s+{_VIEW}\s+(?:have|show|contain)\s+(?P<thing>.+)$",
        r"^(?:does|do)\s+the\s+(?P<side>\w+\s+\w+)\s+(?:have|show|contain)\s+(?P<thing>.+)$",
    )
)
_STATE = re.compile(
    r"^(?P<verb>is|are)\s+(?P<subject>the\s+.+?)\s+"
    r"(?P<state>(?:in|on|at|of|within|above|below)\s+.+|\S+)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Wording:
    """How statements are put.

    Attributes:
        present: of a thing that is there; ``{}`` is the thing.
        absent: of a thing that is not there.
        other: of any other question; ``{question}`` and ``{answer}``.
    """

    present: str = "{} is present"
    absent: str = "no {}"
    other: str = "question: {question} answer: {answer}"


def statement(question: str, answer: str, wording: Wording, /) -> str:
    """What a question with this answer says.

    >>> statement("Is there a nodule?", "no", Wording())
    'no nodule'
    >>> statement("Is the heart enlarged?", "yes", Wording())
    'the heart is enlarged'
    """
    asked = " ".join(question.split()).rstrip("?. ")
    given = normalise_answer(answer)
    if given in ("yes", "no"):
        thing = _thing(asked)
        if thing:
            return (wording.present if given == "yes" else wording.absent).replace("{}", thing)
        state = _STATE.match(asked)
        if state:
            verb = state["verb"].lower() + (" not" if given == "no" else "")
            return f"{_lower(state['subject'])} {verb} {state['state']}"
    # the question is filled in last: what stands in braces in an answer is part of the answer
    before, _, after = wording.other.partition("{answer}")
    whole = " ".join(question.split())
    return answer.join(part.replace("{question}", whole) for part in (before, after))


def _thing(asked: str) -> str:
    """What is asked to be there, with its place and without its article; empty if nothing is."""
    for pattern in _THINGS:
        found = pattern.match(asked)
        if found:
            groups = found.groupdict("")
            side = f" on the {groups['side']}" if groups.get("side") else ""
            return _ARTICLE.sub("", groups["thing"]) + groups.get("place", "") + side
    return ""


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]
