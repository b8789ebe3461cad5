"""The page for everybody: axe-core finds nothing, the keyboard reaches all, paper and no script."""

import re

import pytest
from compared import comparisons_of
from demo_run import Names
from payloads import hostile_names

from vesalius.report.page import write_report

pytestmark = pytest.mark.browser

EVERYTHING = (
    "document.getElementById('open-all').click();"
    "document.querySelectorAll('details').forEach(d => { d.open = true; });"
    "document.getElementsByName('above')[0].click()"
)
FOCUSED = (
    "(() => { const e = document.activeElement, s = getComputedStyle(e);"
    " return [e === document.body, e.id || e.name || e.textContent.trim().slice(0, 30),"
    " s.outlineStyle === 'solid' && parseFloat(s.outlineWidth) >= 2]; })()"
)


@pytest.fixture(scope="module")
def pages(run_folder, hostile_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("access")
    runs = {"plain": (run_folder, Names()), "hostile": (hostile_run, hostile_names())}
    return {
        name: write_report([run], folder / f"{name}.html", comparisons=comparisons_of(names))
        for name, (run, names) in runs.items()
    }


@pytest.mark.parametrize("name", ["plain", "hostile"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(pages, chromium, name, scheme):
    """WCAG 2.2 A and AA in both themes, with every cell open and a view other than the first."""
    assert chromium.audit(pages[name], scheme=scheme) == []
    assert chromium.audit(pages[name], scheme=scheme, prepare=EVERYTHING, width=1000) == []


def test_axe_finds_no_violation_on_a_narrow_screen(pages, chromium):
    """What folds for a telephone stays operable."""
    assert chromium.audit(pages["plain"], width=380, prepare=EVERYTHING) == []


def test_axe_is_heard(pages, chromium):
    """A violation that is put into the page is reported: the audit can fail."""
    broken = "document.querySelector('#view select').closest('label').replaceWith("
    broken += "document.querySelector('#view select'))"
    assert [found["id"] for found in chromium.audit(pages["plain"], prepare=broken)] == [
        "select-name"
    ]


def test_hostile_texts_stay_texts_whatever_is_opened(pages, chromium):
    """Cells that are made when opened, and places filled by the script, run nothing."""
    tab = chromium.open(pages["hostile"])
    tab.evaluate(EVERYTHING)
    for name in ("subgroup", "metric0", "metric1"):
        for value in ("0", "3", ""):
            tab.evaluate(
                f"document.getElementsByName('{name}')[0].value = '{value}';"
                "document.getElementById('view').dispatchEvent(new Event('change'))"
            )
    tab.click(".matrix .sort")
    assert tab.evaluate("document.title") == "Vesalius report"
    assert tab.evaluate("document.querySelectorAll('iframe, [onerror], [onload]').length") == 0
    assert tab.evaluate("document.querySelectorAll('details.cell noscript').length") == 0
    assert "\u202e" not in tab.evaluate("document.body.innerText")
    assert tab.complaints() == []
    assert tab.requested() == [pages["hostile"].as_uri()]
    tab.close()


def test_the_keyboard_walks_through_the_whole_page(pages, chromium):
    """The skip link comes first, every stop can be seen, nothing holds the focus."""
    tab = chromium.open(pages["plain"])
    tab.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.press("Enter", "Tab")
    assert tab.evaluate("document.activeElement.closest('main') !== null")
    tab.close()
    tab = chromium.open(pages["plain"])
    seen = []
    for _ in range(220):
        tab.press("Tab")
        is_out, name, is_visible = tab.evaluate(FOCUSED)
        if is_out:
            break
        assert is_visible, name
        seen.append(name)
    else:
        pytest.fail(f"the focus never left the page; last {seen[-5:]}")
    assert {"theme", "task", "defined", "knn", "open-all", "save-csv"} <= set(seen)
    tab.press("Shift+Tab", "Shift+Tab")
    assert not tab.evaluate(FOCUSED)[0]
    tab.close()


def test_the_theme_is_turned_and_stays_in_memory(pages, chromium):
    """The button says its state, the colours change, and nothing is stored."""
    tab = chromium.open(pages["plain"], scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    pressed = "document.getElementById('theme').getAttribute('aria-pressed')"
    dark = tab.evaluate(ground)
    assert tab.evaluate(pressed) == "true"
    tab.click("#theme")
    assert tab.evaluate(ground) != dark
    assert tab.evaluate(pressed) == "false"
    tab.call("emulateMedia", {"colorScheme": "light"})
    tab.click("#theme")
    assert tab.evaluate(ground) == dark
    tab.call("reload")
    assert tab.evaluate(ground) != dark
    tab.close()


def test_without_script_everything_is_there(pages, chromium):
    """Matrix, rankings and bodies of cells are plain markup; what needs the script hides."""
    tab = chromium.open(pages["plain"], javascript=False)
    html = tab.call("content")
    assert tab.call("isVisible", "#view") is False
    assert tab.call("isVisible", ".matrix .place .value") is True
    assert tab.call("isVisible", ".forest .strip") is True
    tab.click("details.cell summary")
    assert tab.call("isVisible", "details.cell .metrics") is True
    assert html.count('class="place') == 9
    tab.close()


def test_on_paper_the_matrix_has_a_landscape_page(pages, chromium, tmp_path):
    """The print is not empty: upright pages, and one page on its side."""
    tab = chromium.open(pages["plain"])
    printed = tab.pdf(tmp_path / "r.pdf")
    assert printed.startswith(b"%PDF")
    assert len(printed) > 20_000
    boxes = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", printed)
    lying = [box for box in boxes if float(box[0]) > float(box[1])]
    assert len(lying) == 1
    assert len(boxes) > 3
    tab.call("emulateMedia", {"media": "print"})
    assert tab.call("isVisible", "header.bar") is False
    hidden = "Array.from(document.querySelectorAll('.strip *')).filter(e => !e.checkVisibility())"
    assert tab.evaluate(f"{hidden}.length") == 0
    tab.close()


@pytest.mark.parametrize("width", [340, 480, 1280])
@pytest.mark.parametrize("name", ["plain", "hostile"])
def test_nothing_makes_the_window_scroll_sideways(pages, chromium, name, width):
    """Wide tables scroll in their own boxes, long names wrap."""
    tab = chromium.open(pages[name], width=width)
    tab.evaluate(EVERYTHING)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.close()
