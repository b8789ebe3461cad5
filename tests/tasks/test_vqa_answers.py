"""Parsing of answers, statements, keys, and the metrics of a table worked out by hand."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from task_fakes import sample

from vesalius.errors import InputError
from vesalius.metrics.text import BLEU_SETTINGS
from vesalius.records import DatasetCard, Predictions, Question
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.answer_parsing import parse_choice
from vesalius.tasks.statements import Wording, statement
from vesalius.tasks.vqa_questions import asked_in, frequencies, is_among, train_answers
from vesalius.tasks.vqa_scores import TextMetrics, score_answers
from vesalius.tasks.vqa_table import answer_rows, free_reply, text_columns

YES_NO, SIDES = ("yes", "no"), ("left", "right", "both")


@pytest.mark.parametrize(
    ("answer", "choices", "outcome", "choice"),
    [
        ("Yes, there is a nodule.", YES_NO, "chosen", "yes"),
        ("a nodule, normal otherwise", YES_NO, "unparsed", ""),
        ("No... yes", YES_NO, "ambiguous", ""),
        ("", YES_NO, "unparsed", ""),
        ("NO", ("Yes", "No"), "chosen", "No"),
        ("It is on the left.", SIDES, "chosen", "left"),
        ("brightness", SIDES, "unparsed", ""),
        ("left and right", SIDES, "ambiguous", ""),
        ("right upper zone", ("right", "right upper zone"), "chosen", "right upper zone"),
        ("right upper zone, right", ("right", "right upper zone"), "ambiguous", ""),
        ("there are two", ("1", "2"), "chosen", "2"),
        ("-", ("+", "-"), "chosen", "-"),
    ],
)
def test_choices_are_whole_words(
    answer: str, choices: tuple[str, ...], outcome: str, choice: str
) -> None:
    """Substrings name nothing; a choice inside a longer one is not named; two are ambiguous."""
    found = parse_choice(answer, choices)
    assert (found.outcome, found.choice) == (outcome, choice)


@pytest.mark.parametrize(
    ("question", "yes", "no"),
    [
        ("Is there a nodule?", "nodule is present", "no nodule"),
        ("Are there any fractures?", "fractures is present", "no fractures"),
        ("Is a pleural effusion present?", "pleural effusion is present", "no pleural effusion"),
        ("Can a nodule be seen?", "nodule is present", "no nodule"),
        ("Does the patient have cardiomegaly?", "cardiomegaly is present", "no cardiomegaly"),
        (
            "Does the left side show a nodule?",
            "nodule on the left side is present",
            "no nodule on the left side",
        ),
        ("Is there a mass on the left?", "mass on the left is present", "no mass on the left"),
        ("Is the heart enlarged?", "the heart is enlarged", "the heart is not enlarged"),
        (
            "Is the mass in the left lung?",
            "the mass is in the left lung",
            "the mass is not in the left lung",
        ),
        (
            "Was contrast given?",
            "question: Was contrast given? answer: yes",
            "question: Was contrast given? answer: no",
        ),
    ],
)
def test_questions_become_statements(question: str, yes: str, no: str) -> None:
    """Presence and state have rules of their own, anything else stands beside its answer."""
    assert statement(question, "yes", Wording()) == yes
    assert statement(question, "no", Wording()) == no


def test_other_answers_stand_beside_the_question_whatever_they_hold() -> None:
    """Braces in an answer are text, not places to fill."""
    found = statement("Which  side?", "{question}", Wording(other="{question} {answer}!"))
    assert found == "Which side? {question}!"


def asked(question: str, answer: str, **given: object) -> Question:
    """A question about sample ``a``, closed unless said otherwise."""
    return replace(Question("a", question, answer, "closed"), **given)  # type: ignore[arg-type]


def data_of(*questions: Question) -> TaskData:
    """Test sample ``a``, train sample ``t``."""
    samples = (sample("a"), sample("t", split="train"))
    return TaskData(DatasetCard("d"), samples, questions=questions)


def test_keys_come_from_what_is_asked_and_not_from_places_in_a_file() -> None:
    """Two wordings have two keys, the same question twice is counted, order changes nothing."""
    questions = (asked("Left?", "no"), asked("Right?", "yes"), asked("Left?", "yes"))
    keys = {
        (a.question.question, a.question.answer): a.key
        for a in asked_in(data_of(*questions), "test")
    }
    turned = asked_in(data_of(*questions[::-1]), "test")
    assert {(a.question.question, a.question.answer): a.key for a in turned} == keys
    assert len(set(keys.values())) == 3
    assert keys["Left?", "yes"] == keys["Left?", "no"].replace("/", "-2/")
    assert all(key.endswith("/a") for key in keys.values())


def test_choices_of_questions_that_declare_none() -> None:
    """A closed yes/no question has these choices; other closed and all open questions have none."""
    questions = (
        asked("1", "Yes"),
        asked("2", "left"),
        asked("3", "left", choices=("left", "right")),
        asked("4", "no", type="open"),
    )
    found = [a.choices for a in asked_in(data_of(*questions), "test")]
    assert found == [("yes", "no"), (), ("left", "right"), ()]


def test_train_answers_are_counted_by_question_type_and_spelling() -> None:
    """Spellings that normalise alike are one; an unknown question type falls back to the type."""
    assert list(frequencies(["b", "The B", "a", "c", "c", "c"]).items()) == [
        ("c", 3), ("The B", 2), ("a", 1),
    ]  # fmt: skip
    train = [
        Question("t", f"{i}", answer, "open", question_type=kind)
        for i, (answer, kind) in enumerate([("lung", "organ"), ("lung", "organ"), ("ct", "scan")])
    ]
    counts = train_answers(data_of(*train))
    (organ, other, closed) = asked_in(
        data_of(
            asked("1", "x", type="open", question_type="organ"),
            asked("2", "x", type="open", question_type="colour"),
            asked("3", "x"),
        ),
        "test",
    )
    assert counts.like(organ) == {"lung": 2}
    assert counts.like(other) == {"lung": 2, "ct": 1}
    assert not counts.like(closed)


def test_an_answer_without_words_matches_only_itself() -> None:
    """Two signs that normalise to nothing are not the same answer."""
    assert is_among("-", ("-",))
    assert not is_among("?", ("-",))
    assert is_among("The Left", ("left",))


def test_text_metrics_take_the_best_accepted_answer() -> None:
    """Each metric has its own best reference; empty text is wrong and does not crash."""
    accepted = [("right lower zone", "lower zone"), ("lung",), ("lung",)]
    columns = text_columns(accepted, ["lower zone", "", "Lung"])
    np.testing.assert_array_equal(columns["exact"], [1, 0, 0])
    np.testing.assert_array_equal(columns["exact_normalised"], [1, 0, 1])
    np.testing.assert_allclose(columns["token_f1"], [1, 0, 1])
    np.testing.assert_allclose(columns["bleu1"], [1, 0, 1])
    assert columns["bleu_statistics"][0][-2:] == [2, 2]  # the shorter reference was compared


def test_the_card_says_which_bleu_it_is() -> None:
    """The setting of the task card and the metric's own settings cannot drift apart."""
    assert f"sacrebleu {BLEU_SETTINGS};" in get_args(TextMetrics)[0]


def table_of(said: dict[str, str | None], *questions: Question) -> Predictions:
    """Predictions of a model that says, to each question, what is written down."""
    data = data_of(*questions)
    reference = asked_in(data, "test")
    (table,) = answer_rows(
        reference,
        lambda asked: [free_reply(one, said[one.question.question]) for one in asked],
        data.card,
        done=frozenset(),
    )
    return table


def values(scored: list[Scored]) -> dict[tuple[str, str], float]:
    """(metric, class) → value."""
    found = {}
    for one in scored:
        assert one.rows is not None
        found[one.metric, one.class_name] = one.statistic(one.rows)
    return found


CLOSED = [
    asked("1 nodule?", "no", question_type="presence"),
    asked("2 nodule?", "yes", question_type="presence"),
    asked("3 nodule?", "yes", question_type="presence"),
    asked("4 side?", "left", choices=SIDES, question_type="side"),
]
OPEN = [
    asked("5 what?", "lung nodule", type="open", answers=("lung nodule", "nodule")),
    asked("6 what?", "effusion", type="open"),
]
SAID = {
    "1 nodule?": "A nodule, normal heart",  # peers find "no" in "nodule" and call this right
    "2 nodule?": "yes and no",
    "3 nodule?": None,
    "4 side?": "The left one.",
    "5 what?": "Nodule",
    "6 what?": "",
}


def test_metrics_of_a_table_by_hand() -> None:
    """Peer defects 1, 2, 3 and 7: nothing permuted, no substring, both words wrong, none lost."""
    table = table_of(SAID, *CLOSED, *OPEN)
    assert table.n_rows == 6
    assert table["answered"].tolist() == [True, True, False, True, True, True]
    assert table["parsed"].tolist()[:4] == ["", "", "", "left"]
    assert table["correct"].tolist() == [False, False, False, True, True, False]
    scored = score_answers(table, parsed=True)
    assert (scored[0].metric, scored[0].class_name) == ("accuracy", "")
    found = values(scored)
    assert found["accuracy", ""] == found["accuracy", "closed"] == 1 / 4
    assert found["accuracy", "closed/presence"] == 0.0
    assert found["accuracy", "closed/side"] == 1.0
    assert found["unparsed", "closed"] == found["ambiguous", "closed"] == 1 / 4
    assert found["exact_match", "open"] == 0.0
    assert found["exact_match[normalised]", "open"] == 1 / 2
    assert found["token_f1", "open"] == found["token_recall", "open"] == 1 / 2
    assert found["meteor[nltk-2007]", "open"] == 1 / 4  # METEOR gives 0.5 to one right word
    assert found["bleu1[sacrebleu]", "open"] == pytest.approx(np.exp(1 - 2 / 1))  # brevity
    assert not {name for name, place in found if name == "accuracy" and place == "open"}


def test_a_dataset_of_open_questions_has_another_headline() -> None:
    """Without closed questions the normalised exact match stands for the cell."""
    scored = score_answers(table_of(SAID, *OPEN))
    assert (scored[0].metric, scored[0].class_name) == ("exact_match[normalised]", "")
    assert values(scored)["exact_match[normalised]", ""] == 1 / 2


def test_scores_do_not_depend_on_the_order_of_rows() -> None:
    """Metrics are of sets of rows."""
    table = table_of(SAID, *CLOSED, *OPEN)
    turned = Predictions({name: column[::-1] for name, column in table.columns.items()})
    assert values(score_answers(turned)) == pytest.approx(values(score_answers(table)))


def test_as_many_answers_as_questions() -> None:
    """An answer too few is an error, not a shift of all that follow."""
    with pytest.raises((InputError, ValueError), match=r"one prediction per|shorter|longer"):
        text_columns([("a",), ("b",)], ["a"])
