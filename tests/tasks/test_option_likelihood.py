"""Classification by likelihood of answers, against numbers worked out by hand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from task_fakes import (
    FakeDualEncoder,
    FakeImageEncoder,
    assert_same,
    cohort,
    join,
    multilabel_cohort,
    predict_all,
    values_of,
    view_of,
)

from vesalius.capabilities import AnswerScores
from vesalius.errors import InputError
from vesalius.records import Image, ModelCard, Sample
from vesalius.tasks import TaskData, make_task
from vesalius.tasks.controls import control_view
from vesalius.views import ModelView

TASK = make_task("classification", "option-likelihood")
HABIT = 3.0  # how much more likely a blank image makes a yes


@dataclass(frozen=True)
class FakeAnswerer:
    """Says yes out of habit; every answer has as many tokens as words."""

    card: ModelCard = field(default_factory=lambda: ModelCard("answerer", "fake"))

    def score_answers(
        self, image: Image, prompt: str, candidates: Sequence[str], /
    ) -> AnswerScores:
        """A blank picture: yes is likelier by `HABIT`, a class by its place."""
        n_tokens = np.array([len(c.split()) for c in candidates])
        liked = [HABIT if c == "yes" else float(i) for i, c in enumerate(candidates)]
        return AnswerScores(np.array(liked) * n_tokens, n_tokens)


def answering(data: TaskData, *, strength: float = 2.0) -> ModelView:
    """A view of a model that sees the truth, on top of its habit."""
    blank = Image(np.zeros((2, 2), np.uint8), "yx", "display", (0.0, 255.0))

    def answer_scores(sample: Sample, prompt: str, candidates: Sequence[str]) -> AnswerScores:
        habit = FakeAnswerer().score_answers(blank, "", candidates)
        if tuple(candidates) == ("yes", "no"):
            there = any(f"Is {label} present?" == prompt for label in sample.labels)
            seen = np.array([strength if there else -strength, 0.0])
        else:
            seen = np.array([strength * (c in sample.labels) for c in candidates])
        return replace(habit, log_likelihood=habit.log_likelihood + seen * habit.n_tokens)

    return replace(view_of({}, FakeAnswerer()), answer_scores=answer_scores)


def test_findings_are_asked_one_by_one_and_the_habit_is_subtracted() -> None:
    """P(present) = σ(LL yes − LL no) per token; calibrated the blank image's habit is gone."""
    data, _ = multilabel_cohort(n=2)
    table = predict_all(TASK, answering(data), data)
    assert table["key"].tolist() == list(TASK.expected(data))
    for calibrated, habit in ((0, HABIT - 1.0), (1, 0.0)):
        rows = table["calibrated"] == calibrated
        there = np.array(["pneumonia" in label for label in table["label"]])[rows]
        expected = np.where(there, habit + 2.0, habit - 2.0)
        np.testing.assert_allclose(table["logit:pneumonia"][rows], expected, atol=1e-5)
        by_hand = 1 / (1 + np.exp(-expected))
        np.testing.assert_allclose(table["score:pneumonia"][rows], by_hand, atol=1e-5)


def test_one_class_is_chosen_by_likelihood_per_token() -> None:
    """A name of two words must not lose to a name of one for its length alone."""
    data, _ = cohort(("normal", "lung abscess"))
    table = predict_all(TASK, answering(data, strength=5.0), data)
    plain = table["calibrated"] == 0
    abscess = plain & (table["label"] == "lung abscess")
    # per token: 0 for normal, 1 + 5 for the abscess, which is what the image shows
    expected = math.exp(6) / (1 + math.exp(6))
    np.testing.assert_allclose(table["score:lung abscess"][abscess], expected, atol=1e-5)
    values = values_of(TASK, table, data.card)
    assert values["accuracy"] == 1.0
    assert values["accuracy[calibrated]"] == 1.0


def test_a_habit_that_drowns_the_image_is_undone_by_calibration() -> None:
    """With a weak signal the plain arg max is the habit's, the calibrated one the image's."""
    data, _ = cohort(("normal", "pneumonia", "effusion"))
    values = values_of(TASK, predict_all(TASK, answering(data, strength=0.4), data), data.card)
    assert values["accuracy"] == pytest.approx(1 / 3)
    assert values["accuracy[calibrated]"] == 1.0


def test_controls_take_the_image_or_the_question_away() -> None:
    """Blank and shuffled images and nonsense questions leave chance of a perfect model."""
    data, _ = multilabel_cohort()
    view = answering(data)
    assert values_of(TASK, predict_all(TASK, view, data), data.card)["macro_auroc"] == 1.0
    for name in ("blank-image", "gibberish-prompt", "shuffled-images"):
        controlled = predict_all(TASK, control_view(name, view, data), data)
        values = values_of(TASK, controlled, data.card)
        assert abs(values["macro_auroc"] - 0.5) < 0.25, name
    for name in ("majority", "random"):
        controlled = predict_all(TASK, control_view(name, view, data), data)
        assert controlled.n_rows == len(TASK.expected(data))


def test_resuming_gives_the_same_rows() -> None:
    """Half done and then finished equals done at once."""
    data, _ = multilabel_cohort(n=4)
    view = answering(data)
    whole = predict_all(TASK, view, data)
    done = frozenset(whole["key"][:7].tolist())
    rest = predict_all(TASK, view, data, done)
    first = {name: values[:7] for name, values in whole.columns.items()}
    assert_same(join([type(whole)(first), rest]), whole)


def test_unsuitable_models_and_settings_are_named() -> None:
    """Dual encoders give no likelihood; two options are needed, and a place for the name."""
    data, rows = multilabel_cohort(n=1)
    for model in (FakeDualEncoder(), FakeImageEncoder()):
        reason = TASK.unsuitable(view_of(rows, model), data)
        assert reason == "model gives no likelihood of answers"
    assert TASK.unsuitable(answering(data), data) is None
    with pytest.raises(InputError, match="present and absent"):
        make_task("classification", "option-likelihood", {"options": ["yes"]})
    with pytest.raises(InputError, match="exactly once"):
        make_task("classification", "option-likelihood", {"presence": "Is it there?"})
