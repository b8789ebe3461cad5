"""Questions of several publishers brought to the tables of a dataset folder.

An image may be asked about in several splits; it is then one sample in each, with one patient key,
so that the overlap is seen and reported.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vesalius.data.recipes.recipe import TableRow, Tables
from vesalius.records import Split

YES_NO = ("yes", "no")


@dataclass(frozen=True, slots=True)
class Pair:
    """One question about one image.

    Attributes:
        key: identifies the image within the data set.
        image: path as tables name it.
        closed: whether the publisher, or a yes or no, says that the answers are given.
        about: further cells of the image's row.
    """

    key: str
    image: str
    split: Split
    question: str
    answer: str
    closed: bool
    question_type: str = ""
    choices: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)


def tables_of(pairs: Iterable[Pair], /) -> Tables:
    """Samples and questions; identical rows of samples are one."""
    samples: dict[str, TableRow] = {}
    questions: list[TableRow] = []
    for pair in pairs:
        name = f"{pair.split}-{pair.key}"
        samples[name] = {
            "id": name, "patient": pair.key, "split": pair.split, "image": pair.image, **pair.about
        }  # fmt: skip
        questions.append(
            {
                "id": name,
                "question": pair.question,
                "answer": pair.answer,
                "type": "closed" if pair.closed else "open",
                "answers": "|".join(pair.answers),
                "choices": "|".join(pair.choices),
                "question_type": pair.question_type,
            }
        )
    return Tables(list(samples.values()), questions)


def is_yes_no(answer: str, /) -> bool:
    """Whether an answer is yes or no, which makes its question a closed one.

    >>> is_yes_no("Yes."), is_yes_no("no nodule")
    (True, False)
    """
    return answer.strip().rstrip(".").lower() in YES_NO
