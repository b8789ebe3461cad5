"""The page: nothing from a run becomes markup, nothing is loaded, nothing is left out."""

import base64
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from demo_run import Names, build_run, classification_predictions
from payloads import PAYLOADS, hostile_names

from vesalius.errors import RunError
from vesalius.records import Cell, Done, Estimate, MetricRow
from vesalius.report import gallery
from vesalius.report.cells import anchor_of
from vesalius.report.page import render, write_report
from vesalius.report.sources import read_results
from vesalius.report.tables import entries
from vesalius.store.pictures import picture_path
from vesalius.store.runs import RunFolder, read_run

URL_ATTRIBUTES = {"href", "src", "action", "formaction", "data", "poster", "srcset", "background"}


class Page(HTMLParser):
    """Tags, attributes and texts of a page as a browser would find them."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts, self.blocks, self.open = [], [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Keep the element."""
        self.tags.append((tag, dict(attrs)))
        self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        """Close up to the element."""
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        """Keep a text, that of inline blocks apart."""
        tag, attributes = self.open[-1] if self.open else ("", {})
        if tag in ("script", "style"):
            kind = attributes.get("type", tag)
            self.blocks[kind] = self.blocks.get(kind, "") + data
        else:
            self.texts.append(data)

    @property
    def text(self):
        """All text that is read, white space joined."""
        return " ".join(" ".join(self.texts).split())

    def named(self, tag):
        """Attributes of every element of that name."""
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(run_folder):
    return Page(render(read_results([run_folder])))


@pytest.fixture(scope="module")
def hostile(hostile_run):
    return Page(render(read_results([hostile_run])))


def test_payloads_add_no_tag_and_no_attribute(page, hostile):
    """A run whose every text is an attack gives the same elements as a harmless one."""
    assert {tag for tag, _ in hostile.tags} == {tag for tag, _ in page.tags}
    kinds = {(tag, name) for tag, attributes in page.tags for name in attributes}
    assert {(tag, name) for tag, attributes in hostile.tags for name in attributes} <= kinds
    assert len(hostile.named("script")) == 3 + 4  # samples: their index and three blocks
    assert len(hostile.named("style")) == 1
    assert not [name for _, attributes in hostile.tags for name in attributes if name[:2] == "on"]
    assert not [1 for _, attributes in hostile.tags if "style" in attributes]


def test_payloads_stand_on_the_page_as_text(hostile):
    """Escaping loses nothing: names, classes, reasons, errors and notes are readable."""
    names = hostile_names()
    for text in (*names.models, names.dataset, *names.classes, names.citation, names.error):
        assert " ".join(text.replace("\u202e", "�").replace("\x1b", "�").split()) in hostile.text
    for payload in PAYLOADS[:6]:
        assert " ".join(payload.split()) in hostile.text
    assert "49" not in re.findall(r"\{\{ (49) \}\}", hostile.text)
    assert "\u202e" not in hostile.text
    assert "\x1b" not in hostile.text


def test_urls_are_fragments_of_the_page_or_pictures_in_it(page, hostile):
    """The page asks nobody for anything, and no text of a run stands in a URL."""
    for one in (page, hostile):
        urls = [
            url for _, attributes in one.tags for name, url in attributes.items()
            if name in URL_ATTRIBUTES or name.endswith(":href")
        ]  # fmt: skip
        assert urls
        pattern = r"#[a-z0-9-]+|data:image/jpeg;base64,[A-Za-z0-9+/=]+"
        assert [url for url in urls if not re.fullmatch(pattern, url)] == []
        assert "url(" not in one.blocks["style"]
        assert "@import" not in one.blocks["style"]
        assert not re.search(r"https?:|fetch|XMLHttp|import", one.blocks["script"])


def test_every_fragment_leads_somewhere(page):
    """Each link and each picture reference has its target, and targets are unique."""
    targets = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(targets) == len(set(targets))
    links = {a["href"][1:] for a in page.named("a") + page.named("use")}
    assert links <= set(targets)


def test_the_policy_names_exactly_the_inline_blocks(hostile):
    """Nothing but the page's own style and script may apply."""
    (meta,) = [m for m in hostile.named("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in meta["content"].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for block in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(hostile.blocks[block].encode()).digest()).decode()
        assert rules[f"{block}-src"] == f"'sha256-{digest}'"
    assert "unsafe" not in meta["content"]
    first = [tag for tag, _ in hostile.tags].index
    assert first("meta") < first("style")


def test_equal_runs_give_equal_bytes(run_folder, tmp_path):
    """The page depends on the run alone: no clock, no random id, no path."""
    one = write_report([run_folder], tmp_path / "a.html").read_bytes()
    again = build_run(tmp_path / "moved" / "first run", n=40)
    assert write_report([again], tmp_path / "b.html").read_bytes() == one
    assert str(tmp_path).encode() not in one


def test_every_cell_of_the_grid_is_there(page, run_folder):
    """Done, n/a and failed cells have a page; what was never tried is named in the matrix."""
    run = read_run(run_folder)
    models = [o.cell for o in run.outcomes if not o.cell.model.startswith("control:")]
    targets = {attributes.get("id") for _, attributes in page.tags}
    assert {anchor_of(cell) for cell in models} <= targets
    assert len(page.named("details")) >= len(models)
    for needle in (
        Names().reason,
        Names().error.strip(),
        "Traceback",
        Names().problem,
        "p0001 = p0002",
    ):
        assert needle in page.text
    for control in ("random", "shuffled-images(mini:clip)"):
        assert control in page.text


def test_values_come_with_interval_patients_and_judgement(page):
    """The headline of a cell reads as a sentence with its control."""
    assert "f1 is 0.880, 95% interval [0.830, 0.920], over 30 patients (40 rows)." in page.text
    assert "lies wholly beyond that of every control (strongest: shuffled-images" in page.text
    assert "It does not clear its controls (strongest: random, 0.440 [0.390, 0.480])" in page.text
    assert "3 of 2000 resamples undefined" in page.text
    assert "touching or overlapping intervals do not clear" in page.text


def test_undefined_is_shown_with_its_reason_and_never_as_zero(page):
    """NaN is n/a plus why."""
    assert "n/a " + Names().reason in page.text
    assert "nan" not in re.findall(r"\bnan\b", page.text)
    assert "2 without an answer, counted as wrong" in page.text


def test_miniatures_are_marked_wherever_they_appear(page):
    """Nobody can take a miniature's number for the genuine model's."""
    badges = [a for a in page.named("span") if "badge mini" in a.get("class", "")]
    titled = [a for a in badges if "not the genuine model" in a.get("title", "")]
    assert len(titled) == 1 + 3 + 3 + 1  # matrix, cells, best of three columns, table of models
    assert "trained on synthetic data — not the genuine models" in page.text


def test_tables_have_captions_and_headers_with_scope(page):
    """Screen readers can say what a number belongs to."""
    assert len(page.named("caption")) == len(page.named("table"))
    assert all(a.get("scope") in ("col", "colgroup", "row") for a in page.named("th"))
    charts = [a for a in page.named("svg") if "chart" in a.get("class", "")]
    assert charts
    # a strip repeats what its row says
    assert [a for a in charts if not a.get("aria-label") and "strip" not in a["class"]] == []
    assert {a.get("aria-hidden") for a in charts if "strip" in a["class"]} == {"true"}
    assert page.named("html")[0]["lang"] == "en"


def test_pictures_are_embedded_once_and_can_be_switched_off(page, run_folder):
    """A picture shown many times is stored once; when switched off, the page says so."""
    images = [a["href"] for a in page.named("image")]
    assert 0 < len(images) == len(set(images)) <= 40
    assert len(page.named("use")) > len(images)
    bare = Page(render(read_results([run_folder]), thumbnails=False))
    assert not bare.named("image")
    assert "Pictures of samples were switched off" in bare.text


def test_the_gallery_frames_what_is_right_and_says_how_it_was_chosen(page):
    """Correct hits are marked by more than colour, and the choice of queries is stated."""
    right = [a for a in page.named("li") if a.get("class") == "right-one"]
    assert right
    assert "✓" in page.text
    assert "8 of 40 queries, evenly spaced from the best to the worst" in page.text
    assert "a random order has recall@5 of 0.125" in page.text


def test_only_small_jpegs_are_embedded_and_the_rest_is_counted(tmp_path, monkeypatch):
    """A file that is no JPEG, or beyond the limit, stays out, with a notice."""
    run = build_run(tmp_path / "run", n=12)
    for i in range(12):
        path = picture_path(run, Names().dataset, Names().sample.format(i))
        if i < 6:
            path.write_bytes(b"<svg onload=alert(1)>")
    monkeypatch.setattr(gallery, "MAX_PICTURES", 4)
    page = Page(render(read_results([run])))
    assert len(page.named("image")) == 4
    assert "8 pictures were left out" in page.text
    path.unlink()
    assert "7 pictures were left out" in Page(render(read_results([run]))).text


def test_two_runs_of_one_model_are_told_apart(run_folder, tmp_path):
    """Nothing is merged in silence: names get the number of their run, other data too."""
    second = build_run(tmp_path / "second", n=20, seed=5)
    text = Page(render(read_results([run_folder, second]))).text
    assert "mini:clip (run 1)" in text
    assert "mini:clip (run 2)" in text
    assert "shuffled-images(mini:clip (run 2))" in text
    results = read_results([run_folder, second])
    assert len(results.outcomes) == len({o.cell for o in results.outcomes}) == 28
    info = json.loads((second / "run.json").read_text())
    info["datasets"][Names().dataset]["digest"] = "another"
    (second / "run.json").write_text(json.dumps(info))
    assert set(read_results([run_folder, second]).datasets) == {
        "phantom-cxr (run 1)",
        "phantom-cxr (run 2)",
    }


def test_missing_predictions_are_said(tmp_path):
    """Metrics without predictions give a page that says why it has no figures."""
    run = build_run(tmp_path / "run", n=10)
    for path in run.glob("predictions/**/*.parquet"):
        path.unlink()
    assert "No figures: predictions/" in Page(render(read_results([run]))).text


def test_an_empty_run_gives_a_page(tmp_path):
    """A run that was stopped before its first cell still tells what it is."""
    run = build_run(tmp_path / "run", n=4)
    (run / "outcomes.jsonl").unlink()
    (run / "metrics.parquet").unlink()
    text = Page(render(read_results([run]))).text
    assert "No headline value could be judged" in text
    assert "No control was run" in text


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    """The error names the folder and what was expected."""
    with pytest.raises(RunError, match="not a run folder"):
        write_report([tmp_path], tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_ten_thousand_predictions_make_less_than_a_megabyte(tmp_path):
    """Figures do not grow with the data."""
    run = build_run(tmp_path / "run", n=8)
    folder = RunFolder(run)
    predictions = classification_predictions(Names(), 10_000, 1.0, np.random.default_rng(0))
    for protocol in ("zero-shot", "knn"):
        for model in Names().models[:2]:
            cell = Cell(model, Names().dataset, "classification", protocol)
            folder.write_predictions(cell, predictions)
    folder.close()
    out = write_report([run], tmp_path / "r.html", thumbnails=False)
    assert out.stat().st_size <= 1_000_000


def _palettes():
    style = (Path(gallery.__file__).parent / "page.css").read_text()
    found = re.findall(r"(--[a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", style)
    assert len(found) > 20
    return {
        "light": {name: light for name, light, _ in found},
        "dark": {name: dark for name, _, dark in found},
    }


def _luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(scheme):
    """Every pair of text and ground reaches 4.5 : 1 in both schemes."""
    colours = _palettes()[scheme]
    pairs = [(text, ground) for text in ("ink", "muted", "accent") for ground in ("paper", "panel")]
    pairs += [("warn", "warn-bg"), ("warn", "panel"), ("bad", "bad-bg"), ("muted", "gap-bg")]
    pairs += [("good", "panel"), ("ink", "warn-bg"), ("accent", "gap-bg")]
    pairs += [("on-low", f"heat{i}") for i in range(5)] + [("on-high", f"heat{i}") for i in (5, 6)]
    for text, ground in pairs:
        a, b = (_luminance(colours[f"--{name}"]) for name in (text, ground))
        ratio = (max(a, b) + 0.05) / (min(a, b) + 0.05)
        assert ratio >= 4.5, (scheme, text, ground, round(ratio, 2))
        assert math.isfinite(ratio)


def _bare_run(path, model, value, *, control):
    rows = [(model, Estimate("f1", *value, n=9, n_patients=9))]
    if control is not None:
        rows.append(("control:random", Estimate("f1", *control, n=9, n_patients=9)))
        rows.append((f"control:shuffled-images({model})", Estimate("f1", 0.1, 0.05, 0.15)))
    run = build_run(path, n=4)
    (run / "outcomes.jsonl").unlink()
    info = json.loads((run / "run.json").read_text())
    card = info["models"][Names().models[0]] | {"name": model}
    (run / "run.json").write_text(json.dumps(info | {"models": {model: card}}))
    folder = RunFolder(run)
    cells = [Cell(name, Names().dataset, "classification", "zero-shot") for name, _ in rows]
    for cell in cells:
        folder.write_outcome(Done(cell, "f" * 64, "card", 9))
    made = [MetricRow(cell, e, "card") for cell, (_, e) in zip(cells, rows, strict=True)]
    folder.write_metrics(made, sources={})
    folder.close()
    return run


def test_models_of_several_runs_are_judged_by_the_controls_of_their_own_run(tmp_path):
    """A control of all models of a run counts for them, and for nobody else, among several runs."""
    low, high = (0.2, 0.15, 0.25), (0.6, 0.5, 0.7)
    one = _bare_run(tmp_path / "one", "a", (0.5, 0.45, 0.55), control=high)
    two = _bare_run(tmp_path / "two", "b", (0.5, 0.45, 0.55), control=low)
    none = _bare_run(tmp_path / "none", "c", (0.5, 0.45, 0.55), control=None)
    results = read_results([one, two, none])
    made = {e.cell.model: e for e in entries(results.outcomes, results.metrics)}
    verdicts = {name: e.clearance for name, e in made.items() if not e.is_control}
    assert verdicts == {
        "a (run 1)": "does not clear",
        "b (run 2)": "clears",
        "c (run 3)": "no control",
    }
    against = {row.cell.model for row in made["a (run 1)"].controls}
    assert against == {"control:random [run 1]", "control:shuffled-images(a (run 1))"}
    alone = read_results([one])
    assert {o.cell.model for o in alone.outcomes} >= {"a", "control:random"}
