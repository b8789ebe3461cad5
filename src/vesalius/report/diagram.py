"""The block diagram of an architecture as inline SVG: boxes by stage and lane, and arrows.

Colours come from the style sheet by class, as in `vesalius.report.figures`; boxes differ by
outline as well as by colour. Every text is escaped and shortened to its box.
"""

from collections.abc import Sequence

from markupsafe import Markup

from vesalius.models.architecture import Architecture, Block
from vesalius.report.exports import visible
from vesalius.report.figures import shorten

WIDTH, GAP, LINE, LANE_GAP = 178.0, 30.0, 15.0, 26.0
_MARGIN, _HEAD = 6.0, 38.0
_LABEL_LENGTH, _LINE_LENGTH = 24, 31


def diagram(architecture: Architecture, /, *, title: str) -> Markup:
    """The blocks of an architecture from input at the left to output at the right.

    Args:
        architecture: its `blocks` and `links`; a link to an unknown block is left out.
        title: read aloud by screen readers.
    """
    blocks = {block.id: block for block in architecture.blocks}
    height = _box_height(architecture.blocks)
    links = [(blocks[a], blocks[b]) for a, b in architecture.links if a in blocks and b in blocks]
    drawn = [_arrow(first, second, height) for first, second in links]
    drawn += [_box(block, height) for block in architecture.blocks]
    across = max((block.stage for block in architecture.blocks), default=0) + 1
    down = max((block.lane for block in architecture.blocks), default=0) + 1
    size = (
        2 * _MARGIN + across * WIDTH + (across - 1) * GAP,
        2 * _MARGIN + down * height + (down - 1) * LANE_GAP,
    )
    head = Markup('<svg class="diagram" viewBox="0 0 {} {}" role="img" aria-label="{}">')
    opened = head.format(f"{size[0]:g}", f"{size[1]:g}", visible(title))
    return opened + Markup().join(drawn) + Markup("</svg>")


def _box_height(blocks: Sequence[Block]) -> float:
    return _HEAD + LINE * max((len(block.lines) for block in blocks), default=0)


def _corner(block: Block, height: float) -> tuple[float, float]:
    left = _MARGIN + block.stage * (WIDTH + GAP)
    return left, _MARGIN + block.lane * (height + LANE_GAP)


def _box(block: Block, height: float) -> Markup:
    left, top = _corner(block, height)
    rounded = 14 if block.kind in {"input", "output"} else 5
    rect = Markup('<rect class="block {}" x="{}" y="{}" width="{}" height="{}" rx="{}"/>')
    parts = [rect.format(block.kind, f"{left:g}", f"{top:g}", f"{WIDTH:g}", f"{height:g}", rounded)]
    text = Markup('<text class="{}" x="{}" y="{}">{}</text>')
    middle = f"{left + WIDTH / 2:g}"
    first = top + (height - LINE * len(block.lines)) / 2 + 4
    label = shorten(visible(block.label), _LABEL_LENGTH)
    parts.append(text.format("label mid", middle, f"{first:g}", label))
    for number, line in enumerate(block.lines, start=1):
        level = f"{first + 2 + LINE * number:g}"
        parts.append(text.format("detail mid", middle, level, shorten(visible(line), _LINE_LENGTH)))
    return Markup().join(parts)


def _arrow(first: Block, second: Block, height: float) -> Markup:
    """From the right of `first` to the left of `second`; up or down within one stage."""
    (x1, y1), (x2, y2) = _corner(first, height), _corner(second, height)
    if first.stage == second.stage:
        return _vertical(x1 + WIDTH / 2, (y1, y2), height)
    start, end = x1 + WIDTH, x2
    level, target = y1 + height / 2, y2 + height / 2
    turn = end - GAP / 2
    points = f"{start:g},{level:g} {turn:g},{level:g} {turn:g},{target:g} {end - 6:g},{target:g}"
    head = f"{end:g},{target:g} {end - 8:g},{target - 4:g} {end - 8:g},{target + 4:g}"
    return _polyline(points, head)


def _vertical(middle: float, tops: tuple[float, float], height: float) -> Markup:
    down = tops[1] > tops[0]
    start = tops[0] + (height if down else 0)
    end = tops[1] + (0 if down else height)
    back = end - 8 if down else end + 8
    points = f"{middle:g},{start:g} {middle:g},{(end + back) / 2:g}"
    head = f"{middle:g},{end:g} {middle - 4:g},{back:g} {middle + 4:g},{back:g}"
    return _polyline(points, head)


def _polyline(points: str, head: str) -> Markup:
    line = Markup('<polyline class="arrow" points="{}"/>').format(points)
    return line + Markup('<polygon class="arrowhead" points="{}"/>').format(head)
