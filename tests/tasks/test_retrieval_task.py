"""Retrieval over the whole gallery, with ranks that can be counted by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from task_fakes import (
    WIDTH,
    FakeDualEncoder,
    FakeImageEncoder,
    assert_same,
    axis,
    cohort,
    in_order,
    join,
    predict_all,
    sample,
    unit,
    values_of,
    view_of,
)

from vesalius.records import DatasetCard
from vesalius.tasks import TaskData, make_task, n_unanswered
from vesalius.tasks.controls import control_view
from vesalius.views import ModelView

TASK = make_task("retrieval", "embedding")
IMAGES_ONLY = make_task("retrieval", "image-embedding")
N = 6


def pairs(n: int = N, **card: object) -> tuple[TaskData, dict[str, np.ndarray], ModelView]:
    """Image and caption i lie on axis i of a space wide enough for all."""
    names = tuple(f"finding{i:03d}" for i in range(n))
    rows = {f"s{i:03d}": unit(np.eye(n)[i]) for i in range(n)}
    samples = tuple(sample(f"s{i:03d}", caption=f"a {names[i]}", labelled=False) for i in range(n))
    data = TaskData(DatasetCard("pairs", **card), samples)  # type: ignore[arg-type]
    texts = {f"a {name}": unit(np.eye(n)[i]) for i, name in enumerate(names)}
    return data, rows, paired_view(rows, texts)


def paired_view(rows: dict[str, np.ndarray], texts: dict[str, np.ndarray]) -> ModelView:
    """A view with written-down features on both sides."""
    view = view_of(rows)
    return replace(
        view,
        text_features=lambda wanted: np.stack([texts[" ".join(t.lower().split())] for t in wanted]),
    )


def test_a_perfect_encoder_finds_every_pair() -> None:
    """Both directions, the full gallery, one positive a query."""
    data, _, view = pairs()
    table = predict_all(TASK, view, data)
    assert table["key"].tolist() == list(TASK.expected(data))
    assert set(table["direction"].tolist()) == {"image→text", "text→image"}
    assert set(table["relevance"].tolist()) == {"pair"}
    assert set(table["gallery"].tolist()) == {N}
    assert table["ranks"].tolist() == [[1]] * (2 * N)
    values = values_of(TASK, table, data.card)
    assert values["recall@1"] == values["map"] == values["ndcg @ text→image, pair"] == 1.0
    assert values["median_rank"] == 1.0
    assert next(iter(values)) == "recall@5"


def test_ranks_are_counted_over_the_gallery_not_a_batch() -> None:
    """Defect 12 of peers: in batches of 64 nobody could rank 100th of 200."""
    data, rows, view = pairs(200)
    first = np.full(200, 0.5)
    first[100:] = 0.0
    first[0] = 0.1
    rows["s000"] = unit(first)
    table = predict_all(TASK, view, data)
    row = table["key"].tolist().index("image→text/pair/s000")
    assert table["ranks"][row] == [100]
    assert table["rank_first"][row] == 100.0
    assert table["average_precision"][row] == pytest.approx(1 / 100)
    assert table["gallery"][row] == 200
    assert len(table["top"][row]) == 10
    assert "s000" not in table["top"][row]
    assert set(table["top"][row]) <= {f"s{i:03d}" for i in range(1, 100)}


def test_ties_are_resolved_against_the_model() -> None:
    """A collapsed encoder, all vectors equal, gets the last rank and not the first."""
    data, rows, _ = pairs()
    same = {name: unit(np.ones(N)) for name in rows}
    view = paired_view(same, {f"a finding{i:03d}": unit(np.ones(N)) for i in range(N)})
    table = predict_all(TASK, view, data)
    assert table["ranks"].tolist() == [[N]] * (2 * N)
    assert values_of(TASK, table, data.card)["mrr"] == pytest.approx(1 / N)


def test_duplicate_captions_are_right_for_each_other() -> None:
    """Case and spacing do not make another caption."""
    data, _, view = pairs()
    samples = list(data.samples)
    samples[1] = replace(samples[1], caption="  A  Finding000 ")
    data = replace(data, samples=tuple(samples))
    table = predict_all(TASK, view, data)
    by_key = dict(zip(table["key"].tolist(), range(table.n_rows), strict=True))
    row = by_key["image→text/pair/s000"]
    assert table["n_positive"][row] == 2
    assert table["ranks"][row] == [1, 2]
    other = by_key["text→image/pair/s001"]
    assert table["n_positive"][other] == 2
    assert table["ranks"][other][0] == 1
    assert table["n_positive"][by_key["image→text/pair/s002"]] == 1


def test_shared_labels_are_relevant_and_the_query_is_not_its_own_answer() -> None:
    """Image to image leaves the query out of its gallery; across modalities it stays."""
    data, rows = cohort(n_per_class=4)
    table = predict_all(TASK, view_of(rows), data)
    kinds = zip(table["direction"].tolist(), table["relevance"].tolist(), strict=True)
    assert set(kinds) == {
        ("image→text", "pair"),
        ("image→text", "label"),
        ("text→image", "pair"),
        ("text→image", "label"),
        ("image→image", "label"),
    }
    within = table["direction"] == "image→image"
    assert set(table["gallery"][within].tolist()) == {11}
    assert table["ranks"][within].tolist() == [[1, 2, 3]] * 12
    assert all(i not in top for i, top in zip(table["id"], table["top"], strict=True) if within[0])
    across = (table["direction"] == "image→text") & (table["relevance"] == "label")
    assert set(table["gallery"][across].tolist()) == {12}
    assert table["ranks"][across].tolist() == [[1, 2, 3, 4]] * 12


def test_findings_are_shared_by_any_and_normal_by_normal() -> None:
    """Two images without finding are alike; one common finding of two is enough."""
    card = DatasetCard("d", classes={"a": (), "b": ()}, multilabel=True)
    labels = {"n1": (), "n2": (), "x": ("a",), "y": ("a", "b"), "z": ("b",)}
    data = TaskData(card, tuple(sample(name, own) for name, own in labels.items()))
    rows = {name: axis(i) for i, name in enumerate(labels)}
    table = predict_all(TASK, view_of(rows), data)
    counts = dict(zip(table["id"].tolist(), table["n_positive"].tolist(), strict=True))
    assert counts == {"n1": 1, "n2": 1, "x": 1, "y": 2, "z": 1}


def test_queries_without_a_positive_have_no_value() -> None:
    """They are left out of the means and stand in the table with n_positive 0."""
    data, rows = cohort(n_per_class=2)
    data = replace(
        data,
        samples=tuple(replace(s, caption=None) for s in data.samples if s.id != "test-effusion-00"),
    )
    table = predict_all(TASK, view_of(rows), data)
    lonely = table["id"] == "test-effusion-01"
    assert table["n_positive"][lonely].tolist() == [0]
    assert math.isnan(table["average_precision"][lonely][0])
    scored = TASK.score(table, data.card)
    assert all(np.flatnonzero(lonely)[0] not in s.rows for s in scored if s.rows is not None)
    assert values_of(TASK, table, data.card)["recall@1"] == 1.0


def test_chance_is_exact() -> None:
    """Expectation of a random order, from the hypergeometric distribution."""
    data, rows = cohort(n_per_class=4)
    values = values_of(TASK, predict_all(TASK, view_of(rows), data), data.card)
    assert values["recall@5[chance]"] == pytest.approx(5 / 12)
    assert values["hit@1[chance] @ image→text, label"] == pytest.approx(4 / 12)
    no_hit = (8 / 11) * (7 / 10) * (6 / 9) * (5 / 8) * (4 / 7)
    assert values["hit@5[chance] @ image→image, label"] == pytest.approx(1 - no_hit)
    harmonic = sum(1 / i for i in range(1, 13))
    assert values["map[chance]"] == pytest.approx(harmonic / 12)


@pytest.mark.parametrize("name", ["random", "blank-image", "shuffled-images"])
def test_controls_of_retrieval_fall_to_chance(name: str) -> None:
    """A perfect encoder without its images finds what a random order finds."""
    data, _, view = pairs(100)
    if name == "blank-image":
        view = replace(view, model=WideEncoder())
    controlled = control_view(name, view, data)
    assert TASK.unsuitable(controlled, data) is None
    values = values_of(TASK, predict_all(TASK, controlled, data), data.card)
    assert values["recall@5"] <= values["recall@5[chance]"] + 0.06
    assert values["map"] < 0.12


class WideEncoder(FakeDualEncoder):
    """Sees one and the same vector, as wide as the pairs."""

    def encode_images(self, images: object, /) -> np.ndarray:
        """Equally far from every caption."""
        return np.repeat(unit(np.ones(100))[None], len(list(images)), axis=0)  # type: ignore[call-overload]


def test_missing_images_get_the_worst_ranks_and_are_counted() -> None:
    """As query an unread image ranks its caption last; as item it comes after all others."""
    data, rows, view = pairs()
    rows["s002"] = np.full(N, np.nan, dtype=np.float32)
    table = predict_all(TASK, view, data)
    by_key = dict(zip(table["key"].tolist(), range(table.n_rows), strict=True))
    assert table["ranks"][by_key["image→text/pair/s002"]] == [N]
    assert table["ranks"][by_key["text→image/pair/s002"]] == [N]
    assert table["ranks"][by_key["image→text/pair/s003"]] == [1]
    assert n_unanswered(table) == 1
    assert values_of(TASK, table, data.card)["recall@1"] == pytest.approx(1 - 2 / (2 * N))


def test_resumed_rows_equal_rows_in_one_go() -> None:
    """Half now and half later gives the same table, whatever order the samples have."""
    rng = np.random.default_rng(0)
    data, rows = cohort(noise=0.8, n_per_class=40)
    texts = {
        " ".join((s.caption or "").split()): unit(rng.normal(size=WIDTH)) for s in data.samples
    }
    view = paired_view(rows, texts)
    full = predict_all(TASK, view, data)
    keys = TASK.expected(data)
    done = frozenset(keys[::3]) | frozenset(keys[:130])
    rest = predict_all(TASK, view, replace(data, samples=data.samples[::-1]), done)
    assert not done & set(rest["key"].tolist())
    half = in_order(full, [key for key in keys if key in done])
    assert_same(in_order(join([half, rest]), keys), full)
    assert list(TASK.predict(view, data, frozenset(keys))) == []
    assert values_of(TASK, full, data.card) == values_of(TASK, full, data.card)


def test_images_of_the_own_patient_are_neither_gallery_nor_answer() -> None:
    """A second view of the same chest is found by the chest, not by what is wrong with it."""
    card = DatasetCard("d", classes={"a": (), "b": ()})
    owners = {"a1": "p", "a2": "p", "a3": "q", "b1": "p", "b2": "r", "b3": "s"}
    samples = tuple(sample(name, (name[0],), patient=own) for name, own in owners.items())
    rows = {"a1": axis(0), "a2": axis(0), "b1": axis(0), "a3": axis(1)}
    rows |= {"b2": axis(2), "b3": unit(axis(0) + axis(3))}
    table = predict_all(IMAGES_ONLY, view_of(rows), TaskData(card, samples))
    by_id = dict(zip(table["id"].tolist(), range(6), strict=True))
    assert table["gallery"].tolist() == [3, 3, 5, 3, 5, 5]
    assert table["n_positive"].tolist() == [1, 1, 2, 2, 2, 2]
    first = by_id["a1"]
    assert table["ranks"][first] == [3]  # b3 is nearer, b2 is as far
    assert table["top"][first] == ["b3", "b2", "a3"]
    assert table["top_correct"][first] == [False, False, True]
    values = values_of(IMAGES_ONLY, table, card)
    assert values["recall@1[chance]"] == pytest.approx((3 / 3 + 3 / 5) / 6)


def test_unanswered_queries_score_zero_and_rank_last() -> None:
    """With eight positives of ten even the worst order would find many: no answer finds none."""
    card = DatasetCard("d", classes={"a": (), "b": ()})
    labels = ["a"] * 9 + ["b"] * 2
    samples = tuple(sample(f"s{i:02d}", (label,)) for i, label in enumerate(labels))
    rows = {s.id: axis(0) if s.labels == ("a",) else axis(1) for s in samples}
    rows["s00"] = np.full(WIDTH, np.nan, dtype=np.float32)
    data = TaskData(card, samples)
    table = predict_all(IMAGES_ONLY, view_of(rows), data)
    assert (table["gallery"][0], table["n_positive"][0]) == (10, 8)
    assert table["average_precision"][0] == 0.0
    assert table["rank_first"][0] == 10.0
    for one in IMAGES_ONLY.score(table, card):
        if "[" not in one.metric:
            value = one.statistic(np.array([0]))
            assert value == (10.0 if one.metric == "median_rank" else 0.0), one.metric


def test_the_best_possible_recall_is_said() -> None:
    """One place cannot hold two positives: even a perfect encoder stays below 1."""
    data, rows = cohort(n_per_class=4)
    values = values_of(TASK, predict_all(TASK, view_of(rows), data), data.card)
    place = "image→text, label"
    assert values[f"recall@1[best possible] @ {place}"] == values[f"recall@1 @ {place}"] == 1 / 4
    assert values[f"recall@5[best possible] @ {place}"] == 1.0
    assert values["recall@1[best possible]"] == 1.0


def test_without_captions_only_images_are_searched() -> None:
    """Then any image encoder will do, and the overall row is that search."""
    data, rows = cohort(n_per_class=3)
    data = replace(data, samples=tuple(replace(s, caption=None) for s in data.samples))
    view = view_of(rows, FakeImageEncoder())
    assert TASK.unsuitable(view, data) is None
    table = predict_all(TASK, view, data)
    assert set(table["direction"].tolist()) == {"image→image"}
    values = values_of(TASK, table, data.card)
    assert values["recall@5"] == values["recall@5 @ image→image, label"] == 1.0


def test_reasons_of_retrieval_are_true() -> None:
    """Text, images, labels, rows: what is missing is named."""
    data, rows = cohort(n_per_class=3)
    no_text = view_of(rows, FakeImageEncoder())
    assert TASK.unsuitable(no_text, data) == "model has no text embedding in the image space"
    assert IMAGES_ONLY.unsuitable(no_text, data) is None
    assert TASK.unsuitable(view_of(rows, object()), data) == "model has no image embedding"
    train = tuple(s for s in data.samples if s.split == "train")
    assert TASK.unsuitable(no_text, replace(data, samples=train)) == "no test rows"
    bare = TaskData(DatasetCard("d"), (sample("a"), sample("b")))
    assert TASK.unsuitable(no_text, bare) == (
        "fewer than two test rows with a caption, and no two patients that share a label"
    )
    assert (
        IMAGES_ONLY.unsuitable(no_text, bare)
        == "no two test rows of different patients share a label"
    )


def test_the_image_protocol_has_its_own_card() -> None:
    """Its numbers are never mixed with those of the text protocol."""
    data, rows = cohort(n_per_class=3)
    table = predict_all(IMAGES_ONLY, view_of(rows), data)
    assert set(table["direction"].tolist()) == {"image→image"}
    assert IMAGES_ONLY.card.protocol == "image-embedding"
    assert IMAGES_ONLY.card.digest != TASK.card.digest
