"""What the shell offers after a half-typed word; nothing heavy is imported for it.

Names of recipes and heads are written down in `words`, for their tables import pyarrow and torch.
"""

from collections.abc import Iterable

from vesalius.cli.words import (
    BOARD_FORMATS,
    DEVICES,
    FORMATS,
    HEADS,
    KINDS,
    KNOWN_ANSWERS,
    RECIPES,
    TRACKERS,
)  # fmt: skip


def _offer(words: Iterable[str], typed: str, /) -> list[str]:
    """The words that go on from what was typed, in their order, each once."""
    return [word for word in dict.fromkeys(words) if word.startswith(typed)]


def models(incomplete: str) -> list[str]:
    """Models by name, their miniatures, and words for all of them."""
    from vesalius import catalog

    return _offer(("all", "mini:all", *catalog.models(), *catalog.miniatures()), incomplete)


def datasets(incomplete: str) -> list[str]:
    """Public data sets by name; of a half-typed path, the folders."""
    return [*_offer(RECIPES, incomplete), *_folders(incomplete)]


def fetchable(incomplete: str) -> list[str]:
    """Models, public data sets and the viewer of volumes."""
    from vesalius import catalog

    return _offer(("all", *catalog.models(), *RECIPES, "viewer"), incomplete)


def tasks(incomplete: str) -> list[str]:
    """Tasks by name."""
    from vesalius.tasks import TASKS

    return _offer(TASKS, incomplete)


def protocols(incomplete: str) -> list[str]:
    """Protocols of every task."""
    from vesalius.tasks import TASKS

    return _offer((name for protocols in TASKS.values() for name in protocols), incomplete)


def features(incomplete: str) -> list[str]:
    """Inputs of a fusion study: columns, and what each miniature or model can give."""
    from vesalius import catalog

    name, colon, _ = incomplete.removeprefix("mini:").partition(":")
    whole = ("mini:" if incomplete.startswith("mini:") else "") + name
    names = (*catalog.models(), *catalog.miniatures())
    kinds = [f"{whole}:{kind}" for kind in KINDS] if colon and whole in names else []
    return _offer(("tabular", *kinds, *(f"{one}:" for one in names)), incomplete)


def heads(incomplete: str) -> list[str]:
    """Ways to join features."""
    return _offer(HEADS, incomplete)


def known_answers(incomplete: str) -> list[str]:
    """Published numbers that can be computed again."""
    return _offer(KNOWN_ANSWERS, incomplete)


def formats(incomplete: str) -> list[str]:
    """What a report can be written as."""
    return _offer(FORMATS, incomplete)


def board_formats(incomplete: str) -> list[str]:
    """What a ranking can be written as."""
    return _offer(BOARD_FORMATS, incomplete)


def trackers(incomplete: str) -> list[str]:
    """Where cells can be logged."""
    return _offer(TRACKERS, incomplete)


def devices(incomplete: str) -> list[str]:
    """Where a model runs."""
    return _offer(DEVICES, incomplete)


def _folders(typed: str) -> list[str]:
    from glob import escape, glob

    return sorted(glob(f"{escape(typed)}*/"))  # noqa: PTH207 - keeps the path as it was typed
