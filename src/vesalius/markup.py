"""Numbers and names as text, and small tables as HTML: what records show of themselves.

Names come from users and checkpoints, so every text that is not `Markup` is escaped. The HTML has
no script, loads nothing, and takes its colours from the page around it, dark or light.
"""

import math
import unicodedata
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

_BADGE = "border:1px solid currentColor;border-radius:3px;padding:0 0.3em;white-space:nowrap"
_CELL = "text-align:left;vertical-align:top"
_NUMBER = "text-align:right;vertical-align:top;white-space:nowrap"
MINIATURE = Markup('<small style="{}">miniature</small>').format(_BADGE)
MINIATURE_NOTE = "miniature: shows that the path works, and says nothing about the genuine model"
_MINI = "mini:"


def visible(text: str, /) -> str:
    r"""`text` on one line, with control and direction-changing characters shown as ``�``.

    Such characters can rewrite a terminal or make a reader see another name than is there.
    Joiners and other harmless format characters are kept.

    >>> visible("a\x1b[31mb")
    'a�[31mb'
    """
    return "".join(_visible_character(c) for c in text)


def _visible_character(character: str) -> str:
    if character in "\n\r\t\u2028\u2029":
        return " "
    hidden = unicodedata.category(character) in ("Cc", "Cs")
    turns = unicodedata.bidirectional(character) in (
        "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI",
    )  # fmt: skip
    return "�" if hidden or turns else character


def text_of(value: float, /) -> str:
    """A value for reading: three decimals, four significant digits from 10 on, ``n/a`` for NaN."""
    if math.isnan(value):
        return "n/a"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"


def range_of(low: float, high: float, /) -> str:
    """``[low, high]``, empty when either is undefined.

    >>> range_of(0.25, 0.5)
    '[0.250, 0.500]'
    """
    return "" if math.isnan(low) or math.isnan(high) else f"[{text_of(low)}, {text_of(high)}]"


def amount(value: float, /, *, unit: str = "") -> str:
    """A count in thousands, millions and so on, three significant digits.

    >>> amount(8_817_623_040, unit="FLOPs")
    '8.82 GFLOPs'
    >>> amount(151_277_313)
    '151 M'
    """
    if math.isnan(value):
        return "n/a"
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{three_digits(value / factor)} {prefix}{unit}"
    return f"{three_digits(value)} {unit}".rstrip()


def three_digits(value: float, /) -> str:
    """Three significant digits, without a decimal point from 100 on."""
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.3g}"


def shown(text: object, /) -> Markup:
    """A text as HTML that shows it, on one line; `Markup` stays as it is."""
    return text if isinstance(text, Markup) else escape(visible(str(text)))


def named(name: str, /, *, miniature: bool | None = None) -> Markup:
    """The name of a model, with a badge if it is a miniature; by default its name says so."""
    is_mini = name.startswith(_MINI) if miniature is None else miniature
    return Markup("{} {}").format(shown(name), MINIATURE) if is_mini else shown(name)


def lines(parts: Iterable[object], /) -> Markup:
    """Texts below each other."""
    return Markup("<br>").join(shown(part) for part in parts)


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    /,
    *,
    title: object = "",
    notes: Sequence[object] = (),
    numeric: Sequence[str] = (),
) -> Markup:
    """A table with a title above and notes below it; texts are escaped, `Markup` is not.

    Args:
        columns: heads.
        rows: one text per column each.
        title: empty for none.
        notes: one paragraph each.
        numeric: the columns that stand on the right and keep on one line.
    """
    styles = [_NUMBER if column in numeric else _CELL for column in columns]
    head = _row("th", styles, columns)
    body = Markup("\n").join(_row("td", styles, row) for row in rows)
    parts = [Markup("<table>\n<thead>{}</thead>\n<tbody>\n{}\n</tbody></table>").format(head, body)]
    if title:
        parts.insert(0, Markup("<p><strong>{}</strong></p>").format(shown(title)))
    parts += [Markup("<p><small>{}</small></p>").format(shown(note)) for note in notes]
    return Markup("\n").join(parts)


def _row(tag: str, styles: Sequence[str], cells: Sequence[object]) -> Markup:
    form = Markup('<{0} style="{1}">{2}</{0}>')
    made = (form.format(tag, style, shown(c)) for style, c in zip(styles, cells, strict=True))
    return Markup("<tr>{}</tr>").format(Markup("").join(made))
