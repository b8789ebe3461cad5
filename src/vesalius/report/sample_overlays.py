"""Outlines and boxes to be drawn over the one picture of a sample: bits and numbers, no pictures.

A mask is kept on a grid of at most `EDGE` by `EDGE`, one bit a pixel, rows from the top; a box as
thousandths of the picture's sides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vesalius.report.examples import kept_array
from vesalius.report.overlays import fitted
from vesalius.report.packing import pack, shares
from vesalius.report.sample_rows import Row, Sheet, chosen_rows
from vesalius.store.pictures import EDGE, Frame, labels_path, picture_path, read_frame, read_labels

MOST_MASKS = 4000  # of a page

Boxes = Sequence[tuple[float, ...]]


def frames_of(rows: Sequence[Row], /) -> list[Frame | None]:
    """What the picture of each row shows; None without a picture that says so."""
    known: dict[tuple[str, str, str], Frame | None] = {}
    found = []
    for row in rows:
        run, dataset = row.origin.run.path, row.origin.cell.dataset
        place = (str(run), dataset, row.asked.id)
        if place not in known:
            path = picture_path(run, dataset, row.asked.id)
            known[place] = read_frame(path) if path.is_file() else None
        found.append(known[place])
    return found


def rectangles(
    name: str, boxes: Sequence[Boxes], frames: Sequence[Frame | None], /
) -> dict[str, np.ndarray]:
    """Columns of boxes: how many each row has, and their sides one after the other.

    A box that misses the slice shown, or is of a sample without a picture, is left out.
    """
    counts, sides = [], []
    for found, frame in zip(boxes, frames, strict=True):
        drawn = [frame.rectangle(box) for box in found] if frame is not None else []
        there = [one for one in drawn if one is not None][:255]
        counts.append(len(there))
        sides += [side for one in there for side in one]
    return {f"{name}:n": np.array(counts), name: shares(np.array(sides, dtype=np.float64))}


@dataclass(frozen=True, slots=True)
class Masks:
    """Packed masks of a block; `notice` says what was left out, if anything."""

    payload: str
    notice: str = ""


def masks_of(sheet: Sheet, good: np.ndarray, /, *, most: int) -> Masks:
    """Reference and answers of the rows that have a picture.

    Args:
        sheet: rows of a segmentation block.
        good: how good the answers of each row are, which decides who stays.
        most: how many masks may be kept.
    """
    frames = frames_of(sheet.rows)
    able = np.array([row for row, frame in enumerate(frames) if frame is not None], dtype=np.int64)
    if not len(able):
        return Masks("")
    picked = able[chosen_rows(good[able], max(2, most // (len(sheet.answers) + 1)))]
    shelf = _Shelf()
    names = ("reference", *(f"m{n}" for n in range(len(sheet.answers))))
    columns = {name: np.zeros(len(sheet.rows), dtype=np.int64) for name in names}
    for row in map(int, picked):
        frame = frames[row]
        assert frame is not None
        shape = mask_shape(frame)
        columns["reference"][row] = shelf.place(_reference(sheet.rows[row], shape))
        for number, mask in enumerate(_answers(sheet, row)):
            flat = None if mask is None else fitted(frame.plane(mask) > 0, shape) > 0
            columns[f"m{number}"][row] = shelf.place(flat)
    columns["bits"] = np.frombuffer(bytes(shelf.bits), dtype=np.uint8)
    notice = ""
    if len(picked) < len(able):
        notice = (
            f"{len(picked):,} of {len(able):,} rows with a picture have outlines to draw: half of "
            "them the worst, the others evenly spaced"
        )
    return Masks(pack({}, columns), notice)


def mask_shape(frame: Frame, /) -> tuple[int, int]:
    """Rows and columns of a mask over a picture, the longer side at most `EDGE`."""
    rows, columns = frame.shown
    scale = min(1.0, EDGE / max(rows, columns))
    return max(1, round(rows * scale)), max(1, round(columns * scale))


class _Shelf:
    """Bits of masks one after the other; a place is one more than the first byte, 0 for none."""

    def __init__(self) -> None:
        self.bits = bytearray()

    def place(self, mask: np.ndarray | None, /) -> int:
        if mask is None:
            return 0
        first = len(self.bits)
        self.bits += np.packbits(mask.ravel(), bitorder="little").tobytes()
        return first + 1


def _reference(row: Row, shape: tuple[int, int]) -> np.ndarray | None:
    run, dataset = row.origin.run.path, row.origin.cell.dataset
    label = label_of(row)
    truth = read_labels(labels_path(run, dataset, row.asked.id))
    return None if truth is None or label is None else fitted(truth == label, shape) > 0


def label_of(row: Row, /) -> int | None:
    """Number of the row's structure in the label map."""
    card: Mapping[str, Mapping[str, int]] = row.origin.run.info["datasets"][row.origin.cell.dataset]
    return card.get("structures", {}).get(row.asked.asked)


def _answers(sheet: Sheet, row: int) -> list[np.ndarray | None]:
    """The kept mask of every model, None where there is none."""
    return [answer_mask(sheet, model, row) for model in sheet.answers]


def answer_mask(sheet: Sheet, model: str, row: int, /) -> np.ndarray | None:
    """The mask a model answered in a row, over the whole image; None where none was kept."""
    place = sheet.places[model][row]
    if place < 0:
        return None
    answered = sheet.answers[model]
    return kept_array(answered.run, answered.maps[place])
