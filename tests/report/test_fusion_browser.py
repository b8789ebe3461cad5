"""The page of a fusion study in a real browser: no complaint, sorting by keyboard, no overflow."""

import pytest
from fusion_example import about, study
from payloads import PAYLOADS

from vesalius.report.fusion_page import write_fusion_page

pytestmark = pytest.mark.browser

SCORES = (
    "Array.from(document.querySelectorAll('table.sortable tbody tr'), r => r.cells[3].textContent)"
)
FOCUSED = "document.activeElement.textContent"
SORT = "document.activeElement.parentElement.getAttribute('aria-sort')"


def test_the_table_is_sorted_by_keyboard_alone(tmp_path, chromium):
    """Tab to a header, Enter sorts, Space turns round; n/a stays last; the console is silent."""
    page = write_fusion_page(study(), about(), tmp_path / "fusion.html")
    tab = chromium.open(page)
    before = tab.evaluate(SCORES)
    for _ in range(60):
        tab.press("Tab")
        if tab.evaluate(FOCUSED) == "Score":
            break
    assert tab.evaluate("document.activeElement.tagName") == "BUTTON"
    tab.press("Enter")
    rising = tab.evaluate(SCORES)
    assert rising == [*sorted(before[:-1]), "n/a"] != before
    assert tab.evaluate(SORT) == "ascending"
    assert tab.evaluate("document.getElementById('sorted').textContent") == (
        "Sorted by Score, ascending."
    )
    tab.press("Space")
    assert tab.evaluate(SCORES) == [*sorted(before[:-1], reverse=True), "n/a"]
    assert tab.evaluate(SORT) == "descending"
    assert tab.complaints() == []
    assert tab.requested() == [page.as_uri()]


@pytest.mark.parametrize("width", [480, 1280])
def test_nothing_sticks_out_of_the_window_or_its_drawing(width, tmp_path, chromium):
    """Long names wrap or are shortened: no sideways scrolling, no text beyond its picture."""
    name = "hub:some-organisation/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224:image[window=lung]"
    page = write_fusion_page(study(image=name), about(image=name), tmp_path / "fusion.html")
    tab = chromium.open(page, width=width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    outside = tab.evaluate(
        "Array.from(document.querySelectorAll('svg.chart text')).filter(t => {"
        " const a = t.getBoundingClientRect(), b = t.ownerSVGElement.getBoundingClientRect();"
        " return a.left < b.left - 1 || a.right > b.right + 1 || a.bottom > b.bottom + 1;"
        "}).map(t => t.textContent)"
    )
    assert outside == []
    clash = tab.evaluate(
        "Array.from(document.querySelectorAll('svg.chart g')).filter(g => {"
        " const a = g.querySelector('.name'), b = g.querySelector('.words');"
        " return a.getBoundingClientRect().right > b.getBoundingClientRect().left;"
        "}).map(g => g.textContent)"
    )
    assert clash == []
    assert tab.complaints() == []


def test_payloads_stay_text(tmp_path, chromium):
    """The title is untouched, whatever an input is called."""
    name = " ".join(PAYLOADS)
    page = write_fusion_page(
        study(image=name), about(image=name, dataset=name), tmp_path / "fusion.html"
    )
    tab = chromium.open(page)
    assert tab.evaluate("document.title") == "Vesalius fusion study"
    assert tab.complaints() == []
