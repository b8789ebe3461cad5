"""Text to image by a trained flow: what it may learn from, its settings and its rows."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from generation_fakes import SIDE, UNREADABLE, Cohort, Reader, cohort, model_free
from task_fakes import assert_same, in_order, join, predict_all, values_of

from vesalius.errors import InputError, ModelError
from vesalius.models.rectified_flow import learn_flow
from vesalius.records import Json, Predictions
from vesalius.tasks import default_protocols, make_task
from vesalius.tasks.controls import control_view
from vesalius.views import Draw, FlowLesson, Material, ModelView

SMALL = {"side": SIDE, "judge": "fake-judge", "channels": 8, "epochs": 2, "steps": 3}
TASK = make_task("generation", "text-to-image-flow", SMALL)


@dataclass
class Flows:
    """Trains flows on the processor, and remembers from what."""

    lessons: list[FlowLesson] = field(default_factory=list)
    rows: list[tuple[Material, Material]] = field(default_factory=list)

    def __call__(self, lesson: FlowLesson, train: Material, val: Material, /) -> Draw:
        """See the class."""
        self.lessons.append(lesson)
        self.rows.append((train, val))
        cpu = torch.device("cpu")
        return learn_flow(lesson, train, val, device=cpu, advance=lambda n: None)


def view_of(one: Cohort, flows: Flows | None = None, **given: object) -> ModelView:
    """The cohort's view, in which flows can be trained."""
    view = one.view(**given)  # type: ignore[arg-type]
    return replace(view, store=replace(view.store, flow=flows or Flows()))


def test_it_runs_on_request_only() -> None:
    """A network trained in every cell is nothing to run unasked."""
    assert default_protocols("generation") == ("inversion", "text-to-image", "external")
    assert "text-to-image-flow" not in default_protocols("generation")


def test_every_setting_of_the_lesson_stands_in_the_card() -> None:
    """Two runs that were taught differently have different cards; the seed is the run's."""
    one, flows = cohort(), Flows()
    predict_all(TASK, view_of(one, flows), replace(one.data, seed=7))
    (lesson,) = flows.lessons
    taught = {name: getattr(lesson, name) for name in FlowLesson.__dataclass_fields__}
    assert taught.pop("seed") == 7
    settings = TASK.card.settings
    assert {name: settings[name] for name in taught} == taught
    assert (settings["solver"], settings["train_limit"]) == ("Euler", 2000)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decoder": "flow"}, "unknown setting 'decoder'; there are: side"),
        ({"side": 10}, "side: expected at least 11 pixels, got 10"),
        ({"channels": 12}, "channels: expected a multiple of 8, got 12"),
        ({"channels": 0}, "channels: expected a multiple of 8, got 0"),
        ({"epochs": 0}, "epochs: expected at least one, got 0"),
        ({"steps": 0}, "steps: expected at least one, got 0"),
        ({"rate": 0.0}, "rate: expected a number above 0, at most 1, got 0.0"),
        ({"rate": float("nan")}, "rate: expected a number above 0, at most 1, got nan"),
        ({"blind": 1.0}, "blind: expected a share from 0 to below 1, got 1.0"),
        ({"guidance": -1.0}, "guidance: expected a finite number from 0 on, got -1.0"),
        ({"guidance": 2.0, "blind": 0.0}, "guidance other than 1 needs `blind` above 0"),
        ({"solver": "Heun"}, "'solver': expected one of 'Euler', got 'Heun'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Json], message: str) -> None:
    """Before anything is trained."""
    with pytest.raises(InputError, match=message):
        make_task("generation", "text-to-image-flow", settings)


def test_it_learns_from_train_and_looks_at_val() -> None:
    """By id, with pictures as shown; rows without picture or embedding teach nothing."""
    one, flows = cohort(n=12), Flows()
    first = one.data.samples[0].id
    one.coordinates[first] = np.full_like(one.coordinates[first], np.nan)
    predict_all(TASK, view_of(one, flows), one.data)
    ((train, val),) = flows.rows
    for rows, names in (
        (train, [f"train-{i:02d}" for i in range(1, 12)]),
        (val, [f"val-{i:02d}" for i in range(6)]),
    ):
        np.testing.assert_array_equal(rows.features, [one.coordinates[n] for n in names])
        np.testing.assert_array_equal(rows.pictures, [one.pictures[n].reshape(-1) for n in names])


def test_a_test_picture_changes_no_drawing() -> None:
    """Nothing is learnt from test, neither its pictures nor its captions."""
    one, other = cohort(), cohort()
    changed = other.data.samples[-1].id
    other.pictures[changed] = 255 - other.pictures[changed]
    other.coordinates[changed] = -other.coordinates[changed]
    first, second = (predict_all(TASK, view_of(c), c.data) for c in (one, other))
    rows = first["id"] != changed
    assert first["features"][rows].tolist() == second["features"][rows].tolist()
    np.testing.assert_array_equal(first["ssim"][rows], second["ssim"][rows])


def test_a_train_picture_changes_drawings() -> None:
    """The other way round: the test above would notice."""
    one, other = cohort(), cohort()
    other.pictures["train-00"] = 255 - other.pictures["train-00"]
    first, second = (predict_all(TASK, view_of(c), c.data) for c in (one, other))
    assert first["features"].tolist() != second["features"].tolist()


def test_a_row_depends_on_seed_and_id_alone() -> None:
    """Resumed, in another order, or without its neighbours: the same table."""
    one = cohort()
    whole = predict_all(TASK, view_of(one), one.data)
    keys = whole["key"].tolist()
    done = frozenset(keys[::3])
    rest = predict_all(TASK, view_of(one), one.data, done)
    first = Predictions({n: v[np.isin(whole["key"], list(done))] for n, v in whole.columns.items()})
    assert_same(in_order(join([first, rest]), keys), whole)
    fewer = tuple(s for s in one.data.samples[::-1] if s.id != keys[0])
    left = predict_all(TASK, view_of(one), replace(one.data, samples=fewer))
    assert_same(left, in_order(whole, keys[1:]))
    reseeded = predict_all(TASK, view_of(one), replace(one.data, seed=1))
    assert reseeded["features"].tolist() != whole["features"].tolist()
    assert not list(TASK.predict(view_of(one), one.data, frozenset(keys)))


def test_equal_captions_get_different_pictures() -> None:
    """A drawing is a sample, not a mean."""
    one = cohort()
    one.coordinates["test-01"] = one.coordinates["test-00"]
    table = predict_all(TASK, view_of(one), one.data)
    assert table["features"][0] != table["features"][1]


def test_unreadable_images_count_as_nothing_shown() -> None:
    """They stay in the table, unanswered; all other rows have every metric."""
    one = cohort(broken=True)
    table = predict_all(TASK, view_of(one), one.data)
    row = table["id"] == UNREADABLE
    assert not table["answered"][row].any()
    assert table["answered"][~row].all()
    values = values_of(TASK, table, one.data.card)
    assert list(values) == [
        "ssim", "psnr", "fd[fake-judge]", "kid[fake-judge]", "caption_cosine[fake-judge]"
    ]  # fmt: skip
    assert np.isfinite(list(values.values())).all()
    assert set(table["kind"]) == {"text-to-image-flow"}


def test_language_models_and_controls() -> None:
    """Captions are read by what reads them; nonsense teaches another network; none needs none."""
    one, flows = cohort(), Flows()
    view = view_of(one, flows, model=Reader())
    plain = predict_all(TASK, view, one.data)
    nonsense = predict_all(TASK, control_view("gibberish-prompt", view, one.data), one.data)
    (said, _), (gibberish, _) = flows.rows
    assert (said.features != gibberish.features).any()
    assert plain["features"].tolist() != nonsense["features"].tolist()
    free = predict_all(TASK, one.view(model_free("majority")), one.data)  # has no flow
    assert len({tuple(row) for row in free["features"].tolist()}) == 1


def test_cells_without_a_number_say_why() -> None:
    """As for the decoder in closed form; a view without flows says so, too."""
    one, small = cohort(), cohort(n=4)
    assert TASK.unsuitable(one.view(object()), one.data) == "model does not embed texts"
    reason = "4 train rows with a caption, fewer than 8"
    assert TASK.unsuitable(small.view(), small.data) == reason
    with pytest.raises(ModelError, match="no flow to pictures of 16 pixels from 30 rows here"):
        predict_all(TASK, one.view(), one.data)
