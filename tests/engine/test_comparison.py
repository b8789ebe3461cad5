"""Comparisons of runs: the numbers of the paired bootstrap, each model evaluated once."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from noisy_models import Noisy, run_of, squares

from vesalius.engine.comparison import compare, compare_runs
from vesalius.engine.contestants import contestants
from vesalius.engine.scoring import task_and_card
from vesalius.errors import RunError
from vesalius.records import Cell, Done, Resampling
from vesalius.stats import holm, paired_difference
from vesalius.store.runs import read_predictions, read_run
from vesalius.tasks import make_task

RESAMPLING = Resampling(seed=5, n_resamples=60, level=0.9)
ZERO_SHOT = make_task("classification", "zero-shot")
MODELS = (Noisy("sharp", 0.0), Noisy("dim", 0.4), Noisy("blind", 2.0))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The dataset of squares."""
    return squares(tmp_path_factory.mktemp("data") / "squares", n_patients=60)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """Three models at three protocols."""
    return run_of(tmp_path_factory.mktemp("runs") / "three", data, *MODELS)


def headline(run, cell):
    """The first metric of a cell's predictions, and their patients."""
    (outcome,) = [one for one in run.outcomes if one.cell == cell]
    task, card = task_and_card(run.info, outcome)
    predictions = read_predictions(run.path, cell)
    return task.score(predictions, card)[0], predictions["patient"]


def slowly(scored):
    """The metric row by row: nothing is batched, other rows are dropped from every resample."""

    def on_rows(rows):
        kept = rows if scored.rows is None else rows[np.isin(rows, scored.rows)]
        return scored.statistic(kept)

    return on_rows


def test_differences_are_those_of_the_paired_bootstrap(finished):
    """Value, interval and p value of every pair, against both statistics resampled as a pair."""
    found = compare_runs([finished.path], resampling=RESAMPLING)
    assert len(found) == 9
    seen_rows = set()
    for one in found:
        (first, patients), (second, _) = (headline(finished, c) for c in (one.first, one.second))
        seen_rows.add(first.rows is None)
        expected = paired_difference(
            slowly(first), slowly(second), groups=patients, metric=first.metric,
            seed=5, n_resamples=60, level=0.9,
        )  # fmt: skip
        assert one.difference.p_value == expected.p_value
        mine, other = one.difference.estimate, expected.estimate
        assert (mine.metric, mine.n, mine.n_patients, mine.n_undefined, mine.seed) == (
            other.metric, other.n, other.n_patients, other.n_undefined, other.seed,
        )  # fmt: skip
        assert (mine.value, mine.low, mine.high) == pytest.approx(
            (other.value, other.low, other.high), abs=1e-12
        )
    assert seen_rows == {True, False}  # all rows, and some of them


def test_p_values_are_corrected_within_a_column(finished):
    """Three pairs a column are one family; other columns do not count."""
    found = compare_runs([finished.path], resampling=RESAMPLING)
    columns = {}
    for one in found:
        columns.setdefault((one.first.task, one.first.protocol), []).append(one)
    assert len(columns) == 3
    for members in columns.values():
        assert [one.n_comparisons for one in members] == [3, 3, 3]
        alone = holm([one.difference.p_value for one in members])
        assert [one.p_holm for one in members] == alone.tolist()


def test_a_task_alone_has_the_same_numbers(finished):
    """What else is compared changes nothing."""
    everything = compare_runs([finished.path], resampling=RESAMPLING)
    alone = compare_runs([finished.path], task="retrieval", resampling=RESAMPLING)
    assert alone == tuple(one for one in everything if one.first.task == "retrieval")


def test_one_model_a_run_is_compared_as_all_in_one(finished, data, tmp_path):
    """Runs are only folders: the same cells in three of them give the same comparisons."""
    runs = [
        run_of(tmp_path / model.card.name, data, model, tasks=(ZERO_SHOT,)).path for model in MODELS
    ]
    apart = compare_runs(runs, resampling=RESAMPLING)
    together = compare_runs([finished.path], task="classification", resampling=RESAMPLING)
    assert apart == tuple(one for one in together if one.first.protocol == "zero-shot")


def test_a_cell_in_several_runs_counts_once(finished, data, tmp_path):
    """The same folder twice, and the same cell computed again, add nothing."""
    again = run_of(tmp_path / "again", data, MODELS[0], tasks=(ZERO_SHOT,))
    once = compare_runs([finished.path], resampling=RESAMPLING)
    assert compare_runs([finished.path] * 2 + [again.path], resampling=RESAMPLING) == once


def test_another_model_of_one_name_is_told_apart_by_its_run(finished, data, tmp_path):
    """Other weights under the same name are another contestant, numbered as in the report."""
    other = run_of(tmp_path / "other", data, Noisy("sharp", 0.9), tasks=(ZERO_SHOT,))
    names = {
        (one.cell.model, one.cell.protocol)
        for one in contestants([read_run(finished.path), read_run(other.path)])
    }
    assert {("sharp (run 1)", "zero-shot"), ("sharp (run 2)", "zero-shot")} <= names
    assert ("dim", "zero-shot") in names


def test_other_data_of_one_name_is_another_column(finished, tmp_path):
    """Models on different data never meet, and the names of the data say so."""
    changed = squares(tmp_path / "squares", n_patients=60, seed=1)
    other = run_of(tmp_path / "other", changed, Noisy("new", 0.1), tasks=(ZERO_SHOT,))
    found = contestants([read_run(finished.path), read_run(other.path)])
    digest = changed.card.digest[:8]
    assert {one.cell.dataset for one in found if one.cell.model == "new"} == {f"squares ({digest})"}
    assert len({one.cell.dataset for one in found}) == 2
    pairs = compare(found, resampling=RESAMPLING)
    assert "new" not in {one.first.model for one in pairs} | {one.second.model for one in pairs}


def test_other_settings_of_one_protocol_are_another_column(data, tmp_path):
    """Prompts decide what is measured: two task cards of one protocol do not meet."""
    runs = []
    for number, templates in enumerate((["a {}"], ["the {}"])):
        task = make_task("classification", "zero-shot", {"templates": templates})
        runs.append(run_of(tmp_path / str(number), data, Noisy(f"m{number}", 0.2), tasks=(task,)))
    found = contestants([read_run(one.path) for one in runs])
    assert [one.cell.protocol for one in found] == [
        f"zero-shot ({one.outcome.task_card[:8]})" for one in found
    ]
    assert compare(found, resampling=RESAMPLING) == ()


def test_models_with_other_rows_are_not_compared(finished, data, tmp_path):
    """Half of the test rows is another question; the pairs of the rest stay as they are."""
    fewer = run_of(tmp_path / "few", data, Noisy("few", 0.1), tasks=(ZERO_SHOT,), limit=8)
    found = compare_runs([finished.path, fewer.path], resampling=RESAMPLING)
    assert found == compare_runs([finished.path], resampling=RESAMPLING)


def test_the_metric_can_be_chosen_and_one_that_is_not_scored_leaves_out(finished):
    """Every pair at its accuracy; a contestant without the metric meets nobody."""
    place = {one.cell: one for one in contestants([read_run(finished.path)])}
    cells = [Cell(model.card.name, "squares", "classification", "zero-shot") for model in MODELS]
    metrics = (("auroc", ""), ("auroc", ""), ("dice", ""))
    who = [replace(place[cell], metric=m) for cell, m in zip(cells, metrics, strict=True)]
    (only,) = compare(who, resampling=RESAMPLING)
    assert (only.first.model, only.second.model) == ("sharp", "dim")
    assert only.difference.estimate.metric == "auroc"
    rows = {
        row.cell.model: row.estimate.value
        for row in finished.metrics
        if row.estimate.metric == "auroc" and row.cell in cells and not row.subgroup
    }
    assert only.difference.estimate.value == pytest.approx(rows["sharp"] - rows["dim"], abs=1e-12)


def test_a_lost_table_is_named(finished, data, tmp_path):
    """Predictions that are gone are an error, not a missing line."""
    lost = run_of(tmp_path / "lost", data, *MODELS[:2], tasks=(ZERO_SHOT,))
    for path in (lost.path / "predictions").rglob("*.parquet"):
        path.unlink()
    with pytest.raises(RunError, match=r"zero-shot\.parquet is missing"):
        compare_runs([lost.path], resampling=RESAMPLING)


def test_every_pair_stands_once(finished):
    """In the order of the run."""
    found = compare_runs([finished.path], task="retrieval", resampling=RESAMPLING)
    order = [one.cell.model for one in finished.outcomes
             if isinstance(one, Done) and one.cell.task == "retrieval"]  # fmt: skip
    pairs = [(one.first.model, one.second.model) for one in found]
    assert pairs == list(combinations(order, 2))
