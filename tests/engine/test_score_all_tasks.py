"""Every registered protocol through the engine: run, score again, and what all tables share."""

import math

import numpy as np
import pytest
from fake_everything import Everything, everything

from vesalius.capabilities import CAPABILITIES
from vesalius.data.manifest import load_dataset
from vesalius.engine import Grid, ModelSource, run, score, scoring
from vesalius.metrics import METRICS
from vesalius.records import Done, Failed, RunSpec
from vesalius.store.runs import read_predictions
from vesalius.tasks import TASKS, TaskData, make_task
from vesalius.tasks.controls import CONTROLS, MODEL_FREE, PER_MODEL

BRIEF = {"text-to-image-flow": {"side": 16, "channels": 8, "epochs": 1, "steps": 2}}
PROTOCOLS = [make_task(task, p, BRIEF.get(p)) for task in TASKS for p in TASKS[task]]
LEAST = 8
NAMES = [f"{task.card.task}, {task.card.protocol}" for task in PROTOCOLS]


@pytest.fixture(scope="module", autouse=True)
def small_groups():
    """Eight patients make a subgroup here: a small cohort is enough, and quicker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "MIN_SUBGROUP_PATIENTS", LEAST)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The dataset that asks for everything."""
    return everything(tmp_path_factory.mktemp("data") / "everything", n_patients=48)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """One run of everything."""
    model = Everything()
    grid = Grid([ModelSource(model.card, lambda: model)], [data], PROTOCOLS)
    spec = RunSpec(models=("everything",), datasets=("everything",), n_resamples=20)
    return run(grid, spec, out=tmp_path_factory.mktemp("runs") / "run")


def test_the_fake_can_do_everything():
    """A capability that the fake lacks would leave a protocol untested."""
    model = Everything()
    assert [name for name, kind in CAPABILITIES.items() if not isinstance(model, kind)] == []


def test_no_cell_fails_and_every_protocol_has_a_number(finished):
    """A protocol that a model with all capabilities cannot do is no protocol."""
    failed = [o for o in finished.outcomes if isinstance(o, Failed)]
    assert not failed, [f"{o.cell}: {o.error}\n{o.traceback}" for o in failed]
    done = {(o.cell.task, o.cell.protocol) for o in finished.outcomes
            if isinstance(o, Done) and o.cell.model == "everything"}  # fmt: skip
    assert done == {(task, protocol) for task in TASKS for protocol in TASKS[task]}


def test_scoring_again_gives_the_same_bytes_without_model_or_image(data, finished):
    """Metrics follow from predictions and run.json alone, also when a file was deleted."""
    files = [finished.path / name for name in ("metrics.parquet", "metrics.csv")]
    before = [path.read_bytes() for path in files]
    hidden = data.root.rename(data.root.with_name("elsewhere"))
    files[0].unlink()
    try:
        score(finished.path)
    finally:
        hidden.rename(data.root)
    assert [path.read_bytes() for path in files] == before


@pytest.mark.parametrize("task", PROTOCOLS, ids=NAMES)
def test_tables_have_one_row_per_reference_key_and_the_columns_of_all_tasks(task, data, finished):
    """Nothing dropped, nothing twice; patients and subgroups stand in every table."""
    expected = task.expected(TaskData(data.card, data.samples, 0, data.questions, data.phrases))
    outcomes = [o for o in finished.outcomes if isinstance(o, Done)]
    own = [o for o in outcomes if (o.cell.task, o.cell.protocol) == _place(task)]
    assert len(own) >= 3  # the model, a control without and one with a model
    for outcome in own:
        table = read_predictions(finished.path, outcome.cell)
        assert tuple(table["key"].tolist()) == expected, outcome.cell
        assert outcome.n_expected == len(expected)
        patients = {sample.id: sample.patient for sample in data}
        assert [patients[name] for name in table["id"].tolist()] == table["patient"].tolist()
        assert set(np.unique(table["split"])) == {"test"}
        assert set(np.unique(table["subgroup:site"])) == {"north", "south"}


@pytest.mark.parametrize("task", PROTOCOLS, ids=NAMES)
def test_headlines_have_intervals_subgroups_and_their_gap(task, finished):
    """The first metric of a model has a value with an interval, per site, and between sites."""
    rows = [r for r in finished.metrics if r.cell.model == "everything" and not r.class_name]
    own = [r for r in rows if (r.cell.task, r.cell.protocol) == _place(task)]
    headline = own[0].estimate
    assert math.isfinite(headline.value)
    assert headline.n_patients >= LEAST
    by_group = {r.subgroup: r.estimate for r in own if r.estimate.metric == headline.metric}
    assert set(by_group) == {"", "site=north", "site=south"}
    (gap,) = [r.estimate for r in own if r.estimate.metric == f"{headline.metric}[gap]"]
    values = [by_group[name].value for name in ("site=north", "site=south")]
    assert gap.value == pytest.approx(max(values) - min(values), nan_ok=True)
    assert not gap.higher_is_better


def test_undefined_values_have_a_reason(finished):
    """NaN never stands alone, and every name stands in the table of metrics."""
    for row in finished.metrics:
        one = row.estimate
        assert math.isfinite(one.value) or one.reason, (row.cell, one.metric)
        names = {one.metric, one.metric.partition("[")[0], one.metric.removesuffix("[gap]")}
        assert names & METRICS.keys(), one.metric


@pytest.mark.parametrize("task", PROTOCOLS, ids=NAMES)
def test_every_protocol_has_a_control_without_and_one_with_a_model(task):
    """What a score means is only known beside chance and beside the model without its eyes."""
    assert set(task.controls) <= set(CONTROLS)
    assert set(task.controls) & set(MODEL_FREE)
    assert set(task.controls) & set(PER_MODEL)
    assert len(set(task.controls)) == len(task.controls)


def test_a_folder_without_samples_of_a_kind_gives_reasons(tmp_path, finished, data):
    """Without questions, phrases, masks and captions, cells are n/a in words; none fails."""
    folder = tmp_path / "bare"
    everything(folder, n_patients=36)
    for name in ("questions.csv", "phrases.csv"):
        (folder / name).unlink()
    lines = (folder / "samples.csv").read_text().splitlines()
    kept = [0, 1, 2, 3, 4, 7, 8]
    bare = "\n".join(",".join(line.split(",")[i] for i in (*kept[:5], -2, -1)) for line in lines)
    (folder / "samples.csv").write_text(bare + "\n")
    model = Everything()
    grid = Grid([ModelSource(model.card, lambda: model)], [load_dataset(folder)], PROTOCOLS)
    spec = RunSpec(models=(), datasets=(), n_resamples=10, controls=False)
    outcomes = run(grid, spec, out=tmp_path / "run").outcomes
    assert not [o for o in outcomes if isinstance(o, Failed)]
    assert all(isinstance(o, Done) or o.reason for o in outcomes)


def _place(task):
    return task.card.task, task.card.protocol
