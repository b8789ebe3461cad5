"""The page of a fusion study: complete, drawn to scale, escaped, inert, and silent about ids."""

import html
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from fusion_example import SETTINGS, TAUGHT, WHY, about, estimate, study
from payloads import PAYLOADS

from vesalius.fusion.results import Study
from vesalius.records import Estimate, ModelCard, Resampling
from vesalius.report import fusion_plots as plots
from vesalius.report.figures import Axis, Line, line_figure, nice_axis
from vesalius.report.fusion_about import problem_counts, study_json
from vesalius.report.fusion_page import render_fusion, write_fusion_page
from vesalius.report.fusion_tables import better_than_single, p_text, sentence, verdict

NAN = math.nan


def groups(figure) -> dict[str, str]:
    """What is drawn for each line of a drawing, by its name."""
    found = re.findall(r"<g><title>(.*?): .*?</title>(.*?)</g>", str(figure.svg))
    return {html.unescape(name): drawn for name, drawn in found}


def table_rows(text: str, style: str) -> list[list[str]]:
    """Texts of the cells of a table, by line."""
    (body,) = re.findall(rf'<table class="{style}">.*?<tbody>(.*?)</tbody>', text, flags=re.DOTALL)
    lines = re.findall(r"<tr>(.*?)</tr>", body, flags=re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, flags=re.DOTALL) for line in lines]
    return [[html.unescape(re.sub(r"<[^>]+>", " ", c)).strip() for c in line] for line in cells]


def with_head(given: Study, name: str, **changed) -> Study:
    """The study with another row of a fused head."""
    rows = [
        replace(r, **changed) if (r.place.head, r.place.variant) == (name, "fused") else r
        for r in given.rows
    ]
    return replace(given, rows=tuple(rows))


def test_differences_are_drawn_to_scale():
    """By hand: the axis is -0.2 to 0.2 over 428 units from 16, so 0 is at 230 and 0.1 at 337."""
    figure = plots.forest(study())
    drawn = groups(figure)
    assert '<line class="level" x1="230.0"' in str(figure.svg)
    assert (
        '<line class="whisker same" x1="208.6" y1="31.0" x2="337.0" y2="31.0"/>'
        in (drawn["concat"])
    )
    assert '<circle class="mark same" cx="283.5" cy="31.0"' in drawn["concat"]
    assert 'x1="272.8" y1="69.0" x2="401.2" y2="69.0"/>' in drawn["gated"]
    assert '<circle class="mark better" cx="337.0" cy="69.0"' in drawn["gated"]
    assert "+0.100 [+0.040, +0.160], p &lt; 0.001 ▲" in drawn["gated"]
    assert '<circle class="mark worse" cx="101.6"' in drawn[TAUGHT]
    assert "p 0.012 ▼" in drawn[TAUGHT]


def test_single_inputs_stand_beside_the_floor():
    """By hand: the axis is 0.5 to 0.9, so 0.75 is at 16 + 428 · 0.625, the floor at the left."""
    figure = plots.singles(study())
    drawn = groups(figure)
    assert '<circle class="mark plain" cx="283.5"' in drawn["mini:clip:image"]
    assert "best on val" in drawn["mini:clip:image"]
    assert "best on val" not in drawn["tabular"]
    assert '<line class="level" x1="16.0"' in str(figure.svg)


def test_contributions_add_up_from_the_floor_to_the_best_head():
    """By hand, 428 units for 0 to 1: each bar starts where the one above ends."""
    drawn = groups(plots.contributions(study()))
    bars = {
        name: re.search(r'class="block (\w+)" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', g).groups()
        for name, g in drawn.items()
    }
    assert bars == {
        "no input": ("base", "16.0", "214.0"),
        "mini:clip:image": ("up", "230.0", "107.0"),
        "tabular": ("up", "337.0", "42.8"),
        "gated, all": ("base", "16.0", "363.8"),
    }
    assert 'class="whisker up" x1="345.6"' in drawn["tabular"]
    assert "= 0.850 [0.780, 0.920]" in drawn["gated, all"]


def test_a_negative_contribution_goes_back():
    """Its bar ends left of where it starts and has another colour."""
    given = study()
    shares = given.contributions | {"tabular": estimate(-0.1, -0.2, 0.0)}
    drawn = groups(plots.contributions(replace(given, contributions=shares)))
    assert '<rect class="block down" x="294.2"' in drawn["tabular"]


def test_curves_go_from_fused_to_missing():
    """By hand: y is 0.5 to 1; at 0 the fused score, at 1 the missing one, 0.7 between."""
    image, lab = plots.curves(study())
    assert (image.title, lab.title) == ("mini:clip:image", "tabular")
    assert '<polyline class="line s0" points="44.0,70.8 176.0,129.6 308.0,168.8"/>' in image.svg
    assert '<polyline class="line ref" points="44.0,208.0 308.0,208.0"/>' in image.svg
    assert str(image.svg).count('class="band') == 2
    assert [name for _, name in image.legend] == [
        "gated, best on val", f"{TAUGHT}, taught to do without", "no input at all",
    ]  # fmt: skip


def test_without_shares_curves_have_their_ends():
    """Nothing between; the head taught to do without is then not among them."""
    rows = plots.curve_rows(replace(study(), curves=()))
    assert list(rows) == [("gated", "mini:clip:image"), ("gated", "tabular")]
    assert [share for share, _ in rows["gated", "tabular"]] == [0.0, 1.0]


def test_bands_have_the_ends_of_the_intervals_and_skip_what_is_undefined():
    """By hand: 0 to 1 is 196 units down from 208."""
    x, y = np.array([0.0, 0.5, 1.0]), np.array([0.5, 0.5, 0.5])
    line = Line("a", x, y, low=np.array([0.25, NAN, 0.0]), high=np.array([0.75, NAN, 1.0]))
    drawn = line_figure("T", [line], x=Axis("x"), y=Axis("y"), caption="").svg
    assert 'class="band s0" points="44.0,61.0 308.0,12.0 308.0,208.0 44.0,159.0"/>' in drawn


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.0, 0.3], (0.0, 0.1, 0.2, 0.3)),
        ([-0.2, 0.16], (-0.2, -0.1, 0.0, 0.1, 0.2)),
        ([0.0], (-0.06, -0.04, -0.02, 0.0, 0.02, 0.04, 0.06)),
        ([NAN, 12.0, 31.0], (10.0, 15.0, 20.0, 25.0, 30.0, 35.0)),
        ([NAN], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
    ],
)
def test_axes_hold_all_values_at_round_ticks(values, ticks):
    """By hand; equal values and none at all have an axis too."""
    axis = nice_axis("x", values)
    assert axis.ticks == pytest.approx(ticks)
    assert (axis.low, axis.high) == (axis.ticks[0], axis.ticks[-1])


def test_every_line_is_in_the_long_table():
    """All numbers of a line, in the order of the columns, and what they are sorted by."""
    text = render_fusion(study(), about())
    lines = table_rows(text, "sortable")
    assert len(lines) == len(study().rows)
    assert lines[0][1:] == [
        "alone", "", "0.750", "[0.660, 0.840]", "", "", "", "", "33", "0.25",
    ]  # fmt: skip
    assert lines[7] == [
        "gated", "all inputs", "", "0.850", "[0.780, 0.920]", "+0.100 ▲", "[+0.040, +0.160]",
        "< 0.001", "< 0.001", "1,234", "0.25",
    ]  # fmt: skip
    assert lines[8][:4] == ["gated", "one shuffled", "mini:clip:image", "0.580"]
    assert lines[-1][:5] == ["gap-shift", "all inputs", "", "n/a", WHY]
    for row in study().rows[:-1]:
        assert f'data-key="{row.estimate.value!r}"' in text


def test_shuffled_partners_cost_what_is_lost():
    """0.85 with all inputs, 0.58 with the image of another row: 0.27 lost; n/a heads are out."""
    lines = table_rows(render_fusion(study(), about()), "broken")
    assert [line[0] for line in lines] == ["concat", "gated", TAUGHT]
    assert lines[1][1].split() == ["-0.270", "0.580", "[0.530,", "0.630]"]
    assert lines[1][2].split()[0] == "-0.080"


def test_question_answer_sizes_and_settings_are_said():
    """The first screen answers; seeds, shares and patients stand below."""
    text = html.unescape(render_fusion(study(), about()))
    for expected in (
        "Does joining 2 inputs beat the best single one?",
        "Better than mini:clip:image alone (Holm, 5 %): gated.",
        "The class of each row is told: effusion.", "On 30 test patients", "40 rows, 30 patients",
        "<td>4, 5</td>", "<td>7</td>", "<td>300</td>", "<td>30%</td>", "<td>9</td>",
        "Arevalo et al. (2017), arXiv:1702.01992", "0.670", "0.680", "0.800",
        "Probability that a random positive scores above a random negative", "abababababababab",
        about().models["mini:clip:image"].fingerprint[:16],
    ):  # fmt: skip
        assert expected in text, expected


def test_no_head_is_better_is_an_answer_too():
    """Worse is not better, and a p-value above the level is nothing."""
    given = with_head(study(), "gated", p_holm=0.06)
    assert better_than_single(given) == ()
    assert (
        sentence(given) == "No head is shown to be better than mini:clip:image alone (Holm, 5 %)."
    )
    assert verdict(given.row(TAUGHT)) == "worse"
    assert verdict(given.row("gated", "missing", "tabular")) == "same"
    assert 'class="answer yes"' not in render_fusion(given, about())


def test_resamples_that_could_show_nothing_are_said_to_be_too_few():
    """Of m comparisons by n resamples the smallest corrected p is 2 m / (n + 1)."""
    given = with_head(study(), "gated", p_holm=0.06)
    n_compared = sum(row.p_holm == row.p_holm for row in given.rows)
    needed = 40 * n_compared - 1
    drawn = Resampling(n_resamples=needed - 1)
    few = replace(given, settings=replace(given.settings, resampling=drawn))
    assert f"draw at least {needed}." in sentence(few)
    enough = replace(few.settings, resampling=Resampling(n_resamples=needed))
    assert "too few" not in sentence(replace(few, settings=enough))


def test_what_is_undefined_shows_its_reason_and_draws_nothing():
    """No mark at 0, in no drawing."""
    undefined = Estimate("auroc", NAN, reason="one class only")
    given = replace(study(), contributions=study().contributions | {"tabular": undefined})
    given = with_head(given, "concat", estimate=undefined, difference=None)
    for figure, name, why in (
        (plots.forest(given), "gap-shift", WHY),
        (plots.forest(given), "concat", "one class only"),
        (plots.contributions(given), "tabular", "one class only"),
    ):
        drawn = groups(figure)[name]
        assert why in drawn
        assert not re.search(r"<circle|whisker|block", drawn)
    text = render_fusion(given, about())
    assert ">nan<" not in text
    assert not re.search(r'\s(?:x|y|x1|x2|cx|cy|width|points)="[^"]*nan', text)
    assert re.search(rf"gap-shift</strong>\s*: {WHY}", text)


def test_miniatures_are_marked():
    """Where one takes part the page says so at its top, and beside every such input."""
    text = render_fusion(study(), about())
    assert 'role="note"' in text
    assert text.count('class="badge mini"') >= 5
    genuine = about(models={"mini:clip:image": ModelCard("clip", "clip")})
    assert "miniature<" not in render_fusion(study(), genuine)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_names_never_become_markup(payload):
    """Names of inputs, datasets, targets and reasons stay text."""
    reason = Estimate("auroc", NAN, reason=payload)
    given = with_head(study(image=payload), "gap-shift", estimate=reason)
    problems = {payload: {"secret": payload}}
    hostile = about(image=payload, dataset=payload, target=payload, problems=problems)
    text = render_fusion(given, hostile)
    one = {"mini:clip:image": {"secret": "missing_file"}}
    plain = render_fusion(study(), about(problems=one))
    tags = [re.findall(r"<\s*([a-zA-Z]+)", page) for page in (text, plain)]
    assert sorted(tags[0]) == sorted(tags[1])
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_nothing_is_loaded_and_only_its_own_script_applies():
    """The policy names hashes; links lead to this page or to the tables beside it."""
    text = render_fusion(study(), about())
    unescaped = html.unescape(text)
    assert re.search(r"default-src 'none';.* script-src 'sha256-[\w+/=]+'", unescaped)
    assert "http://" not in text
    assert "https://" not in text
    assert " style=" not in text
    targets = set(re.findall(r'(?:src|href)="(?!#)([^"]*)"', text))
    assert targets == {"fusion.csv", "curves.csv", "contributions.csv", "fusion.json"}


def test_every_drawing_is_named_and_every_header_has_a_scope():
    """Screen readers meet no nameless picture and no loose header."""
    text = render_fusion(study(), about())
    charts = re.findall(r'<svg class="chart[^>]*>', text)
    assert len(charts) == 5
    assert all('role="img"' in one and re.search(r'aria-label="[^"]', one) for one in charts)
    assert all("scope=" in one for one in re.findall(r"<th\b[^>]*>", text))
    assert len(re.findall("<table", text)) == len(re.findall("<caption", text))


def test_problems_are_counted_and_never_named():
    """Reasons and how many; the ids of samples stay at home, also in the file for programs."""
    assert problem_counts(about()) == {"mini:clip:image": {"missing_file": 2}}
    text, data = render_fusion(study(), about()), study_json(study(), about())
    assert "2 samples, missing_file" in text
    assert "secret" not in text
    assert "secret" not in data


def test_the_file_for_programs_holds_the_whole_study():
    """Format 1: undefined is null, and the settings are those of the study."""
    found = json.loads(study_json(study(), about()))
    assert found["format"] == 1
    assert found["dataset"] == {"name": "phantom", "digest": "ab" * 32}
    assert (found["task"], found["target"]) == ("classification", "effusion")
    assert found["better_than_single"] == ["gated"]
    assert found["settings"]["seeds"] == [4, 5]
    assert found["settings"]["resampling"]["n_resamples"] == SETTINGS.resampling.n_resamples
    assert len(found["rows"]) == len(study().rows)
    gated = next(r for r in found["rows"] if (r["head"], r["variant"]) == ("gated", "fused"))
    assert (gated["difference"]["low"], gated["p_holm"], gated["p"]) == (0.04, 0.0006, 0.0002)
    assert found["rows"][-1]["estimate"]["value"] is None
    assert found["rows"][-1]["estimate"]["reason"] == WHY
    assert found["rows"][0]["difference"] is None
    assert [m["features"] for m in found["models"]] == [["mini:clip:image"]]
    assert found["models"][0]["miniature"] is True
    assert found["problems"] == {"mini:clip:image": {"missing_file": 2}}
    assert found["curves"][0]["share"] == 0.5
    assert found["contributions"]["tabular"]["value"] == 0.1


@pytest.mark.parametrize(
    ("task", "target", "words"),
    [
        ("classification", None, "The class of each row is told."),
        ("vqa", "closed", "The answers to closed questions are told, out of the answers that"),
        ("retrieval", "x:text", "The x:text of each row is found among all of its split."),
        ("generation", None, "The picture of each row is drawn"),
        ("other", "{}", "What is told: {}."),
    ],
)
def test_the_goal_is_said_in_a_sentence(task, target, words):
    """Of every task, whatever stands in the target."""
    assert about(task=task, target=target).goal.startswith(words)


def test_long_names_keep_both_ends_and_equal_studies_give_equal_bytes(tmp_path):
    """Inputs of one model differ in the last word; nothing depends on when the page is made."""
    assert plots.shorten_middle("abcdefghij", 7) == "abc…hij"
    assert plots.shorten_middle("abc", 7) == "abc"
    name = "hub:" + "x" * 90 + ":image"
    (drawn, *_) = groups(plots.singles(study(image=name))).values()
    assert re.search(r'class="name"[^>]*>hub:x+…x+:image<', drawn)
    out = write_fusion_page(study(), about(), tmp_path / "page.html")
    assert out.read_text() == render_fusion(study(), about())


def test_small_p_values_are_not_zero():
    """No p-value is 0."""
    assert (p_text(0.0), p_text(0.0491), p_text(NAN)) == ("< 0.001", "0.049", "")
