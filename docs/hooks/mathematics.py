"""Formulas become MathML while the site is built, which browsers draw without any script.

Arithmatex finds ``$…$`` and ``$$…$$`` in the Markdown and marks them; here the TeX in those marks
is converted. A command that the converter does not know ends the build instead of standing in
the page as it is.
"""

import html
import re

from latex2mathml import exceptions
from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError

_MARKED = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)
_REFUSED = tuple(
    kind
    for kind in vars(exceptions).values()
    if isinstance(kind, type) and issubclass(kind, Exception)
)
# what the converter writes for commands it does not know
_LEFT_OVER = re.compile(r"<m[io][^>]*>(?P<what>\\[a-zA-Z]+|&)</m[io]>|<mo ?/>")
# common TeX that it does not know, in words that it knows
_SAME = (
    (re.compile(r"\{aligned\}"), "{align*}"),
    (re.compile(r"\\arg\s*\\(max|min)(?![a-zA-Z])"), r"\\arg\1"),
    (re.compile(r"\\operatorname\*?\{arg(?:\\[,;]|\s)*(max|min)\}"), r"\\arg\1"),
    (re.compile(r"\\operatorname\*"), r"\\operatorname"),
)
# browsers follow no mathvariant but "normal": bold and double-struck signs are characters
_VARIANT = re.compile(r'<(m[in]) mathvariant="([a-z-]+)">(?:([A-Za-z0-9])|&#x([0-9A-F]+);)</\1>')
_FIRST = {
    "bold": {"A": 0x1D400, "a": 0x1D41A, "0": 0x1D7CE, "α": 0x1D6C2},
    "bold-italic": {"A": 0x1D468, "a": 0x1D482, "0": 0x1D7CE, "α": 0x1D736},
    "double-struck": {"A": 0x1D538, "a": 0x1D552, "0": 0x1D7D8},
}
# without them "log p" has no gap and "Dice(A)" has a wide one
_FUNCTION = re.compile(r"<mi>(log|ln|exp|cos|sin|tan|det|dim|tr)</mi>")
_BAR = re.compile(r"<mo>(&#x0007C;|&#x02016;)</mo>")  # around a size or a norm
_COLON = re.compile(r"<m[io]>(:|&#x0003A;)</m[io]>")  # "such that"
_WORD = re.compile(r"<mo>([A-Za-z][A-Za-z0-9 @-]+)</mo>")


def on_page_content(content: str, /, *, page, **_kept):
    """Replace the marked formulas of a page."""
    return _MARKED.sub(lambda found: _drawn(found, page.file.src_uri), content)


def _drawn(found, where):
    tex = html.unescape(found["tex"]).strip()
    display = "block" if found["tag"] == "div" else "inline"
    try:
        drawn = mathml(tex, display=display)
    except ValueError as error:
        raise PluginError(f"{where}: {error}") from error
    return f'<div class="formula">{drawn}</div>' if display == "block" else drawn


def mathml(tex: str, /, *, display: str = "inline") -> str:
    r"""A formula of TeX as one ``<math>`` element.

    Raises:
        ValueError: if the formula does not parse, or names a command that is not known.

    >>> "<mfrac>" in mathml(r"\frac{1}{2}")
    True
    """
    known = tex
    for pattern, replacement in _SAME:
        known = pattern.sub(replacement, known)
    try:
        drawn = convert(known, display=display)
    except _REFUSED as error:
        raise ValueError(f"formula {tex!r} does not parse: {type(error).__name__}") from error
    if left := _LEFT_OVER.search(drawn):
        raise ValueError(f"formula {tex!r}: {left['what'] or 'a command'} is not known")
    drawn = _VARIANT.sub(_character, drawn)
    drawn = _FUNCTION.sub(r'<mo lspace="0.17em" rspace="0.17em">\1</mo>', drawn)
    drawn = _BAR.sub(r'<mo lspace="0" rspace="0" stretchy="false">\1</mo>', drawn)
    drawn = _COLON.sub(r'<mo lspace="0.28em" rspace="0.28em">\1</mo>', drawn)
    drawn = _WORD.sub(r'<mo lspace="0.17em" rspace="0">\1</mo>', drawn)
    return drawn.replace("<math ", f'<math alttext="{html.escape(tex)}" ', 1)


def _character(found):
    letter = found[3] or chr(int(found[4], 16))
    for first, start in _FIRST.get(found[2], {}).items():
        if 0 <= ord(letter) - ord(first) < (10 if first == "0" else 26):
            return f"<{found[1]}>&#x{start + ord(letter) - ord(first):X};</{found[1]}>"
    return found[0]
