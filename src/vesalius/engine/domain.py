"""Models that were made for one modality, on datasets of another."""

from vesalius.records import DatasetCard, ModelCard

_KINDS = {"xray": "chest radiographs (xray)"}


def out_of_domain(card: ModelCard, dataset: DatasetCard, /) -> str | None:
    """Why a model's numbers on a dataset would say nothing; None if it was made for its modality.

    A dataset that declares its modality as ``other`` may be anything and is let through.
    """
    if not card.domain or dataset.modality in (*card.domain, "other"):
        return None
    kinds = " and ".join(_KINDS.get(kind, kind) for kind in card.domain)
    return f"made for {kinds} only; this dataset is {dataset.modality}"


def refused(reason: str, /) -> str:
    """Why a cell has no number, and how to get one nevertheless."""
    return f"{reason}; force with --out-of-domain"


def forced(reason: str, /) -> str:
    """The note of a cell that was forced."""
    return f"out-of-domain: {reason}"
