"""The table of tasks, their cards, and the small parts they are made of."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from task_fakes import FakeDualEncoder

from vesalius.errors import InputError, RunError, UsageError
from vesalius.metrics import f1
from vesalius.records import DatasetCard, TaskCard
from vesalius.stats import statistic
from vesalius.tasks import TASKS, Task, default_protocols, make_task, task_from_card
from vesalius.tasks.prompts import class_embeddings, class_prompts, fill
from vesalius.tasks.row_subset import OnRows
from vesalius.tasks.spread import SpreadOf
from vesalius.tasks.thresholds import best_f1_threshold

EVERY = [(task, protocol) for task, protocols in TASKS.items() for protocol in protocols]


@pytest.mark.parametrize(("task", "protocol"), EVERY)
def test_a_card_survives_json_and_gives_the_task_back(task: str, protocol: str) -> None:
    """`vesalius score` reads the card from run.json and must compute the same."""
    made = make_task(task, protocol)
    assert isinstance(made, Task)
    assert (made.card.task, made.card.protocol) == (task, protocol)
    stored = TaskCard(task, protocol, json.loads(json.dumps(made.card.settings)))
    assert stored.digest == made.card.digest
    assert task_from_card(stored) == made


def test_settings_change_the_card() -> None:
    """Two protocols that can differ in a number have different hashes."""
    plain = make_task("classification", "few-shot")
    other = make_task("classification", "few-shot", {"shots": [2, 8], "strength": 2})
    assert other.card.settings["shots"] == [2, 8]
    assert plain.card.digest != other.card.digest
    assert task_from_card(other.card) == other


def test_default_protocols() -> None:
    """All that there are: image-to-image search is what every model can be compared in."""
    assert default_protocols("classification") == (
        "zero-shot",
        "linear-probe",
        "knn",
        "few-shot",
        "option-likelihood",
    )
    assert default_protocols("retrieval") == ("embedding", "image-embedding", "likelihood")


def test_unknown_names_are_usage_errors() -> None:
    """The message names what there is."""
    with pytest.raises(UsageError, match="unknown task 'captioning'; there are: classification"):
        make_task("captioning", "zero-shot")
    with pytest.raises(UsageError, match="no protocol 'finetune'; there are: zero-shot"):
        make_task("classification", "finetune")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"template": ["x"]}, "unknown setting 'template' (did you mean 'templates'?)"),
        ({"templates": 3}, "'templates': expected str, got 3"),
        ({"templates": [3]}, "'templates': expected str, got 3"),
        ({"average": "median"}, "expected one of 'normalised', 'mean-cosine', got 'median'"),
        ({"single_templates": "no"}, "'single_templates': expected bool, got 'no'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, object], message: str) -> None:
    """Defect 9 of peers: the string "False" is not a false flag."""
    with pytest.raises(InputError, match=re.escape(message)):
        make_task("classification", "zero-shot", settings)


def test_one_value_stands_for_a_list() -> None:
    """On the command line there are no lists."""
    assert make_task("classification", "knn", {"ks": 7}).card.settings["ks"] == [7]


def test_a_card_of_another_version_is_not_scored_as_this_one() -> None:
    """Different rules, missing settings and unknown ones all stop the recomputation."""
    card = make_task("classification", "knn").card
    other_rule = replace(card, settings={**card.settings, "metrics_version": 2})
    with pytest.raises(RunError, match=r"expected one of 1, got 2.*version that wrote it"):
        task_from_card(other_rule)
    fewer = {k: v for k, v in card.settings.items() if k != "ks"}
    with pytest.raises(RunError, match="does not name every setting"):
        task_from_card(replace(card, settings=fewer))


def test_listing_tasks_imports_nothing_heavy() -> None:
    """`vesalius --help` must not wait for scikit-learn or torch."""
    code = (
        "import sys, vesalius.tasks as t; t.default_protocols('retrieval');"
        "print([m for m in ('sklearn', 'torch', 'scipy', 'pyarrow') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "[]"


def test_templates_are_filled_once() -> None:
    """Other braces are text; a template without a place would make all classes equal."""
    assert fill("{x} of {}", "lung") == "{x} of lung"
    for bad in ("x-ray", "{} and {}"):
        with pytest.raises(InputError, match="exactly once"):
            fill(bad, "lung")


def test_classes_without_names_use_their_own() -> None:
    """And every template meets every name."""
    card = DatasetCard("d", classes={"normal": (), "mass": ("mass", "nodule")})
    prompts = class_prompts(card, templates=("a {}", "no {}"), wording="big {}")
    assert prompts.texts[0] == (("a big normal",), ("no big normal",))
    assert prompts.texts[1] == (("a big mass", "a big nodule"), ("no big mass", "no big nodule"))
    assert prompts.only(1).texts[0] == (("no big normal",),)


def test_prompts_that_cancel_out_give_zero_not_nan() -> None:
    """Opposite prompts have no direction; the cosine with anything is 0."""
    card = DatasetCard("d", classes={"mass": ("mass", "no mass")})
    rows = class_embeddings(class_prompts(card), FakeDualEncoder(("mass",)).encode_texts)
    assert (rows == 0).all()


def test_each_prompt_is_encoded_once() -> None:
    """A name that two classes share costs one pass of the text encoder."""
    asked: list[str] = []

    def encode(texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return np.eye(3)[: len(texts)]

    card = DatasetCard("d", classes={"a": ("x", "y"), "b": ("y",)})
    rows = class_embeddings(class_prompts(card), encode)
    assert asked == ["x", "y"]
    np.testing.assert_allclose(rows[0], [2**-0.5, 2**-0.5, 0.0])


def test_threshold_by_hand() -> None:
    """Halfway to the next score; the lowest score itself if all are to be called."""
    positive = np.array([True, False, True, False])
    assert best_f1_threshold(positive, np.array([0.8, 0.1, 0.6, 0.2])) == pytest.approx(0.4)
    assert best_f1_threshold(positive, np.array([0.1, 0.3, 0.2, 0.4])) == pytest.approx(0.1)
    assert best_f1_threshold(positive, np.full(4, 0.5)) == 0.5
    for useless in (np.ones(4, dtype=bool), np.zeros(4, dtype=bool)):
        with pytest.raises(InputError, match="both classes"):
            best_f1_threshold(useless, np.zeros(4))
    with pytest.raises(InputError, match="1 NaN scores"):
        best_f1_threshold(positive, np.array([0.1, np.nan, 0.2, 0.4]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=20))
def test_no_other_threshold_has_a_higher_f1(rows: list[tuple[bool, int]]) -> None:
    """Against brute force over every score as a threshold."""
    positive = np.array([p for p, _ in rows])
    score = np.array([s / 6 for _, s in rows])
    if positive.all() or not positive.any():
        return
    found = f1(positive, score >= best_f1_threshold(positive, score))
    assert found == pytest.approx(max(f1(positive, score >= t) for t in score))


def test_spread_is_the_same_batched_and_one_by_one() -> None:
    """The bootstrap may use either form."""
    rng = np.random.default_rng(0)
    truth = np.array([True, False] * 10)
    three = tuple(statistic("auroc", truth, rng.random(20)) for _ in range(3))
    weights = rng.multinomial(20, np.full(20, 1 / 20), size=4).astype(np.float64)
    for kind in ("min", "max", "std"):
        spread = SpreadOf(three, kind)
        one_by_one = [spread(np.repeat(np.arange(20), w.astype(int))) for w in weights]
        np.testing.assert_allclose(spread.batched(weights), one_by_one, atol=1e-12)


def test_a_statistic_on_some_rows_is_the_whole_one_without_the_others() -> None:
    """Short arrays and zero weights elsewhere are the same thing."""
    rng = np.random.default_rng(1)
    truth, score = rng.random(30) > 0.5, rng.random(30)
    rows = np.arange(3, 30, 3)
    short = OnRows(statistic("auroc", truth[rows], score[rows]), rows)
    whole = statistic("auroc", truth, score)
    drawn = rng.choice(rows, size=12)
    assert short(drawn) == whole(drawn)
    weights = np.zeros((5, 30))
    weights[:, rows] = rng.integers(0, 3, size=(5, len(rows)))
    np.testing.assert_allclose(short.batched(weights), whole.batched(weights))
    with pytest.raises(InputError, match="among the 9"):
        short(np.array([3, 4]))
