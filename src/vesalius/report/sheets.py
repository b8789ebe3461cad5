"""Pictures of a run in a notebook: some examples side by side, numbered, with their words below.

Pictures and words are outputs of their own: a JPEG is shown by every viewer of notebooks, also by
those that refuse pictures within HTML.
"""

import base64
import importlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image as Pillow
from PIL import ImageDraw, ImageOps

from vesalius.markup import MINIATURE_NOTE, named, table
from vesalius.report.examples import Examples, Place, examples_of
from vesalius.report.gallery import Gallery, Pictures, galleries
from vesalius.report.overlays import jpeg
from vesalius.report.tables import Entry, interval_text, text_of
from vesalius.store.runs import Run, read_predictions

HEIGHT = 168  # pixels of a tile
PER_ROW = 6
PAIRS = 3  # of two pictures each, in a row
N_QUERIES = 3
_RIGHT = (0, 229, 255)
_FRAME = 5


@dataclass(frozen=True, slots=True)
class Sheet:
    """Pictures in rows as one JPEG, and a table that says what they show."""

    picture: bytes = field(repr=False)
    words: str

    def _repr_html_(self) -> str:
        """The words; the picture is an output of its own."""
        return self.words

    def _ipython_display_(self) -> None:
        """Show both in a notebook."""
        display: Any = importlib.import_module("IPython.display")
        display.display(display.Image(data=self.picture, format="jpeg"))
        display.display(display.HTML(self.words))


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture; `number` is written into it unless 0, `is_right` frames it."""

    content: bytes | None
    number: int = 0
    is_right: bool = False


def composed(rows: Iterable[Sequence[Tile]], /) -> bytes:
    """Rows of pictures of one height, as one JPEG; a missing picture is a black square."""
    lines = [np.concatenate([_drawn(tile) for tile in row], axis=1) for row in rows]
    width = max((line.shape[1] for line in lines), default=1)
    padded = [np.pad(line, ((0, 2), (0, width - line.shape[1]), (0, 0))) for line in lines]
    return jpeg(np.concatenate(padded, axis=0) if padded else np.zeros((1, 1, 3), np.uint8))


def _drawn(tile: Tile) -> np.ndarray:
    if tile.content is None:
        return np.zeros((HEIGHT, HEIGHT + 2, 3), dtype=np.uint8)
    with Pillow.open(io.BytesIO(tile.content)) as stored:
        width = max(1, round(HEIGHT * stored.width / stored.height))
        picture = stored.convert("RGB").resize((width, HEIGHT), Pillow.Resampling.BICUBIC)
    if tile.is_right:
        inner = picture.resize((width - 2 * _FRAME, HEIGHT - 2 * _FRAME))
        picture = ImageOps.expand(inner, _FRAME, fill=_RIGHT)
    if tile.number:
        pen = ImageDraw.Draw(picture)
        pen.text((6, 4), str(tile.number), fill="white", stroke_width=2, stroke_fill="black")
    return np.pad(np.array(picture), ((0, 0), (0, 2), (0, 0)))


def in_rows(tiles: Sequence[Tile], /, *, per_row: int = PER_ROW) -> Iterator[Sequence[Tile]]:
    """Tiles in lines of at most `per_row`."""
    for first in range(0, len(tiles), per_row):
        yield tiles[first : first + per_row]


def example_sheet(run: Run, entry: Entry, /, *, captions: Mapping[str, str]) -> Sheet | None:
    """Examples of a finished cell; None where there is nothing to look at.

    Args:
        run: where its predictions and small pictures lie.
        entry: of the cell.
        captions: sample id → what is written about it, for retrieval.
    """
    cell, pictures = entry.cell, Pictures()
    predictions = read_predictions(run.path, cell)
    if cell.task == "retrieval":
        found = galleries(predictions, pictures=pictures, run=run.path, dataset=cell.dataset)
        shown = [gallery for gallery in found if not gallery.finds_text]
        return _searches(run, entry, shown[0], pictures, captions) if shown else None
    place = Place(run.path, cell.dataset, run.info["datasets"][cell.dataset])
    examples = examples_of(cell.task, predictions, place, pictures=pictures)
    return None if examples is None else _examples(run, entry, examples, pictures)


def _examples(run: Run, entry: Entry, examples: Examples, pictures: Pictures) -> Sheet:
    names = list(dict.fromkeys(one.picture for one in examples.shown))
    tiles = [Tile(_content(pictures, name), number) for number, name in enumerate(names, start=1)]
    heads = tuple(name for name, _ in examples.shown[0].facts)
    judged = any(one.verdict is not None for one in examples.shown)
    rows = [
        (
            str(1 + names.index(one.picture)),
            *(text for _, text in one.facts),
            *[_word(one.verdict)] * judged,
        )
        for one in examples.shown
    ]
    columns = ("", *heads, *["right"] * judged)
    return Sheet(
        composed(in_rows(tiles, per_row=PAIRS if entry.cell.task == "generation" else PER_ROW)),
        str(table(columns, rows, title=_title(run, entry), notes=_notes(run, entry, examples))),
    )


def _word(verdict: bool | None) -> str:
    return {True: "yes", False: "no", None: ""}[verdict]


def _searches(
    run: Run, entry: Entry, gallery: Gallery, pictures: Pictures, captions: Mapping[str, str]
) -> Sheet:
    step = max(1, len(gallery.queries) // N_QUERIES)
    queries = gallery.queries[::step][:N_QUERIES]
    lines: list[list[Tile]] = []
    for number, query in enumerate(queries, start=1):
        asked = [] if gallery.asks_with_text else [Tile(_content(pictures, query.picture), number)]
        found = [Tile(_content(pictures, hit.picture), 0, hit.correct) for hit in query.hits]
        if not asked and found:
            found[0] = Tile(found[0].content, number, found[0].is_right)
        lines.append([*asked, *found])
    rows = [
        (str(number), captions.get(query.id, query.id), f"{query.rank_first:.0f}")
        for number, query in enumerate(queries, start=1)
    ]
    what = "text" if gallery.asks_with_text else "picture on the left"
    note = f"{gallery.title}: one row a query ({what}), best hit first; what is right has a frame."
    columns = ("", "query", "place of the first right one")
    words = table(columns, rows, title=_title(run, entry), notes=[note, *_badge_note(run, entry)])
    return Sheet(composed(lines), str(words))


def _content(pictures: Pictures, name: str | None) -> bytes | None:
    return None if name is None else base64.b64decode(pictures.embedded[name].partition(",")[2])


def _title(run: Run, entry: Entry) -> Markup:
    cell = entry.cell
    model = named(cell.model, miniature=run.info["models"][cell.model]["miniature"])
    title = Markup("{} · {} · {}").format(cell.task, cell.protocol, model)
    if entry.headline is None:
        return title
    one = entry.headline.estimate
    number = f"{one.metric} {text_of(one.value)} {interval_text(one)}"
    return Markup("{} · {}").format(title, number)


def _notes(run: Run, entry: Entry, examples: Examples) -> list[str]:
    return [examples.caption, *_badge_note(run, entry)]


def _badge_note(run: Run, entry: Entry) -> list[str]:
    return [MINIATURE_NOTE] * bool(run.info["models"][entry.cell.model]["miniature"])
