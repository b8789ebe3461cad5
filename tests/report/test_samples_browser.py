"""The sample browser in a real browser: filters, order, keys, details, overlays, viewers."""

import io
import json

import numpy as np
import pytest
from demo_run import Names
from headless import browser
from payloads import PAYLOADS, hostile_names
from PIL import Image as Pillow
from sample_run import CT, CT_SIZE, MARK, N, build_sample_run

from vesalius.records import Cell
from vesalius.report import samples
from vesalius.report.cells import anchor_of
from vesalius.report.page import write_report
from vesalius.report.viewer import find_viewer

pytestmark = pytest.mark.browser

NAMES = Names()
SOFTWARE_3D = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
IDS = "#sample-table tbody th button"
COUNT = "document.getElementById('sample-count').textContent"
FOCUS = "document.activeElement.textContent"
OPEN = "document.getElementById('sample').open"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return build_sample_run(tmp_path_factory.mktemp("samples") / "run")


def without_niivue(run, folder):
    """The report as it is where no copy of NiiVue lies, whatever is installed here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.prefix", str(folder / "prefix"))
        patch.setenv("XDG_DATA_HOME", str(folder / "data"))
        return write_report([run], folder / "r.html")


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    """The report without NiiVue."""
    return without_niivue(run, tmp_path_factory.mktemp("page"))


def anchored(task, protocol, dataset=NAMES.dataset, model=NAMES.models[0]):
    """The fragment that a cell links to its samples with."""
    return f"#samples-{anchor_of(Cell(model, dataset, task, protocol))}"


def listed(chromium, page, task, protocol, dataset=NAMES.dataset, **how):
    """The page with a block open and all its models shown."""
    tab = chromium.open(page, fragment=anchored(task, protocol, dataset), **how)
    tab.call("waitForSelector", IDS)
    tab.choose("#pick-model", "")
    return tab


def until(tab, condition):
    """Wait for a condition of the page; the policy lets no text be run in other ways."""
    tab.evaluate(
        "new Promise((done, fail) => { const end = Date.now() + 20000; const step = () => {"
        f" if ({condition}) done(1); else if (Date.now() > end) fail(new Error('too late'));"
        " else setTimeout(step, 20); }; step(); })"
    )


def open_row(tab, row=0):
    """Open the details of a row."""
    tab.evaluate(f"document.querySelectorAll({json.dumps(IDS)})[{row}].click()")
    tab.call("waitForSelector", "#sample[open] .sample-facts")


def test_a_cell_leads_to_its_samples(page, chromium):
    """The link of an opened cell shows its block with its model alone; nothing is requested."""
    cell = anchor_of(Cell(NAMES.models[1], NAMES.dataset, "vqa", "free-text"))
    tab = chromium.open(page, fragment=f"#{cell}")
    tab.call("waitForSelector", f"#{cell} .to-samples a")
    tab.click(f"#{cell} .to-samples a")
    tab.call("waitForSelector", IDS)
    picked = [tab.evaluate(f"document.getElementById('pick-{name}').value") for name in
              ("dataset", "task", "protocol", "model")]  # fmt: skip
    assert picked == [NAMES.dataset, "vqa", "free-text", "1"]
    heads = tab.texts("#sample-table thead th")
    assert NAMES.models[1] in heads
    assert NAMES.models[0] not in heads
    assert tab.complaints() == []
    assert tab.requested() == [page.as_uri()]


def test_filters_and_search_keep_the_rows_they_name(page, chromium):
    """Subgroup, part of an id, both; the count is announced."""
    tab = listed(chromium, page, "vqa", "free-text")
    assert tab.texts(IDS) == [NAMES.sample.format(i) for i in range(N)]
    tab.call("selectOption", "#pick-groups select", {"label": "M"})
    assert tab.texts(IDS) == [NAMES.sample.format(i) for i in (1, 3, 5)]
    tab.call("fill", "#pick-id", "0003")
    assert tab.texts(IDS) == ["p0003"]
    assert tab.evaluate(COUNT) == "1 of 6 rows."
    tab.call("fill", "#pick-id", "nobody")
    assert tab.texts(IDS) == []
    assert tab.evaluate("document.getElementById('sample-count').getAttribute('aria-live')") == (
        "polite"
    )


@pytest.mark.parametrize(
    ("preset", "task", "protocol", "expected"),
    [
        ("confident", "vqa", "free-text", [0, 2, 3, 5]),
        ("disagree", "vqa", "free-text", [0, 2, 3, 5]),
        ("none", "grounding", "boxes", [0, 1, 2]),
        ("iou", "grounding", "boxes", [0, 1, 2, 3, 4]),
        ("dice", "segmentation", "zero-shot", [0, 1, 2, 3, 4, 5]),
        ("all", "vqa", "free-text", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_presets_choose_and_sort(page, chromium, preset, task, protocol, expected):
    """The rows that the invented numbers make wrong, apart or bad, the worst first."""
    tab = listed(chromium, page, task, protocol)
    tab.click(f"[data-preset={preset}]")
    assert tab.texts(IDS) == [NAMES.sample.format(i) for i in expected]


def test_a_preset_that_a_block_cannot_serve_goes_to_one_that_can(page, chromium):
    """Worst Dice from a block of questions opens the first block of masks."""
    tab = listed(chromium, page, "vqa", "free-text")
    tab.click("[data-preset=dice]")
    until(tab, "document.getElementById('pick-task').value === 'segmentation'")
    assert tab.evaluate("document.getElementById('pick-dataset').value") == CT


def test_every_column_sorts_both_ways(page, chromium):
    """Each header turns the order round when it is pressed again and says so."""
    tab = listed(chromium, page, "segmentation", "zero-shot")
    n_columns = len(tab.texts("#sample-table thead th"))
    assert n_columns == 7
    for column in range(n_columns):
        press = f"document.querySelectorAll('#sample-table thead button')[{column}].click()"
        cell = f"document.querySelector('#sample-table thead th:nth-child({column + 1})')"
        tab.evaluate(press)
        assert tab.evaluate(f"{cell}.getAttribute('aria-sort')") == "ascending"
        up = tab.texts(IDS)
        tab.evaluate(press)
        assert tab.evaluate(f"{cell}.getAttribute('aria-sort')") == "descending"
        assert sorted(tab.texts(IDS)) == sorted(up)
    tab.evaluate("document.querySelectorAll('#sample-table thead button')[2].click()")
    assert tab.texts(IDS) == [f"p{i:04d}" for i in range(N)]
    tab.evaluate("document.querySelectorAll('#sample-table thead button')[2].click()")
    assert tab.texts(IDS) == [f"p{i:04d}" for i in reversed(range(N))]


def test_the_keyboard_alone_opens_moves_and_closes(page, chromium):
    """Arrows move the focus, Enter opens, arrows go on, Escape comes back to the row."""
    tab = listed(chromium, page, "vqa", "free-text")
    tab.call("focus", IDS)
    tab.press("ArrowDown", "ArrowDown")
    assert tab.evaluate(FOCUS) == "p0002"
    tab.press("Enter")
    tab.call("waitForSelector", "#sample[open] .sample-facts")
    assert tab.evaluate(FOCUS) == "p0002 (3 of 6)"
    tab.press("ArrowRight")
    until(tab, f"{FOCUS} === 'p0003 (4 of 6)'")
    tab.press("Escape")
    until(tab, f"{FOCUS} === 'p0003'")
    assert tab.evaluate(OPEN) is False
    tab.press("End")
    assert tab.evaluate(FOCUS) == "p0005"
    assert tab.evaluate("document.querySelectorAll('#sample-table [tabindex=\"0\"]').length") == 1
    assert tab.complaints() == []


def test_details_show_question_answers_and_scores(page, chromium):
    """Question, reference, what each model said with its verdict; classes with thresholds."""
    tab = listed(chromium, page, "vqa", "free-text")
    open_row(tab)
    assert tab.texts(".sample-facts dd")[:2] == ["Is it there? 0", "yes"]
    lines = tab.texts(".sample-main tbody tr")
    assert "no Is it there?" in lines[0]
    assert "wrong" in lines[0]
    assert "right" in lines[1]
    tab.press("Escape")
    tab = listed(chromium, page, "classification", "zero-shot")
    open_row(tab)
    assert tab.evaluate("document.querySelectorAll('#sample .track').length") == 4
    cuts = "Array.from(document.querySelectorAll('#sample .cut'), t => t.style.left)"
    assert tab.evaluate(cuts) == ["50%", "50%"]


def test_found_places_of_a_search_are_listed_with_pictures(page, chromium):
    """Five places for each model, each with its id and the picture of its sample."""
    tab = listed(chromium, page, "retrieval", "embedding")
    open_row(tab)
    assert len(tab.texts("#sample .sample-found li")) == 10
    assert tab.evaluate("document.querySelectorAll('#sample .sample-found svg.thumb').length") == 10


COLOUR = """(() => {
  const canvas = document.querySelector('#sample .stage canvas');
  const at = canvas.getContext('2d').getImageData(%d, %d, 1, 1).data;
  return Array.from(at);
})()"""


def test_outlines_lie_over_the_picture_and_can_be_switched(page, chromium):
    """Answer upper left, reference lower right; off when unchecked; fainter by opacity."""
    tab = listed(chromium, page, "segmentation", "zero-shot")
    open_row(tab, 2)
    pixel = 448 // 64
    beyond = COLOUR % (28 * pixel + 3, 16 * pixel + 3)  # only the second model says that
    red, _, blue, alpha = tab.evaluate(COLOUR % (16 * pixel + 3, 16 * pixel + 3))
    assert red > blue
    assert 0 < alpha < 255
    assert tab.evaluate(beyond)[3] == 0
    tab.click('[data-layer="m1"]')
    assert tab.evaluate(beyond)[3] > 0
    edge = tab.evaluate(COLOUR % (224, 300))
    assert edge[:3] == [0, 229, 255]
    tab.click('[data-layer="reference"]')
    assert tab.evaluate(COLOUR % (224, 300))[3] == 0
    tab.evaluate(
        "(() => { const o = document.querySelector('#sample .opacity'); o.value = '0.2';"
        " o.dispatchEvent(new Event('input')); })()"
    )
    assert tab.evaluate("document.querySelector('#sample .stage canvas').style.opacity") == "0.2"


def test_boxes_lie_over_the_picture(page, chromium):
    """The reference is whole on the right half, the answer broken on the left one."""
    tab = listed(chromium, page, "grounding", "boxes")
    open_row(tab)
    assert tab.evaluate(COLOUR % (446, 224))[:3] == [0, 229, 255]
    column = [tab.evaluate(COLOUR % (0, y))[3] for y in range(120, 330, 7)]
    assert 0 in column
    assert max(column) > 200


PLANE = """(() => {
  const canvas = document.querySelector('[data-plane=%s]');
  const x = Math.floor(canvas.width * %f), y = Math.floor(canvas.height * %f);
  return Array.from(canvas.getContext('2d').getImageData(x, y, 1, 1).data);
})()"""


def test_the_plain_viewer_shows_a_mark_at_its_place_in_every_plane(page, chromium):
    """Right is left, anterior and superior are up; the sentence says why it is the plain one."""
    tab = listed(chromium, page, "segmentation", "zero-shot", CT)
    open_row(tab)
    tab.click("#sample-volume")
    tab.call("waitForSelector", "[data-plane=Axial]")
    assert "vesalius fetch viewer" in tab.texts(".viewer-note")[0]
    for label in ("Cross", "Reference", NAMES.models[0]):
        tab.click(f".viewer-controls label:has-text('{label}') input")
    x, y, z = (1 - (mark + 0.5) / n for mark, n in zip(MARK, CT_SIZE, strict=True))
    for plane, across, down in (("Axial", x, y), ("Coronal", x, z), ("Sagittal", y, z)):
        assert tab.evaluate(PLANE % (plane, across, down))[:3] == [255, 255, 255], plane
        assert tab.evaluate(PLANE % (plane, 1 - across, down))[:3] != [255, 255, 255], plane
    assert tab.texts(".plane .letter") == [*"RLAP", *"RLSI", *"APSI"]
    assert tab.texts(".voxel") == [
        f"Voxel {', '.join(map(str, MARK))}: grey 255; inside Reference, mini:clip, pubmedclip."
    ]
    tab.call("focus", ".plane input")
    tab.press("ArrowLeft")
    assert tab.texts(".plane label")[0] == f"Axial slice {MARK[2]} of {CT_SIZE[2]}"
    assert [line for line in tab.complaints() if "getImageData" not in line] == []


def test_niivue_shows_the_same_volume_the_same_way_round(run, tmp_path):
    """It starts under the policy of the page, asks for nothing, and the mark is up and left."""
    if not find_viewer().payload:
        pytest.fail("this test needs NiiVue; `vesalius fetch viewer` gets it")
    page = write_report([run], tmp_path / "r.html")
    with browser(SOFTWARE_3D) as chromium:
        tab = listed(chromium, page, "segmentation", "zero-shot", CT)
        open_row(tab)
        tab.click("#sample-volume")
        tab.call("waitForSelector", ".niivue-frame canvas")
        tab.call("waitForTimeout", 3000)
        tab.evaluate("document.querySelector('.niivue-frame').scrollIntoView({block: 'end'})")
        assert tab.texts(".viewer-note") == [""]
        tab.screenshot(tmp_path / "shot.png")
        rect = tab.evaluate(
            "JSON.parse(JSON.stringify(document.querySelector('.niivue-frame').getBoundingClientRect()))"
        )
        shot = np.array(
            Pillow.open(io.BytesIO((tmp_path / "shot.png").read_bytes())).convert("RGB")
        )
        left, top = int(rect["x"]), int(rect["y"])
        right, bottom = left + int(rect["width"] / 2), top + int(rect["height"])
        axial = shot[(top + bottom) // 2 : bottom, left:right].astype(int)
        grey = (np.ptp(axial, axis=2) < 8) & (abs(axial[..., 0] - 80) < 25)
        marked = np.ptp(axial, axis=2) > 60
        assert grey.sum() > 2000
        assert marked.sum() > 50
        (body_y, body_x), (mark_y, mark_x) = (np.argwhere(m).mean(axis=0) for m in (grey, marked))
        assert mark_x < body_x - 20
        assert mark_y < body_y - 20
        tab.click(".viewer .figure-title button")
        tab.call("waitForSelector", "[data-plane=Axial]")
        assert [line for line in tab.complaints() if "GL Driver Message" not in line] == []
        assert tab.requested() == [page.as_uri()]
        assert "BSD 2-Clause" in page.read_text()


def test_without_webgl_the_plain_viewer_says_so(run, tmp_path):
    """A browser that cannot draw in 3D shows slices and the reason."""
    if not find_viewer().payload:
        pytest.fail("this test needs NiiVue; `vesalius fetch viewer` gets it")
    page = write_report([run], tmp_path / "r.html")
    with browser(("--disable-3d-apis",)) as chromium:
        tab = listed(chromium, page, "segmentation", "zero-shot", CT)
        open_row(tab)
        tab.click("#sample-volume")
        tab.call("waitForSelector", "[data-plane=Axial]")
        assert tab.texts(".viewer-note") == [
            "Plain slices: this browser has no WebGL 2, which NiiVue draws with."
        ]


def test_hostile_texts_stay_texts(tmp_path, chromium):
    """Names, questions and answers full of attacks are shown as they are written and do nothing."""
    names = hostile_names()
    run = build_sample_run(tmp_path / "run", names, question=PAYLOADS[0] + PAYLOADS[1])
    page = without_niivue(run, tmp_path)
    tab = chromium.open(page, fragment=anchored("vqa", "free-text", names.dataset, names.models[0]))
    tab.call("waitForSelector", IDS)
    tab.choose("#pick-model", "")
    open_row(tab)
    assert tab.texts(".sample-facts dd")[0] == " ".join(f"{PAYLOADS[0]}{PAYLOADS[1]} 0".split())
    assert tab.evaluate("document.title") == "Vesalius report"
    assert (
        tab.evaluate(
            "document.querySelectorAll('main iframe, main img, main a[href^=java]').length"
        )
        == 0
    )
    assert tab.complaints() == []


def test_what_is_left_out_is_said_above_the_table(run, tmp_path, chromium, monkeypatch):
    """Ten of 24 rows: the notice stands there, and the count speaks of the listed ones."""
    monkeypatch.setattr(samples, "MOST_ANSWERS", 20)
    page = without_niivue(run, tmp_path)
    tab = listed(chromium, page, "classification", "zero-shot")
    assert tab.texts("#sample-notices li")[0].startswith("10 of 24 rows are listed: the 5 that")
    assert tab.evaluate(COUNT) == "10 of 10 rows."


READY = """(async () => {
  const wait = (test) => new Promise((done) => {
    const step = () => (test() ? done() : setTimeout(step, 30));
    step();
  });
  document.querySelectorAll('main > section:not(#samples)').forEach((other) => other.remove());
  await wait(() => document.querySelector('#sample-table tbody th button'));
  if (%s) return;
  document.querySelector('#sample-table tbody th button').click();
  await wait(() => document.querySelector('#sample[open] .sample-facts'));
  const button = document.getElementById('sample-volume');
  if (button) button.click();
  if (button) await wait(() => document.querySelector('.viewer .plane'));
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("task", "dataset", "stop"),
    [
        ("vqa", NAMES.dataset, "true"),
        ("classification", NAMES.dataset, "false"),
        ("segmentation", CT, "false"),
    ],
    ids=["table", "detail", "viewer"],
)
def test_axe_finds_nothing(page, chromium, scheme, task, dataset, stop):
    """WCAG 2.2 AA of the table, of the details and of the viewer, in both themes."""
    protocol = "free-text" if task == "vqa" else "zero-shot"
    place = anchored(task, protocol, dataset)
    found = chromium.audit(page, scheme=scheme, fragment=place, prepare=READY % stop)
    assert found == []
