"""`load_dataset`: a folder of ``dataset.yaml`` and flat tables → samples, questions, phrases."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TypeVar, overload

import numpy as np

from vesalius.data.card import read_card
from vesalius.data.columns import misspelt, require_columns, require_declared
from vesalius.data.masks import read_mask
from vesalius.data.readers import content_digest, files_of, read_image
from vesalius.data.rows import (
    MOST_HINTS,
    PHRASE_COLUMNS,
    QUESTION_COLUMNS,
    SAMPLE_COLUMNS,
    parse_phrase,
    parse_question,
    parse_sample,
    rules_for,
)
from vesalius.data.tables import Problem, Row, find_table, read_table
from vesalius.errors import DataError, did_you_mean
from vesalius.records import (
    DatasetCard,
    Image,
    Json,
    Phrase,
    Question,
    Sample,
    Split,
    digest_json,
)

_Record = TypeVar("_Record", Sample, Question, Phrase)
_State = tuple[tuple[int, int, int], ...]
_MOST_LISTED = 5
_MOST_COMPARED = 10_000


@dataclass(frozen=True, eq=False)
class Dataset(Sequence[Sample]):
    """The usable samples of a dataset folder; pixels are read one by one, on request.

    Attributes:
        card: what ``dataset.yaml`` says; its `digest` covers the card and what tasks read of every
            accepted row, whatever the order and format of tables, but no pixels: see `digest`.
        root: the folder, resolved.
        problems: the rows that were refused, each with place, reason code and explanation.
    """

    card: DatasetCard
    root: Path
    samples: tuple[Sample, ...]
    questions: tuple[Question, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    problems: tuple[Problem, ...] = ()
    _digests: dict[Path, tuple[_State, str]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.samples)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Sample, ...]: ...

    def __getitem__(self, index: int | slice) -> Sample | tuple[Sample, ...]:
        return self.samples[index]

    def split(self, name: Split) -> tuple[Sample, ...]:
        """The samples of one split, in the order of the table."""
        return tuple(sample for sample in self.samples if sample.split == name)

    def read(self, sample: Sample) -> Image:
        """Its image, with the modality and window of the card.

        Raises:
            DataError: the file cannot be used; `reason` is a code of `reading.REASONS`.
        """
        return self._image(sample.image)

    def read_prior(self, sample: Sample) -> Image | None:
        """Its earlier study, if it has one."""
        return None if sample.prior_image is None else self._image(sample.prior_image)

    def read_mask(self, sample: Sample, *, like: Image) -> np.ndarray | None:
        """Its label map in the grid of `like`, if it has one."""
        if sample.mask is None:
            return None
        return read_mask(sample.mask, like=like, name=self._name(sample.mask))

    def digest(self, sample: Sample) -> str:
        """SHA-256 of what its image is read from.

        Kept in memory while size, modification time and inode of the files stay the same.
        """
        state = _state(sample.image)
        kept = self._digests.get(sample.image)
        if kept is not None and state and kept[0] == state:
            return kept[1]
        digest = content_digest(sample.image, name=self._name(sample.image))
        self._digests[sample.image] = (state, digest)
        return digest

    def _image(self, path: Path) -> Image:
        return read_image(
            path, window=self.card.window_hu, modality=self.card.modality, name=self._name(path)
        )

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def load_dataset(folder: str | Path) -> Dataset:
    """Load a dataset folder; rows that cannot be used end up in `problems`.

    Raises:
        DataError: ``bad_card`` or ``bad_table`` when card or samples are absent or invalid;
            ``patient_overlap`` when a patient stands in several splits, for then no number of
            the dataset could be trusted.
    """
    dataset = read_folder(folder)
    overlaps = [problem for problem in dataset.problems if problem.reason == "patient_overlap"]
    if overlaps:
        raise DataError(
            f"{len(overlaps)} patients stand in several splits: "
            + "; ".join(problem.message for problem in overlaps[:_MOST_LISTED]),
            reason="patient_overlap",
            where=overlaps[0].where,
        )
    return dataset


def read_folder(folder: str | Path, *, published: Path | None = None) -> Dataset:
    """As `load_dataset`, but patients in several splits are only listed in `problems`.

    Of a prepared folder, files below `published`, where its link of that name leads, are allowed.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise DataError("expected a dataset folder", reason="missing_file", where=str(folder))
    card = read_card(root)
    path = find_table(root, "samples")
    if path is None:
        raise DataError(
            f"expected samples.csv, samples.jsonl or samples.parquet in {root}",
            reason="bad_table",
            where="samples",
        )
    table = read_table(path)
    require_columns(table, ("id", "split", "image"))
    require_declared(table, card, root)
    named = (*card.tabular, *card.subgroups)
    problems = [*table.problems, *misspelt(table, SAMPLE_COLUMNS, named)]
    rules = rules_for(root, card, table.columns, published=published)
    samples = _parsed(table.rows, lambda row: parse_sample(row, rules), problems)
    problems += _overlaps(samples, table.name)
    ids = _Ids(known={sample.id for sample in samples}, seen=set(rules.taken))
    questions = _about(root, "questions", QUESTION_COLUMNS, ids, parse_question, problems)
    phrases = _about(root, "phrases", PHRASE_COLUMNS, ids, parse_phrase, problems)
    return Dataset(
        card=replace(card, digest=_digest(card, root, samples, questions, phrases)),
        root=root,
        samples=tuple(samples),
        questions=tuple(questions),
        phrases=tuple(phrases),
        problems=tuple(problems),
    )


@dataclass(frozen=True, slots=True)
class _Ids:
    known: set[str]
    seen: set[str]
    unknown: list[str] = field(default_factory=list)

    def hint(self, name: str) -> str:
        """The id that was meant; of many unknown ids the first ones only, for time."""
        self.unknown.append(name)
        if len(self.unknown) > MOST_HINTS or len(self.known) > _MOST_COMPARED:
            return ""
        return did_you_mean(name, sorted(self.known))


def _parsed(
    rows: Iterable[Row], parse: Callable[[Row], _Record], problems: list[Problem]
) -> list[_Record]:
    """The records of all rows that can be used; the others are added to `problems`."""
    records: list[_Record] = []
    for row in rows:
        try:
            records.append(parse(row))
        except DataError as error:
            problems.append(problem_of(error))
    return records


def problem_of(error: DataError, /) -> Problem:
    """The error as a record, its place kept apart from its message."""
    return Problem(error.where, error.reason, str(error).removeprefix(f"{error.where}: "))


def _about(
    root: Path,
    stem: str,
    reserved: tuple[str, ...],
    ids: _Ids,
    parse: Callable[[Row], _Record],
    problems: list[Problem],
) -> list[_Record]:
    """The records of an optional table whose rows belong to samples."""
    path = find_table(root, stem)
    if path is None:
        return []
    table = read_table(path)
    require_columns(table, reserved[:4] if stem == "questions" else reserved[:6])
    problems += table.problems
    problems += misspelt(table, reserved)

    def parse_known(row: Row) -> _Record:
        record = parse(row)
        if record.id in ids.known:
            return record
        if record.id in ids.seen:
            raise row.error("refused_sample", f"sample {record.id!r} was itself refused")
        raise row.error("unknown_sample", f"no sample {record.id!r}{ids.hint(record.id)}")

    return _parsed(table.rows, parse_known, problems)


def _overlaps(samples: Iterable[Sample], name: str) -> list[Problem]:
    splits: dict[str, dict[str, str]] = {}
    for sample in samples:
        splits.setdefault(sample.patient, {}).setdefault(sample.split, sample.id)
    return [
        Problem(
            name,
            "patient_overlap",
            f"patient {patient!r} is in "
            + " and ".join(f"{split} ({sample})" for split, sample in sorted(found.items())),
        )
        for patient, found in splits.items()
        if len(found) > 1
    ]


def _digest(
    card: DatasetCard,
    root: Path,
    samples: Iterable[Sample],
    questions: Iterable[Question],
    phrases: Iterable[Phrase],
) -> str:
    """SHA-256 over card and accepted rows; order of rows and format of tables do not matter.

    What no task reads is left out: licence, citation, notes, columns that the card does not name.
    """
    facts = asdict(card)
    del facts["license"], facts["citation"], facts["notes"]
    # the order of the classes is their index, and canonical JSON would sort a mapping
    facts["classes"] = [[name, list(prompts)] for name, prompts in card.classes.items()]
    named = {*card.tabular, *card.subgroups}
    read = [replace(s, extra={k: v for k, v in s.extra.items() if k in named}) for s in samples]
    rows = [[_row(record, root) for record in table] for table in (read, questions, phrases)]
    return digest_json(
        {"card": facts, "tables": [sorted(table, key=digest_json) for table in rows]}
    )


def _row(record: Sample | Question | Phrase, root: Path) -> Json:
    # unlike asdict, this copies nothing: a public data set can have hundreds of thousands of rows
    return {one.name: _plain(getattr(record, one.name), root) for one in fields(record)}


def _plain(value: object, root: Path) -> Json:
    if isinstance(value, Path):
        return value.relative_to(root).as_posix()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(part, root) for key, part in value.items()}
    return value


def _state(path: Path) -> _State:
    """Size, modification time and inode of every file; empty when they cannot be told."""
    try:
        stats = [file.stat() for file in files_of(path)]
    except (OSError, DataError):
        return ()
    return tuple((stat.st_size, stat.st_mtime_ns, stat.st_ino) for stat in stats)
