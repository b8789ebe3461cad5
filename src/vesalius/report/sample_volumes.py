"""Small volumes of samples in the page, with the reference and the answers on the same grid."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vesalius.report.packing import pack
from vesalius.report.sample_overlays import answer_mask, label_of
from vesalius.report.sample_rows import Row, Sheet
from vesalius.store.pictures import Frame
from vesalius.store.volumes import middle_of_blocks, read_volume, steps, volume_path
from vesalius.store.volumes import volume_labels_path as labels_path

MOST_VOLUMES = 48  # of a page
MOST_BYTES = 16_000_000  # of their text in the page


@dataclass(slots=True)
class EmbeddedVolume:
    """A volume as base64 of a NIfTI; `labels` is empty without a reference.

    Attributes:
        masks: number of a block → the packed masks of its rows.
    """

    image: str
    labels: str
    masks: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Volumes:
    """Volumes embedded once each; refuses what is too much and counts it.

    Attributes:
        embedded: in the order of their numbers.
        refused: how many were left out for number or size.
        absent: where volumes would lie that the run has not kept.
    """

    enabled: bool = True
    embedded: list[EmbeddedVolume] = field(default_factory=list)
    refused: int = 0
    absent: set[Path] = field(default_factory=set)
    _numbers: dict[Path, int] = field(default_factory=dict)

    @property
    def notice(self) -> str:
        """What was left out, empty if nothing was."""
        parts = []
        if self.refused:
            parts.append(
                f"{_counted(self.refused)} left out of the page: at most {MOST_VOLUMES} volumes "
                f"and {MOST_BYTES // 1_000_000} MB are embedded, the first ones of the tables"
            )
        if self.absent:
            parts.append(
                f"{_counted(len(self.absent))} not kept in the run, which has the first ones of "
                "each data set"
            )
        return ". ".join(parts)

    def look_for(self, rows: Sequence[Row], frames: Sequence[Frame | None], /) -> None:
        """Count the volumes that have a picture of a slice and are not in the run."""
        for row, frame in zip(rows, frames, strict=True):
            path = volume_path(row.origin.run.path, row.origin.cell.dataset, row.asked.id)
            if frame is not None and frame.index is not None and not path.is_file():
                self.absent.add(path)

    def numbers(self, rows: Sequence[Row], /) -> np.ndarray:
        """For each row one more than the number of its sample's volume, 0 without one."""
        return np.array([self._number(row) for row in rows], dtype=np.int64)

    def _number(self, row: Row) -> int:
        path = volume_path(row.origin.run.path, row.origin.cell.dataset, row.asked.id)
        if path not in self._numbers:
            self._numbers[path] = self._embed(path, row) if self.enabled else 0
        return self._numbers[path]

    def _embed(self, path: Path, row: Row) -> int:
        if read_volume(path) is None:
            return 0
        beside = labels_path(row.origin.run.path, row.origin.cell.dataset, row.asked.id)
        labels = "" if read_volume(beside) is None else _text(beside)
        made = EmbeddedVolume(_text(path), labels)
        size = sum(len(one.image) + len(one.labels) for one in (*self.embedded, made))
        if len(self.embedded) >= MOST_VOLUMES or size > MOST_BYTES:
            self.refused += 1
            return 0
        self.embedded.append(made)
        return len(self.embedded)

    def add_masks(self, block: int, sheet: Sheet, numbers: np.ndarray, /) -> None:
        """Keep the masks of a segmentation block for the volumes that are embedded.

        Args:
            block: its number in the page.
            sheet: its rows.
            numbers: of the volumes of its rows, as `numbers` gave them.
        """
        for number in np.unique(numbers[numbers > 0]).tolist():
            rows = np.flatnonzero(numbers == number).tolist()
            labels = {str(row): label_of(sheet.rows[row]) for row in rows}
            columns = {
                f"{row}:{place}": bits
                for row in rows
                for place, model in enumerate(sheet.answers)
                if (bits := _bits(answer_mask(sheet, model, row))) is not None
            }
            self.embedded[number - 1].masks[block] = pack({"labels": labels}, columns)


def _counted(n: int) -> str:
    return f"{n} volume was" if n == 1 else f"{n} volumes were"


def _bits(mask: np.ndarray | None) -> np.ndarray | None:
    """Bits of a mask on the coarse grid, the first axis running fastest."""
    if mask is None or mask.ndim != 3:
        return None
    small = middle_of_blocks(mask, steps(mask.shape)) > 0
    return np.packbits(small.ravel(order="F"), bitorder="little")


def _text(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
