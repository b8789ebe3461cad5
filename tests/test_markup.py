"""HTML of records: every text is text, and pages of either theme can show it."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from vesalius.markup import MINIATURE, amount, lines, named, range_of, shown, table
from vesalius.records import DatasetCard, Estimate

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\x1b[31m"
TAGS = {"table", "thead", "tbody", "tr", "th", "td", "p", "strong", "small", "br", "b", "sup"}


def tags(html):
    """Names of all elements."""
    return set(re.findall(r"<\s*/?\s*([a-zA-Z][\w-]*)", html))


def test_a_table_is_what_it_says():
    """Heads, cells, title and notes stand in their order, numbers on the right."""
    html = table(("model", "n"), [("a", "1")], title="T", notes=["N"], numeric=("n",))
    assert re.findall(r">([^<>\n]+)<", html) == ["T", "model", "n", "a", "1", "N"]
    assert html.count("text-align:right") == 2


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_no_text_becomes_markup(text):
    """Whatever a name is, a table has the elements that it has with a harmless one."""
    html = table((text, "n"), [(text, lines([text, text]))], title=text, notes=[text])
    assert tags(html) <= TAGS
    assert tags(html) == tags(table(("a", "n"), [("a", lines("ab"))], title="a", notes=["a"])) or (
        not text  # without a title there is no paragraph for it
    )


@pytest.mark.parametrize(
    "record",
    [
        Estimate(HOSTILE, 0.5, 0.4, 0.6, n=3, n_patients=3),
        Estimate("f1", math.nan, reason=HOSTILE),
        DatasetCard(HOSTILE, classes={HOSTILE: ()}, license=HOSTILE, notes=(HOSTILE,)),
    ],
)
def test_records_escape_names(record):
    """No name, reason or note of a record runs, loads or turns text around."""
    html = record._repr_html_()
    assert tags(html) <= TAGS
    assert "&lt;script&gt;" in html
    assert not re.search("[\x1b\u202e]", html)
    assert "background" not in html


def test_an_estimate_shows_its_interval_or_why_not():
    """Value, interval and patients; never a zero for what is undefined."""
    whole = Estimate("auroc", 0.5, 0.25, 0.75, n=8, n_patients=4)
    assert whole._repr_html_() == "auroc: 0.500 [0.250, 0.750], 4 patients"
    assert Estimate("auroc", 0.5, n=8)._repr_html_() == "auroc: 0.500, n = 8"
    gap = Estimate("auroc", math.nan, reason="one class only")
    assert gap._repr_html_() == "auroc: n/a, one class only"


def test_miniatures_have_a_badge():
    """By their name, or as the caller knows; a genuine model has none."""
    assert MINIATURE in named("mini:clip")
    assert MINIATURE in named("folder", miniature=True)
    assert named("clip") == "clip"
    assert named("mini:clip", miniature=False) == "mini:clip"


def test_numbers_as_text():
    """Units of a thousand, and no interval without both ends."""
    assert [amount(n) for n in (12, 1_177_600, 3_942_446_592)] == ["12", "1.18 M", "3.94 G"]
    assert range_of(math.nan, 1.0) == range_of(0.0, math.nan) == ""
    assert shown(Markup("<b>x</b>")) == "<b>x</b>"
