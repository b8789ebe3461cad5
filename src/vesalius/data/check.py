"""`check_dataset`: everything that is wrong with a dataset folder, row by row."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vesalius.data.manifest import Dataset, problem_of
from vesalius.data.opening import read_dataset
from vesalius.data.tables import Problem
from vesalius.errors import DataError
from vesalius.records import SPLITS, Image, Phrase, Sample, Split


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a dataset folder holds and what is wrong with it.

    Attributes:
        n_samples, n_patients: usable samples and their patients, per split.
        n_decoded: images, priors and masks that were decoded; 0 without `read_pixels`.
        problems: every refused row and unreadable file, in the order they were found.
        notes: what is known of a public data set and is no fault of the files.
    """

    name: str
    n_samples: dict[Split, int]
    n_patients: dict[Split, int]
    n_questions: int
    n_phrases: int
    n_decoded: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def check_dataset(
    data: str | Path,
    *,
    read_pixels: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Check a dataset folder or public data set; never raises because of what it holds.

    Args:
        data: the dataset folder, or what `opening.load_dataset` takes.
        read_pixels: also decode every image, prior and mask, and hold masks against structures
            and boxes against image sizes.
        progress: called with (samples done, samples in all) after each sample.
    """
    try:
        dataset = read_dataset(data)
    except DataError as error:
        return CheckReport(Path(data).name, {}, {}, 0, 0, 0, (problem_of(error),))
    problems, n_decoded = list(dataset.problems), 0
    boxes = _boxes(dataset)
    for index, sample in enumerate(dataset.samples if read_pixels else ()):
        for found in _sample_checks(dataset, sample, boxes.get(sample.id, [])):
            n_decoded += found is None
            problems += [] if found is None else [found]
        if progress is not None:
            progress(index + 1, len(dataset))
    return CheckReport(
        name=dataset.card.name,
        n_samples=dict(Counter(sample.split for sample in dataset)),
        n_patients={
            split: len({sample.patient for sample in dataset.split(split)}) for split in SPLITS
        },
        n_questions=len(dataset.questions),
        n_phrases=len(dataset.phrases),
        n_decoded=n_decoded,
        problems=tuple(problems),
        notes=dataset.card.notes,
    )


def _boxes(dataset: Dataset) -> dict[str, list[Phrase]]:
    boxes: dict[str, list[Phrase]] = {}
    for phrase in dataset.phrases:
        if phrase.box is not None:
            boxes.setdefault(phrase.id, []).append(phrase)
    return boxes


def _sample_checks(
    dataset: Dataset, sample: Sample, phrases: list[Phrase]
) -> Iterator[Problem | None]:
    """One None per decoded file, one `Problem` per fault."""
    try:
        image = dataset.read(sample)
    except DataError as error:
        yield _about(sample, problem_of(error))
        return
    yield None
    for phrase in phrases:
        yield from _box_fault(phrase, image)
    try:
        mask = dataset.read_mask(sample, like=image)
        if mask is not None:
            yield None
            yield from _value_faults(dataset, sample, mask)
    except DataError as error:
        yield _about(sample, problem_of(error))
    try:
        if dataset.read_prior(sample) is not None:
            yield None
    except DataError as error:
        yield _about(sample, problem_of(error))


def _about(sample: Sample, problem: Problem) -> Problem:
    return Problem(f"sample {sample.id!r}, {problem.where}", problem.reason, problem.message)


def _box_fault(phrase: Phrase, image: Image) -> Iterator[Problem]:
    """Boxes name columns first; image sizes name rows first, volumes x first."""
    assert phrase.box is not None
    extent = image.size if image.is_volume else image.size[::-1]
    ends = [phrase.box[2], phrase.box[3], *phrase.box[5:]]
    where = f"phrase {phrase.phrase!r} of sample {phrase.id!r}"
    if len(ends) != len(extent):
        message = f"expected a box with {len(extent)} axes like the image, got {len(ends)}"
        yield Problem(where, "bad_box", message)
    elif any(end > most for end, most in zip(ends, extent, strict=True)):
        message = f"box {phrase.box} leaves the image of {extent} (x, y{', z' * image.is_volume})"
        yield Problem(where, "bad_box", message)


def _value_faults(dataset: Dataset, sample: Sample, mask: np.ndarray) -> Iterator[Problem]:
    unknown = set(np.unique(mask).tolist()) - {0} - set(dataset.card.structures.values())
    if dataset.card.structures and unknown:
        values = ", ".join(str(value) for value in sorted(unknown)[:10])
        message = f"mask values {values} are not listed under structures in dataset.yaml"
        yield Problem(f"sample {sample.id!r}", "unknown_structure", message)
