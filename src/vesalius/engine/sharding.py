"""Parts of a run for jobs that cannot talk to each other: Slurm arrays, indexed jobs.

Every shard makes the same plan and takes its own stretch of it, whatever is done already, so no
cell belongs to two and none to nobody. A stretch of the cells in order of their models keeps the
cells of a model together: n shards load at most n - 1 models more than one run does.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from vesalius.engine.cells import Job
from vesalius.errors import UsageError


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` of `count`; the first has the index 0."""

    index: int
    count: int

    @property
    def name(self) -> str:
        """As on the command line."""
        return f"{self.index}/{self.count}"


def parse_shard(text: str, /) -> Shard:
    """Read ``i/n``.

    Raises:
        UsageError: unless it is one of 0/n to n-1/n.

    >>> parse_shard("1/4").name
    '1/4'
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if found is None or int(found[1]) >= int(found[2]):
        raise UsageError(
            f"--shard {text!r}: expected i/n with i from 0 to n-1, such as 0/4 for the first of "
            "four and 3/4 for the last"
        )
    return Shard(int(found[1]), int(found[2]))


def part_of(jobs: Sequence[Job], shard: Shard, /) -> list[Job]:
    """The cells of a shard: a stretch with its part of all rows, in order of models."""
    order = sorted(jobs, key=lambda job: "" if job.model is None else job.model.name)
    return [order[i] for i in stretch([len(job.data.samples) or 1 for job in order], shard)]


def stretch(weights: Sequence[int], shard: Shard, /) -> list[int]:
    """Indices of consecutive things whose weight is one of `shard.count` nearly equal parts.

    A thing belongs to the part in which its middle lies.

    >>> [stretch([1, 1, 4, 1, 1], Shard(i, 2)) for i in range(2)]
    [[0, 1], [2, 3, 4]]
    """
    total = sum(weights)
    middles = [2 * end - own for own, end in zip(weights, accumulate(weights), strict=True)]
    return [
        i for i, middle in enumerate(middles) if middle * shard.count // (2 * total) == shard.index
    ]
