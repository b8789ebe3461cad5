"""Which cell a worker gets next, when workers ask for one at a time and some of them die."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

MOST_LOSSES = 3


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A cell by its place: number of the share (one model each) and of the job in it."""

    share: int
    job: int


@dataclass(slots=True)
class HandingOut:
    """Cells that nobody has yet; a worker stays with a model as long as that has any.

    After that it begins the model with the most cells among those that the fewest are at. So no
    worker waits while another has a long way to go, and few models are loaded twice.
    """

    sizes: Sequence[int]
    _left: list[deque[int]] = field(init=False)
    _losses: Counter[Key] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._left = [deque(range(size)) for size in self.sizes]

    def next_for(self, share: int | None, others: Sequence[int] = (), /) -> Key | None:
        """The next cell for a worker; None when there is none.

        Args:
            share: the one it is at.
            others: those that other workers are at.
        """
        if share is None or not self._left[share]:
            waiting = [i for i, left in enumerate(self._left) if left]
            if not waiting:
                return None
            share = min(waiting, key=lambda i: (others.count(i), -len(self._left[i]), i))
        return Key(share, self._left[share].popleft())

    def lose(self, key: Key, /) -> bool:
        """Put back the cell of a worker that died, to be next; False when it cost too many."""
        self._losses[key] += 1
        if self._losses[key] >= MOST_LOSSES:
            return False
        self._left[key.share].appendleft(key.job)
        return True

    def was_lost(self, key: Key, /) -> bool:
        """Whether somebody died at it, and may have journaled a part of it."""
        return self._losses[key] > 0

    @property
    def n_left(self) -> int:
        """Number of cells that nobody has."""
        return sum(map(len, self._left))
