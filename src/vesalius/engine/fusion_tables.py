"""Columns of a table as the numbers of one slot."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from vesalius.engine.fusion_names import TABULAR
from vesalius.errors import UsageError, did_you_mean
from vesalius.records import DatasetCard, Sample


def tabular_values(
    card: DatasetCard, samples: Sequence[Sample], /, *, columns: Sequence[str] = ()
) -> Float[np.ndarray, "n dim"]:
    """Columns of the table as numbers: a category has a column of its own, as train rows have them.

    What is missing is NaN; a category that no train row has is 0 everywhere.

    Args:
        card: names the columns under ``tabular``.
        samples: the rows.
        columns: some of them; all by default.

    Raises:
        UsageError: if the card names no column, or not one that is asked for.
    """
    if not card.tabular:
        raise UsageError(f"{card.name}: dataset.yaml names no columns under `tabular`")
    for column in columns:
        if column not in card.tabular:
            hint = did_you_mean(column, card.tabular)
            there = ", ".join(card.tabular)
            raise UsageError(
                f"{TABULAR}: dataset.yaml names no column {column!r}{hint} under `tabular`; "
                f"there are: {there}"
            )
    found: list[np.ndarray] = []
    for column in columns or card.tabular:
        values = [sample.extra.get(column) for sample in samples]
        if card.tabular[column] == "numeric":
            found.append(np.array([np.nan if v is None else float(v) for v in values]))
            continue
        in_train = zip(values, samples, strict=True)
        known = sorted({str(v) for v, s in in_train if s.split == "train" and v is not None})
        found += [
            np.array([np.nan if v is None else float(str(v) == one) for v in values])
            for one in known
        ]
    return np.stack(found, axis=1)
