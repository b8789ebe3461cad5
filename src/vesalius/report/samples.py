"""The sample browser: every row of the predictions, the answers of all models side by side.

Rows of one dataset, task and protocol make a block. Its numbers are packed; a script of the page
opens a block when it is looked at. What does not fit is left out by rule and counted aloud.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vesalius.errors import RunError
from vesalius.records import Cell, Json
from vesalius.report.cells import anchor_of
from vesalius.report.controls import is_control
from vesalius.report.exports import visible
from vesalius.report.gallery import Pictures
from vesalius.report.packing import Words, pack, shares
from vesalius.report.sample_answers import MEASURES, Answered, answers_of, plain_rows
from vesalius.report.sample_overlays import MOST_MASKS, frames_of, mask_shape, masks_of, rectangles
from vesalius.report.sample_rows import (
    Asked,
    Row,
    Sheet,
    asked_rows,
    chosen_rows,
    column_of,
    goodness,
    sheet_of,
)
from vesalius.report.sample_volumes import Volumes
from vesalius.report.sources import Results
from vesalius.report.tables import task_rank
from vesalius.store.runs import read_predictions

SAMPLE_SCRIPTS = (  # in the order in which they run
    "sample_store.js", "sample_cells.js", "sample_rules.js", "sample_picture.js",
    "viewer_volume.js", "viewer_slices.js", "viewer_niivue.js", "viewer.js",
    "sample_detail.js", "sample_table.js",
)  # fmt: skip
MOST_ANSWERS = 100_000  # rows times models, of one block
MOST_ANSWERS_OF_ALL = 400_000
MOST_PLACES = 5  # of a result list
NO_ROW = 3  # in place of a verdict

Columns = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Block:
    """One dataset, task and protocol as the page holds it.

    Attributes:
        models: with answers, by name.
        anchors: of the models' cells in the page.
        n_rows: how many rows are listed.
        notices: what was left out.
        payload: the packed rows.
        masks: the packed outlines; empty where there are none.
    """

    cell: Cell
    models: tuple[str, ...]
    anchors: tuple[str, ...]
    n_rows: int
    notices: tuple[str, ...]
    payload: str
    masks: str

    @property
    def facts(self) -> dict[str, Json]:
        """What the page's script must know of it before it is opened."""
        return {
            "dataset": visible(self.cell.dataset),
            "task": self.cell.task,
            "protocol": visible(self.cell.protocol),
            "models": [visible(model) for model in self.models],
            "anchors": self.anchors,
            "notices": self.notices,
            "measures": [measure.key for measure in MEASURES[self.cell.task]],
            "rows": self.n_rows,
        }


@dataclass(frozen=True, slots=True)
class SampleBook:
    """All blocks, and the volumes that belong to their samples."""

    blocks: tuple[Block, ...]
    volumes: Volumes


def sample_book(results: Results, pictures: Pictures, /) -> SampleBook:
    """Blocks of every dataset, task and protocol that has predictions of a model.

    Where pictures are off, so are volumes, outlines, questions and written answers.
    """
    groups: dict[tuple[str, int, str], list[Cell]] = {}
    for cell in dict.fromkeys(outcome.cell for outcome in results.outcomes):
        if not is_control(cell.model) and cell.task in MEASURES:
            place = (cell.dataset, task_rank(cell.task), cell.protocol)
            groups.setdefault(place, []).append(cell)
    sheets = [(groups[place][0], _gathered(results, groups[place], pictures)) for place in groups]
    sheets = sorted((one for one in sheets if one[1].rows), key=lambda one: _order(one[0]))
    n_masked = sum(cell.task == "segmentation" for cell, _ in sheets)
    limits = _Limits(
        min(MOST_ANSWERS, MOST_ANSWERS_OF_ALL // max(1, len(sheets))),
        MOST_MASKS // max(1, n_masked),
    )
    maker = _Maker(pictures, Volumes(enabled=pictures.enabled), limits)
    blocks = tuple(maker.block(n, cell, sheet) for n, (cell, sheet) in enumerate(sheets))
    return SampleBook(blocks, maker.volumes)


def _order(cell: Cell) -> tuple[str, int, str]:
    return cell.dataset, task_rank(cell.task), cell.protocol


def _gathered(results: Results, cells: Sequence[Cell], pictures: Pictures) -> Sheet:
    """Rows of all models in the order they are first met; models by name."""
    rows: dict[str, Row] = {}
    answers: dict[str, Answered] = {}
    for cell in sorted(cells, key=lambda one: one.model):
        origin = results.origins[cell]
        try:
            predictions = plain_rows(read_predictions(origin.run.path, origin.cell))
        except RunError:
            continue  # the cell is not done, or its page says what is missing
        if not predictions.n_rows:
            continue
        card = origin.run.info["datasets"][origin.cell.dataset]
        answers[cell.model] = answers_of(cell.task, predictions, card, run=origin.run.path)
        for key, asked in asked_rows(cell.task, predictions, words=pictures.enabled).items():
            rows.setdefault(key, Row(key, asked, origin))
    return sheet_of(tuple(rows.values()), answers)


@dataclass(frozen=True, slots=True)
class _Limits:
    """How much a block may hold: answers, masks."""

    answers: int
    masks: int


@dataclass(frozen=True, slots=True, eq=False)
class _Maker:
    """Makes blocks; collects the pictures and volumes that they show."""

    pictures: Pictures
    volumes: Volumes
    limits: _Limits

    def block(self, number: int, cell: Cell, sheet: Sheet, /) -> Block:
        measure = MEASURES[cell.task][0]
        good = goodness(sheet, measure)
        n_all = len(good)
        picked = chosen_rows(good, max(2, self.limits.answers // len(sheet.answers)))
        notices = []
        if len(picked) < n_all:
            notices.append(_left_out(len(picked), n_all, measure.label))
        sheet, good = sheet_of([sheet.rows[row] for row in picked], sheet.answers), good[picked]
        words, masks = Words(), ""
        columns = _common(sheet, words) | self._seen(sheet)
        for place, model in enumerate(sheet.answers):
            answers = _of_model(cell.task, sheet, model, words, shown=self.pictures.enabled)
            columns |= {f"m{place}:{name}": values for name, values in answers.items()}
        if cell.task == "grounding" and self.pictures.enabled:
            columns |= _boxes(sheet)
        if cell.task == "segmentation" and self.pictures.enabled:
            made = masks_of(sheet, good, most=self.limits.masks)
            self.volumes.add_masks(number, sheet, columns["volume"])
            masks = made.payload
            notices += [made.notice] if made.notice else []
        anchors = tuple(anchor_of(replace(cell, model=model)) for model in sheet.answers)
        payload = pack(_header(cell, sheet, words), columns)
        models = tuple(sheet.answers)
        return Block(cell, models, anchors, len(picked), tuple(notices), payload, masks)

    def _seen(self, sheet: Sheet) -> Columns:
        """Numbers of pictures and volumes, one more each than in their names; sides of outlines.

        All are 0 where there is none.
        """
        names = [
            self.pictures.name(row.origin.run.path, row.origin.cell.dataset, row.asked.id)
            for row in sheet.rows
        ]
        picture = np.array([int(name[1:]) + 1 if name else 0 for name in names])
        frames = frames_of(sheet.rows) if self.pictures.enabled else [None] * len(names)
        shapes = [(0, 0) if frame is None else mask_shape(frame) for frame in frames]
        height, width = np.array(shapes, dtype=np.int64).reshape(-1, 2).T
        volume = self.volumes.numbers(sheet.rows)
        self.volumes.look_for(sheet.rows, frames)
        return {"picture": picture, "volume": volume, "height": height, "width": width}


def _left_out(n_shown: int, n_all: int, measure: str) -> str:
    n_worst = (n_shown + 1) // 2
    return (
        f"{n_shown:,} of {n_all:,} rows are listed: the {n_worst:,} that are worst by their mean "
        f"{measure.lower()} over the models, and others evenly spaced in the order of the data"
    )


def _common(sheet: Sheet, words: Words) -> Columns:
    asked = [row.asked for row in sheet.rows]
    columns = {
        name: np.array([words.place(getattr(one, name)) for one in asked])
        for name in ("id", "split", "asked", "truth")
    }
    for number, name in enumerate(_group_names(asked)):
        values = [words.place(one.groups.get(name, "")) for one in asked]
        columns[f"group{number}"] = np.array(values)
    return columns


def _group_names(asked: Sequence[Asked]) -> list[str]:
    return list(dict.fromkeys(name for one in asked for name in one.groups))


def _of_model(task: str, sheet: Sheet, model: str, words: Words, *, shown: bool) -> Columns:
    answered = sheet.answers[model]
    verdict = column_of(sheet, model, answered.verdict)
    columns = {"verdict": np.where(np.isnan(verdict), NO_ROW, verdict).astype(np.int64)}
    for measure in MEASURES[task]:
        values = column_of(sheet, model, answered.measures[measure.key])
        whole = np.nan_to_num(values).astype(np.int64)
        columns[measure.key] = whole if measure.is_rank else shares(values)
    for number, values in enumerate(answered.scores.values()):
        columns[f"score{number}"] = shares(column_of(sheet, model, values))
    places = sheet.places[model].tolist()
    if answered.texts and (shown or task != "vqa"):
        texts = [0 if p < 0 else 1 + words.place(answered.texts[p]) for p in places]
        columns["answer"] = np.array(texts)
    if answered.found:
        found = [() if p < 0 else answered.found[p][:MOST_PLACES] for p in places]
        columns["found:n"] = np.array([len(one) for one in found])
        columns["found"] = np.array([words.place(name) for one in found for name, _ in one])
        columns["found:right"] = np.array([right for one in found for _, right in one])
    return columns


def _boxes(sheet: Sheet) -> Columns:
    frames = frames_of(sheet.rows)
    columns = rectangles("truth:box", [row.asked.boxes for row in sheet.rows], frames)
    for number, (model, answered) in enumerate(sheet.answers.items()):
        boxes = [() if p < 0 else answered.boxes[p] for p in sheet.places[model].tolist()]
        columns |= rectangles(f"m{number}:box", boxes, frames)
    return columns


def _header(cell: Cell, sheet: Sheet, words: Words) -> dict[str, Json]:
    first = next(iter(sheet.answers.values()))
    classes = list(first.scores)
    return {
        "words": words.texts,
        "groups": [visible(name) for name in _group_names([row.asked for row in sheet.rows])],
        "classes": [visible(name) for name in classes],
        "thresholds": [
            [_finite(answered.thresholds.get(name)) for name in classes]
            for answered in sheet.answers.values()
        ],
        "measures": [
            {"key": measure.key, "label": measure.label, "rank": measure.is_rank}
            for measure in MEASURES[cell.task]
        ],
    }


def _finite(value: float | None) -> float | None:
    return round(value, 4) if value is not None and math.isfinite(value) else None
