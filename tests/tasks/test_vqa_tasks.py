"""The four protocols of visual question answering, with models whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest
from task_fakes import (
    FakeImageEncoder,
    assert_same,
    in_order,
    join,
    predict_all,
    values_of,
    view_of,
)
from vqa_fakes import FINDINGS, HABIT, seeing, talking, truth_of, vqa_cohort

from vesalius.errors import InputError
from vesalius.records import Predictions, Question
from vesalius.tasks import Task, TaskData, make_task, n_unanswered, task_from_card
from vesalius.tasks.controls import control_view
from vesalius.tasks.question_features import fit_products, fit_tf_idf
from vesalius.tasks.vqa_model_free import candidates_of
from vesalius.tasks.vqa_questions import asked_in, train_answers
from vesalius.views import ModelView

NAMES = ("free-text", "option-likelihood", "ranked-candidates", "answer-probe")
DATA, ROWS = vqa_cohort()


def view_for(name: str, data: TaskData = DATA) -> ModelView:
    """A model for the protocol that knows the truth."""
    if name in ("free-text", "option-likelihood"):
        return talking(dict(truth_of(data)), strength=2 * HABIT)
    return seeing(ROWS)


def task(name: str, **settings: object) -> Task:
    """A protocol of this task."""
    return make_task("vqa", name, settings)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_knows_is_right_and_its_controls_are_not(name: str) -> None:
    """Perfect on presence; chance without image, pairing or model. Every key has its row."""
    made = task(name)
    table = predict_all(made, view_for(name), DATA)
    assert table["key"].tolist() == list(made.expected(DATA))
    found = values_of(made, table, DATA.card)
    assert found["accuracy @ closed/presence"] == 1.0
    for control in made.controls:
        view = control_view(control, view_for(name), DATA)
        assert made.unsuitable(view, DATA) is None
        controlled = predict_all(made, view, DATA)
        assert controlled["key"].tolist() == table["key"].tolist()
        values = values_of(made, controlled, DATA.card)
        assert values["accuracy @ closed/presence"] <= 0.75, control


@pytest.mark.parametrize("name", NAMES)
def test_order_and_interruption_change_nothing(name: str) -> None:
    """Rows of files in any order, a run resumed anywhere: bit-equal tables."""
    made, view = task(name), view_for(name)
    whole = predict_all(made, view, DATA)
    turned = replace(DATA, samples=DATA.samples[::-1], questions=DATA.questions[::-1])
    assert_same(in_order(predict_all(made, view, turned), whole["key"].tolist()), whole)
    done = frozenset(whole["key"][:19].tolist())
    first = {name: values[:19] for name, values in whole.columns.items()}
    assert_same(join([Predictions(first), *made.predict(view, DATA, done)]), whole)
    assert not list(made.predict(view, DATA, frozenset(whole["key"].tolist())))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_learnt_from_test(name: str) -> None:
    """With other answers to the test questions the predictions stay as they are."""
    lies = tuple(
        replace(q, answer="left", answers=("left",), choices=())
        if q.id.startswith("test") and q.type == "open"
        else q
        for q in DATA.questions
    )
    made, view = task(name), view_for(name)
    honest, lied = (predict_all(made, view, d) for d in (DATA, replace(DATA, questions=lies)))
    by_key = dict(zip(lied["key"].tolist(), lied["prediction"].tolist(), strict=True))
    honest_by_key = dict(zip(honest["key"].tolist(), honest["prediction"].tolist(), strict=True))
    assert by_key == honest_by_key


@pytest.mark.parametrize("name", NAMES)
def test_missing_answers_are_wrong_and_counted(name: str) -> None:
    """Peer defect 7: an unreadable image keeps its rows, which are wrong; its sample counts."""
    lost = "test-nodule-00"
    if name in ("free-text", "option-likelihood"):
        truth = truth_of(DATA)
        view = talking({key: None if key[0] == lost else said for key, said in truth.items()})
    else:
        view = seeing({**ROWS, lost: np.full_like(ROWS[lost], np.nan)})
    made = task(name)
    table = predict_all(made, view, DATA)
    mine = table["id"] == lost
    assert table["key"].tolist() == list(made.expected(DATA))
    assert table["answered"].tolist() == (~mine).tolist()
    assert not table["correct"][mine].any()
    assert n_unanswered(table) == 1
    assert not np.isnan(table["exact_normalised"]).any()


@pytest.mark.parametrize("name", NAMES)
def test_cards_and_reasons(name: str) -> None:
    """A card describes its task; a cell that cannot have a number says why."""
    made = task(name)
    assert task_from_card(made.card) == made
    bare = replace(DATA, questions=())
    assert made.unsuitable(view_for(name), bare) == "dataset has no questions"
    train = replace(DATA, questions=tuple(q for q in DATA.questions if q.id.startswith("train")))
    assert made.unsuitable(view_for(name), train) == "no questions about test samples"
    assert made.unsuitable(view_for(name), DATA) is None


def test_each_protocol_names_what_a_model_lacks() -> None:
    """Reasons are those of the model, not of the dataset."""
    blind = view_of(ROWS, FakeImageEncoder())
    assert task("free-text").unsuitable(blind, DATA) == "model writes no text"
    likelihood = task("option-likelihood").unsuitable(blind, DATA)
    assert likelihood == "model gives no likelihood of answers"
    ranked = task("ranked-candidates").unsuitable(blind, DATA)
    assert ranked == "model has no text embedding in the image space"
    assert task("answer-probe").unsuitable(blind, DATA) is None
    assert task("answer-probe").unsuitable(talking({}), DATA) == "model has no image embedding"
    test_only = tuple(q for q in DATA.questions if q.id.startswith("test"))
    reason = task("answer-probe").unsuitable(blind, replace(DATA, questions=test_only))
    assert reason == "fewer than two different answers in train"
    open_only = tuple(q for q in DATA.questions if q.type == "open")
    reason = task("option-likelihood").unsuitable(talking({}), replace(DATA, questions=open_only))
    assert reason == "no closed questions with choices about test samples"


def test_a_habit_of_yes_is_undone_by_calibration() -> None:
    """Plain, a weak signal drowns in the habit; minus the blank image it decides."""
    made = task("option-likelihood")
    table = predict_all(made, talking(dict(truth_of(DATA)), strength=0.5 * HABIT), DATA)
    assert set(table["type"].tolist()) == {"closed"}
    found = values_of(made, table, DATA.card)
    assert found["accuracy @ closed/presence"] == 0.5
    assert found["accuracy[calibrated] @ closed/presence"] == 1.0
    said_yes = (table["calibrated"] == 0) & (table["question_type"] == "presence")
    assert set(table["prediction"][said_yes].tolist()) == {"yes"}


def test_likelihood_is_per_token_and_ties_go_to_the_first_choice() -> None:
    """A choice of three words must not lose for its length, nor win a tie for its place."""
    question = Question("test-nodule-00", "Where?", "left lower lobe", "closed",
                        choices=("apex", "left lower lobe"))  # fmt: skip
    data = replace(DATA, questions=(question,))
    made = task("option-likelihood")
    for said, chosen in (("left lower lobe", "left lower lobe"), ("nowhere", "apex")):
        table = predict_all(made, talking({(question.id, "Where?"): said}), data)
        assert set(table["prediction"].tolist()) == {chosen}
    likely = predict_all(made, talking({(question.id, "Where?"): "left lower lobe"}), data)
    np.testing.assert_allclose(likely["log_likelihood"], 2.0)


def test_candidates_are_choices_or_train_answers_of_the_question_type() -> None:
    """Nothing from test is a candidate; the most frequent come first and a cap cuts the rest."""
    rare = Question("train-nodule-00", "What else is seen?", "rib", "open", question_type="finding")
    test = Question("test-nodule-00", "What else?", "stent", "open", question_type="finding")
    data = replace(DATA, questions=(*DATA.questions, rare, test))
    train = train_answers(data)
    (one,) = (a for a in asked_in(data, "test") if a.question.answer == "stent")
    assert candidates_of(one, train) == ("effusion", "nodule", "rib")
    assert candidates_of(one, train, cap=2) == ("effusion", "nodule")
    closed = next(a for a in asked_in(data, "test") if a.question.choices)
    assert candidates_of(closed, train, cap=1) == closed.question.choices


def test_ranked_candidates_give_the_cosine_of_the_winner() -> None:
    """Image (1, −1, ±½) / 1.5 against the axis of its finding: cosine 2/3; open ones are right."""
    made = task("ranked-candidates")
    table = predict_all(made, seeing(ROWS), DATA)
    presence = table["question_type"] == "presence"
    np.testing.assert_allclose(table["cosine"][presence], 2 / 3, atol=1e-6)
    found = values_of(made, table, DATA.card)
    assert found["exact_match @ open"] == 1.0
    assert found["accuracy @ closed/side"] == 0.5  # no text of the fake knows a side: first choice
    side = table["question_type"] == "side"
    assert set(table["prediction"][side].tolist()) == {"left"}


def test_the_majority_is_that_of_the_question_type() -> None:
    """Side questions are answered by a side although yes and no are more frequent."""
    tilted = tuple(
        q
        for q in DATA.questions
        if not (q.id.startswith("train") and q.question_type == "side" and q.answer == "left")
    )
    data = replace(DATA, questions=tilted)
    made = task("free-text")
    table = predict_all(made, control_view("majority", talking({}), data), data)
    side = table["question_type"] == "side"
    assert set(table["prediction"][side].tolist()) == {"right"}
    assert set(table["prediction"][table["type"] == "open"].tolist()) <= set(FINDINGS)
    no_train = replace(data, questions=tuple(q for q in tilted if q.id.startswith("test")))
    view = control_view("majority", talking({}), no_train)
    assert made.unsuitable(view, no_train) == "no train questions to take the majority of"


@pytest.mark.parametrize("model", ["with text encoder", "without"])
def test_the_probe_reads_another_thing_for_each_question(model: str) -> None:
    """Whether there is a nodule and whether an effusion need the product of image and question."""
    view = seeing(ROWS) if model == "with text encoder" else view_of(ROWS, FakeImageEncoder())
    made = task("answer-probe")
    table = predict_all(made, view, DATA)
    found = values_of(made, table, DATA.card)
    assert found["accuracy @ closed/presence"] == 1.0
    assert found["accuracy @ closed/side"] == 1.0
    assert found["exact_match @ open"] == 1.0
    name = "text encoder" if model == "with text encoder" else "tf-idf"
    assert set(table["question_embedding"].tolist()) == {name}
    assert (table["log_likelihood"] <= 0).all()


def test_the_probe_picks_among_the_choices_of_a_question() -> None:
    """Neither an answer of another question nor, without a known choice, anything at all."""
    asked = Question("test-nodule-00", "Side?", "up", "closed", choices=("up", "down"))
    other = replace(asked, question="Which?", answer="right", choices=("up", "right"))
    data = replace(DATA, questions=(*DATA.questions, asked, other))
    table = predict_all(task("answer-probe"), seeing(ROWS), data)
    rows = {q: i for i, q in enumerate(table["question"].tolist())}
    assert table["prediction"][rows["Which?"]] == "right"
    assert not table["answered"][rows["Side?"]]


def test_products_estimate_the_product_of_inner_products() -> None:
    """⟨z(x, q), z(y, p)⟩ → ⟨x, y⟩⟨q, p⟩ over many random signs; other seeds, other signs."""
    rng = np.random.default_rng(0)
    images, questions = rng.normal(size=(40, 6)), rng.normal(size=(40, 5))
    products = fit_products(images, questions, size=60_000, seed=0)
    rows = products(images, questions)[:, 11:]
    seen, asked = products.image(images), products.question(questions)
    expected = (seen @ seen.T) * (asked @ asked.T) / (6 * 5)
    np.testing.assert_allclose(rows @ rows.T / 60_000, expected, atol=0.15)
    other = fit_products(images, questions, size=4, seed=1)
    same = fit_products(images, questions, size=4, seed=1)
    np.testing.assert_array_equal(other.of_image, same.of_image)
    assert not np.array_equal(
        other.of_image, fit_products(images, questions, size=4, seed=2).of_image
    )


def test_words_of_test_questions_do_not_enter_the_bag() -> None:
    """Weights are 1 + ln(n / n with the word); unknown words are left out; rows have length 1."""
    bag = fit_tf_idf(["is it left", "is it right"])
    assert bag.vocabulary == ("is", "it", "left", "right")
    np.testing.assert_allclose(bag.weights, [1, 1, 1 + np.log(2), 1 + np.log(2)])
    row, nothing = bag(["Is left up?", "up"])
    expected = np.array([1, 0, 1 + np.log(2), 0])
    np.testing.assert_allclose(row, expected / np.linalg.norm(expected))
    assert not nothing.any()


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("ranked-candidates", {"present": "there"}, "present and absent"),
        ("ranked-candidates", {"other": "{question}"}, "other needs"),
        ("ranked-candidates", {"max_candidates": 0}, "at least 1"),
        ("answer-probe", {"max_answers": 1}, "max_answers"),
        ("answer-probe", {"strengths": []}, "strengths"),
        ("free-text", {"text_metrics": "bleu"}, "text_metrics"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    name: str, settings: dict[str, object], words: str
) -> None:
    """Before anything is computed."""
    with pytest.raises(InputError, match=words):
        task(name, **settings)
