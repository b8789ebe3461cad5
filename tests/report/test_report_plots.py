"""Figures: what is drawn is what the predictions say."""

import re

import numpy as np
import pytest

from vesalius.metrics import METRICS
from vesalius.records import Predictions
from vesalius.report.figures import Axis, Line, grid_figure, heat_level, interval_bar, line_figure
from vesalius.report.gallery import Pictures, galleries
from vesalius.report.glossary import glossary
from vesalius.report.plots import classification_figures, figures_of, retrieval_figures

NAN = float("nan")
BINARY = {"positive": "sick", "multilabel": False}


def table(labels, scores, **columns):
    names = list(scores)
    n = len(labels)
    return Predictions(
        {
            "id": np.array([f"s{i}" for i in range(n)]),
            "patient": np.array([f"s{i}" for i in range(n)]),
            "split": np.full(n, "test"),
            "label": np.array(labels),
            **{f"score:{name}": np.array(scores[name], dtype=np.float64) for name in names},
            **columns,
        }
    )


def counts_of(figure):
    return [int(n) for n in re.findall(r'class="count[^>]*>(\d+)<', str(figure.svg))]


def binary(**columns):
    sick = np.array([0.9, 0.6, 0.4, 0.1, NAN])
    scores = {"well": 1 - sick, "sick": sick}
    return table(["sick", "well", "sick", "well", "well"], scores, **columns)


def test_binary_decisions_use_the_stored_threshold():
    """The confusion matrix is that of the metrics; rows without an answer are named."""
    *_, figure = classification_figures(binary(threshold=np.full(5, 0.3)), BINARY)
    assert counts_of(figure) == [1, 1, 0, 2]
    assert "1 rows without an answer are left out here" in figure.caption
    *_, figure = classification_figures(binary(threshold=np.full(5, 0.7)), BINARY)
    assert counts_of(figure) == [2, 0, 1, 1]


def test_only_the_positive_class_of_a_binary_task_has_curves():
    """Precision–recall, ROC and reliability, with their chance lines."""
    figures = classification_figures(binary(threshold=np.full(5, 0.3)), BINARY)
    assert [figure.title for figure in figures] == [
        "Precision–recall",
        "ROC",
        "Reliability",
        "Confusion",
    ]
    names = [[name for _, name in figure.legend] for figure in figures]
    assert names[:2] == [["sick", "prevalence (chance)"], ["sick", "chance"]]


def test_multiclass_draws_the_first_six_classes_and_says_so():
    """A chart of many classes stays readable, and what is left out is stated."""
    names = [f"c{i}" for i in range(8)]
    labels = [names[i % 7] for i in range(21)]
    scores = {name: [float(label == name) for label in labels] for name in names}
    figures = classification_figures(table(labels, scores), {"positive": None, "multilabel": False})
    assert "The first 6 of 8 classes are drawn." in figures[0].caption
    assert len(figures[0].legend) == 6
    assert sum(counts_of(figures[-1])) == 21


def test_multilabel_counts_each_finding_at_its_own_threshold():
    """One row of true and false positives and negatives per finding; empty labels are negative."""
    scores = {"a": [0.9, 0.8, 0.1, 0.2], "b": [0.1, 0.9, 0.8, 0.3]}
    limits = {"threshold:a": np.full(4, 0.5), "threshold:b": np.full(4, 0.2)}
    predictions = table(["a|b", "", "b", ""], scores, **limits)
    *_, figure = classification_figures(predictions, {"positive": None, "multilabel": True})
    assert counts_of(figure) == [1, 0, 1, 2, 1, 1, 2, 0]


def test_few_shot_shows_the_first_draw_of_the_most_shots():
    """Passes are never pooled into one curve."""
    sick = np.array([0.9, 0.1, 0.9, 0.1, 0.2, 0.8])
    predictions = table(
        ["sick", "well"] * 3,
        {"well": 1 - sick, "sick": sick},
        shots=np.array([1, 1, 4, 4, 4, 4]),
        draw=np.array([0, 0, 0, 0, 1, 1]),
        threshold=np.full(6, 0.5),
    )
    *_, figure = classification_figures(predictions, BINARY)
    assert counts_of(figure) == [1, 0, 0, 1]
    assert "4 examples per class, draw 0" in classification_figures(predictions, BINARY)[0].caption


def test_a_class_that_never_occurs_has_no_curve():
    """Undefined curves are not drawn as if they were zero."""
    only = table(["well", "well"], {"well": [0.5, 0.6], "sick": [0.5, 0.4]})
    (figure,) = classification_figures(only, BINARY)
    assert figure.title == "Confusion"


def test_no_rows_and_unknown_tasks_have_no_figures():
    """Nothing is invented."""
    assert figures_of("classification", Predictions({"id": np.array([])}), BINARY) == ()
    assert figures_of("vqa", binary(), BINARY) == ()


def searches(n_positive, ranks):
    n = len(ranks)
    lists = np.empty(n, dtype=object)
    lists[:] = ranks
    top = np.empty(n, dtype=object)
    top[:] = [["a", "b", "c"]] * n
    correct = np.empty(n, dtype=object)
    correct[:] = [[place in r for place in (1, 2, 3)] for r in ranks]
    return Predictions(
        {
            "id": np.array([f"q{i}" for i in range(n)]),
            "direction": np.full(n, "image→text"),
            "relevance": np.full(n, "pair"),
            "gallery": np.full(n, 4),
            "n_positive": np.array(n_positive),
            "rank_first": np.array([float(r[0]) if r else NAN for r in ranks]),
            "ranks": lists,
            "top": top,
            "top_correct": correct,
        }
    )


def test_recall_and_hit_are_two_curves_when_a_query_has_several_positives():
    """By hand: recall@1 = (1/2 + 0)/2, recall@2 = (1/2 + 1)/2; hit@1 = 1/2, hit@2 = 1."""
    (figure,) = retrieval_figures(searches([2, 1], [[1, 3], [2]]))
    assert len(figure.legend) == 3
    heights = re.findall(r'<polyline class="line (s\d)" points="([^"]+)"', str(figure.svg))
    tops = {style: [float(p.split(",")[1]) for p in points.split()] for style, points in heights}
    level = lambda share: 12 + 196 * (1 - share)  # noqa: E731 - the chart's own scale
    assert tops["s0"] == pytest.approx([level(s) for s in (0.25, 0.75, 1, 1)], abs=0.1)
    assert tops["s1"] == pytest.approx([level(s) for s in (0.5, 1, 1, 1)], abs=0.1)


def test_one_positive_each_gives_one_curve():
    """Equal curves are not drawn over one another."""
    (figure,) = retrieval_figures(searches([1, 1], [[1], [4]]))
    assert len(figure.legend) == 2


def test_queries_without_positives_are_left_out(tmp_path):
    """They have no recall, in figures and in galleries."""
    mixed = searches([1, 0], [[1], []])
    (figure,) = retrieval_figures(mixed)
    assert figure.caption.startswith("1 queries")
    (gallery,) = galleries(mixed, pictures=Pictures(), run=tmp_path, dataset="d")
    assert [query.id for query in gallery.queries] == ["q0"]
    assert [hit.correct for hit in gallery.queries[0].hits] == [True, False, False]
    none = searches([0], [[]])
    assert retrieval_figures(none) == ()
    assert galleries(none, pictures=Pictures(), run=tmp_path, dataset="d") == ()


def test_text_in_a_drawing_is_escaped():
    """Class names and labels cannot leave their element."""
    bad = "</text><script>"
    figure = grid_figure(bad, np.array([[1]]), rows=[bad], columns=[bad], caption="")
    assert "<script" not in str(figure.svg)
    line = Line(bad, np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    drawn = line_figure(bad, [line], x=Axis(bad), y=Axis(bad), caption=bad)
    assert "<script" not in str(drawn.svg)


def test_undefined_points_leave_a_gap_and_not_a_zero():
    """NaN is not drawn."""
    line = Line("a", np.array([0.0, 0.5, 1.0]), np.array([0.5, NAN, 0.5]), markers=True)
    svg = str(line_figure("t", [line], x=Axis("x"), y=Axis("y"), caption="").svg)
    assert svg.count("<circle") == 2
    assert "nan" not in svg


def test_an_interval_bar_needs_a_value_between_0_and_1():
    """A value off the line draws nothing; without an interval only the dot is drawn."""
    assert interval_bar(NAN, NAN, NAN, marks=[]) == ""
    assert interval_bar(12.0, 11.0, 13.0, marks=[]) == ""
    bare = str(interval_bar(0.5, NAN, NAN, marks=[0.25, NAN, 2.0]))
    assert 'class="bar"' not in bare
    assert bare.count('class="mark"') == 1


@pytest.mark.parametrize(("share", "level"), [(0.0, 0), (0.05, 0), (0.1, 1), (0.5, 3), (1.0, 6)])
def test_heat_has_seven_steps(share, level):
    """The ends of the ramp are the ends of the scale."""
    assert heat_level(share) == level


def test_every_metric_of_the_table_has_words_of_its_own():
    """How values are averaged explains nothing, and no range ends in the wrong infinity."""
    terms = glossary(METRICS)
    assert {term.name for term in terms if "[" not in term.name[:2]} >= set(METRICS)
    for term in terms:
        assert "not NaN" not in term.definition
        assert term.definition.endswith("."), term
    ranges = {term.name: term.unit for term in terms}
    assert "[−∞, ∞]" in ranges["kid"]
    assert ranges["psnr"] == "dB in [−∞, ∞]"
    assert ranges["median_rank"] == "rank in [1, ∞]"
    assert ranges["fd"].startswith("number")  # nothing above 1 is a share
    nsd = next(term for term in terms if term.name == "nsd[surfel,2mm]")
    assert "within 2 mm" in nsd.definition


def test_every_metric_in_use_is_explained_once():
    """Qualifiers are explained, unknown names are listed as unknown, none is left out."""
    names = {"f1", "f1[4-shot]", "recall@5", "recall@5[chance]", "auroc[template 1]", "new"}
    terms = {term.name: term for term in glossary(names)}
    assert {"f1", "recall@5", "auroc", "new", "…[chance]", "…[template]", "…[k-shot]"} == set(terms)
    assert "first 5 places" in terms["recall@5"].definition
    assert terms["new"].definition.startswith("Not in the table")
    assert "90 %" in glossary(["specificity@90sensitivity"])[0].definition
    assert glossary(["prevalence"])[0].direction == "no better direction"
    assert glossary(["median_rank"])[0].direction == "lower is better"
