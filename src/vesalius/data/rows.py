"""From rows of text to samples, questions and phrases; a row that cannot be used says why."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, cast

from vesalius.data.card import choices
from vesalius.data.tables import Row
from vesalius.errors import did_you_mean_path
from vesalius.records import SPLITS, DatasetCard, Phrase, Question, Sample, Split

SAMPLE_COLUMNS = (
    "id",
    "patient",
    "split",
    "image",
    "prior_image",
    "label",
    "mask",
    "caption",
)
QUESTION_COLUMNS = ("id", "question", "answer", "type", "answers", "choices", "question_type")
PHRASE_COLUMNS = ("id", "phrase", "x0", "y0", "x1", "y1", "z0", "z1")
MOST_HINTS = 20
"""Of how many rows with the same kind of mistake the word that was meant is looked for."""
_MOST_PATH_PART = 255


@dataclass(frozen=True, slots=True)
class SampleRules:
    """What a row of samples is checked against.

    Attributes:
        root: the dataset folder, resolved.
        has_labels: whether the table has a column ``label``.
        extra_columns: keys of `Sample.extra`.
        published: a second folder that files may lie in, reached by the link ``published``.
        taken: ids of earlier rows and where they stand; filled by the caller.
        unfound: paths at which there is nothing; filled here.
        most_hints: of how many of them the file that was meant is looked for.
    """

    root: Path
    card: DatasetCard
    has_labels: bool
    extra_columns: tuple[str, ...]
    published: Path | None = None
    taken: dict[str, str] = field(default_factory=dict)
    unfound: list[str] = field(default_factory=list)
    most_hints: int = MOST_HINTS


def rules_for(
    root: Path, card: DatasetCard, columns: Sequence[str], /, *, published: Path | None = None
) -> SampleRules:
    """Rules of a table: columns that the card names are extra, and all that have no field."""
    others = (column for column in columns if column not in SAMPLE_COLUMNS)
    extra = dict.fromkeys((*card.tabular, *card.subgroups, *others))
    return SampleRules(root, card, "label" in columns, tuple(extra), published)


def parse_sample(row: Row, rules: SampleRules) -> Sample:
    """One row of ``samples.*``.

    Raises:
        DataError: ``bad_value``, ``duplicate_id``, ``bad_split``, ``unknown_label``,
            ``path_escapes`` or ``missing_file``.
    """
    name = required(row, "id").strip()
    if name in rules.taken:
        raise row.error("duplicate_id", f"id {name!r} stands already in {rules.taken[name]}")
    rules.taken[name] = row.where
    labels = _labels(row, rules.card)
    return Sample(
        id=name,
        patient=row["patient"].strip() or name,
        split=_split(row),
        image=resolve_inside(rules, required(row, "image"), row, "image"),
        prior_image=_optional_path(row, "prior_image", rules),
        labels=labels,
        labelled=rules.has_labels and (rules.card.multilabel or bool(labels)),
        mask=_optional_path(row, "mask", rules),
        caption=row["caption"] or None,
        extra=_extra(row, rules),
    )


def parse_question(row: Row) -> Question:
    """One row of ``questions.*``.

    Raises:
        DataError: ``bad_value``.
    """
    kind = required(row, "type")
    if kind not in ("closed", "open"):
        hint = choices(kind, ("closed", "open"))
        raise row.error("bad_value", f"type {kind!r} is neither closed nor open{hint}")
    answer = required(row, "answer")
    offered = _parts(row["choices"])
    if kind == "closed" and offered and answer not in offered:
        raise row.error(
            "bad_value", f"answer {answer!r} is not among its choices{choices(answer, offered)}"
        )
    return Question(
        id=required(row, "id").strip(),
        question=required(row, "question"),
        answer=answer,
        type=cast("Literal['closed', 'open']", kind),
        answers=_parts(row["answers"]) or (answer,),
        choices=offered,
        question_type=row["question_type"],
    )


def parse_phrase(row: Row) -> Phrase:
    """One row of ``phrases.*``; no coordinates at all mean that the phrase is absent.

    Raises:
        DataError: ``bad_value`` or ``bad_box``.
    """
    names: tuple[str, ...] = ("x0", "y0", "x1", "y1")
    if row["z0"] or row["z1"]:
        names += ("z0", "z1")
    texts = [row[column].strip() for column in names]
    box = None
    if any(texts):
        box = tuple(_coordinate(row, column) for column in names)
        for low, high in ((0, 2), (1, 3), (4, 5)):
            if low < len(box) and box[low] >= box[high]:
                raise row.error(
                    "bad_box",
                    f"{names[high]} must be above {names[low]}, got {box[low]} to {box[high]}; "
                    "expected two corners, not a corner and a size",
                )
    return Phrase(id=required(row, "id").strip(), phrase=required(row, "phrase"), box=box)


def required(row: Row, column: str) -> str:
    """The cell, which must not be empty."""
    if not row[column].strip():
        raise row.error("bad_value", f"{column} is empty")
    return row[column]


def resolve_inside(rules: SampleRules, text: str, row: Row, column: str) -> Path:
    """The path of an existing file or folder inside the dataset folder, symbolic links followed.

    A file of the `published` folder keeps its name below the link.

    Raises:
        DataError: ``path_escapes`` or ``missing_file``.
    """
    plain = PurePosixPath(text)
    if (
        "\0" in text
        or "\\" in text
        or plain.is_absolute()
        or ".." in plain.parts
        or text[1:2] == ":"
        or any(len(part.encode()) > _MOST_PATH_PART for part in plain.parts)
    ):
        raise row.error(
            "path_escapes",
            f"{column} must be a path below the dataset folder, with /, got {text!r}",
        )
    root = rules.root
    try:
        path = (root / plain).resolve()
        there = path.exists()
    except (OSError, RuntimeError, ValueError):  # a link to itself, a name that is too long
        raise row.error("missing_file", f"{column}: cannot be followed: {text}") from None
    through_link = rules.published is not None and path.is_relative_to(rules.published)
    if not (through_link or path.is_relative_to(root)) or path == root:
        raise row.error("path_escapes", f"{column} leads out of the dataset folder: {text}")
    if not there:
        hint = _meant(root / plain, rules)
        raise row.error("missing_file", f"{column}: no such file: {text}{hint}")
    return root / plain if through_link else path


def _meant(path: Path, rules: SampleRules) -> str:
    """The file that may have been meant, by its path in the folder."""
    rules.unfound.append(str(path))
    if len(rules.unfound) > rules.most_hints:
        return ""
    return did_you_mean_path(path).replace(f"{rules.root}/", "")


def named_file(root: Path, sample: Sample, column: str, /) -> Path | None:
    """The file below `root` that another column of a sample names; None where it is empty.

    Raises:
        DataError: ``bad_value`` if the column holds numbers, ``path_escapes`` or ``missing_file``.
    """
    text = sample.extra.get(column)
    row = Row(f"sample {sample.id!r}", {})
    if isinstance(text, float):
        raise row.error("bad_value", f"{column} holds numbers; expected paths of images")
    rules = SampleRules(root, DatasetCard(""), has_labels=False, extra_columns=(), most_hints=0)
    return resolve_inside(rules, text, row, column) if text else None


def _optional_path(row: Row, column: str, rules: SampleRules) -> Path | None:
    return resolve_inside(rules, row[column], row, column) if row[column] else None


def _split(row: Row) -> Split:
    split = required(row, "split")
    if split not in SPLITS:
        raise row.error("bad_split", f"unknown split {split!r}{choices(split, SPLITS)}")
    return split


def _labels(row: Row, card: DatasetCard) -> tuple[str, ...]:
    """Class names of the row; free text, kept as it is, when the card declares no classes."""
    text = row["label"]
    labels = _parts(text) if card.multilabel else (text,) if text else ()
    unknown = [label for label in labels if card.classes and label not in card.classes]
    if unknown:
        hint = choices(unknown[0], card.classes)
        if "|" in unknown[0]:
            hint = "; set multilabel: true in dataset.yaml if several are meant"
        elif joined := _joined(unknown[0], card):
            hint = f" (did you mean {joined!r}?)"
        raise row.error("unknown_label", f"label {unknown[0]!r} is not among the classes{hint}")
    if len(set(labels)) != len(labels):
        raise row.error("unknown_label", f"a label stands twice in {text!r}")
    return labels


def _joined(text: str, card: DatasetCard) -> str:
    """Several classes as they should be joined; empty if the text is none."""
    parts = [part.strip() for part in re.split("[;,/+]", text)]
    is_several = card.multilabel and len(parts) > 1 and all(p in card.classes for p in parts)
    return "|".join(parts) if is_several else ""


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split("|") if part)


def _extra(row: Row, rules: SampleRules) -> Mapping[str, str | float | None]:
    kinds = rules.card.tabular
    return {
        column: _number(row, column) if kinds.get(column) == "numeric" else row[column] or None
        for column in rules.extra_columns
    }


def _number(row: Row, column: str) -> float:
    """The cell as a float; NaN when it is empty."""
    text = row[column].strip()
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        hint = _decimal_point(text) or "; leave unknown ones empty"
        raise row.error("bad_value", f"{column} is numeric, got {text!r}{hint}")
    return value


def _decimal_point(text: str) -> str:
    """What a number with a decimal comma should be."""
    whole, comma, part = text.partition(",")
    is_number = comma and whole.isdecimal() and part.isdecimal()
    return f" (did you mean {f'{whole}.{part}'!r}?)" if is_number else ""


def _coordinate(row: Row, column: str) -> float:
    text = row[column].strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        hint = _decimal_point(text) or "; leave all empty if the phrase is absent"
        raise row.error("bad_box", f"{column} must be a number from 0, got {text!r}{hint}")
    return value
