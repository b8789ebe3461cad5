"""The leakage ledger: which models declare the images of a dataset as training data.

It knows what publishers declare, not what a model has seen: ``not declared`` is no proof. Of
collections drawn from the web nobody can say what they hold.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from vesalius.models.published import PUBLISHED
from vesalius.records import Json

Verdict = Literal["declared as training data", "not declared", "unknown"]
MINIATURES = ("vesalius-1000",)  # `make minis` trains all of them on this seed


@dataclass(frozen=True, slots=True)
class Collection:
    """A public set of images.

    Attributes:
        title: how the ledger calls it.
        names: what datasets made of it are called, in their name or citation; words by hyphens.
        part_of: keys of the sets that its images come from or were put into.
    """

    title: str
    names: tuple[str, ...] = ()
    part_of: tuple[str, ...] = ()


# Where a set stands inside another one is told by its own paper or card: ROCO
# doi:10.1007/978-3-030-01364-6_20; VQA-RAD doi:10.1038/sdata.2018.251; MS-CXR arXiv:2204.09817;
# The Cauldron: dataset card HuggingFaceM4/the_cauldron.
COLLECTIONS: Mapping[str, Collection] = MappingProxyType(
    {
        "wit-400m": Collection("WIT, 400 million pairs from the web"),
        "git-20m": Collection("20 million pairs from the web"),
        "laion-400m": Collection("LAION-400M (115 million of it)", ("laion-400m", "laion")),
        "cc3m": Collection("CC3M", ("cc3m", "conceptual-captions")),
        "cc12m": Collection("CC12M", ("cc12m", "conceptual-12m")),
        "sbu": Collection("SBU Captions", ("sbu-captions",)),
        "coco": Collection("COCO", ("coco", "mscoco")),
        "visual-genome": Collection("Visual Genome", ("visual-genome",)),
        "the-cauldron": Collection("The Cauldron", ("the-cauldron",)),
        "docmatix": Collection("Docmatix", ("docmatix",)),
        "pmc": Collection("figures of PubMed Central articles"),
        "pmc-15m": Collection("PMC-15M", ("pmc-15m",), ("pmc",)),
        "pmc-oa": Collection("PMC-OA", ("pmc-oa",), ("pmc",)),
        "pmc-vqa": Collection("PMC-VQA", ("pmc-vqa",), ("pmc",)),
        "roco": Collection("ROCO", ("roco", "rocov2", "radiology-objects-in-context"), ("pmc",)),
        "medpix": Collection("MedPix", ("medpix",)),
        "vqa-rad": Collection("VQA-RAD", ("vqa-rad", "vqarad"), ("medpix", "the-cauldron")),
        "vqa-med": Collection("VQA-Med", ("vqa-med", "vqamed"), ("medpix",)),
        "mimic-cxr": Collection("MIMIC-CXR", ("mimic-cxr", "mimic-cxr-jpg")),
        "ms-cxr": Collection("MS-CXR", ("ms-cxr", "ms-cxr-t"), ("mimic-cxr",)),
        "vesalius-1000": Collection(
            "Vesalius synthetic chest cohort, seed 1000",
            ("vesalius-synthetic-chest-cohort-seed-1000",),
        ),
    }
)


def ledger_rows(
    models: Mapping[str, Json], datasets: Mapping[str, Json], /
) -> list[dict[str, Json]]:
    """One row per model and dataset: what the model declares, and the verdict.

    ``declared as training data``: the dataset is, or lies within, a set that the model was
    trained on; whether the same split of it was used is not known. ``unknown``: nothing is
    declared, as for weights from a folder, or a declared set may share images with the dataset.

    Args:
        models: name → model card as in ``run.json``.
        datasets: name → dataset card as in ``run.json``.

    Returns:
        Rows with ``model``, ``dataset``, ``declared`` (titles of all sets) and ``verdict``.
    """
    return [
        {
            "model": model,
            "dataset": dataset,
            "declared": [COLLECTIONS[key].title for key in declared or ()],
            "verdict": _verdict(declared, collections_of(record)),
        }
        for model, card in models.items()
        for declared in [declared_by(card)]
        for dataset, record in datasets.items()
    ]


def declared_by(card: Mapping[str, Json], /) -> tuple[str, ...] | None:
    """Keys of the sets that a model was trained on; None if its publisher is not known.

    A published model is known by its repository, or by the hash of its weights wherever they lie.
    """
    if card["miniature"]:
        return MINIATURES
    hashes = set(card["weights"].values())
    for entry in PUBLISHED:
        known = entry.pickles | set(entry.expected.safetensors.values())
        if card["source"] == entry.repo or hashes & known:
            return entry.trained_on or None
    return None


def collections_of(card: Mapping[str, Json], /) -> tuple[str, ...]:
    """Keys of the sets that a dataset's name or citation speaks of."""
    text = "-".join(_words(f"{card['name']} {card['citation']}"))
    return tuple(
        key
        for key, one in COLLECTIONS.items()
        if any(f"-{name}-" in f"-{text}-" for name in one.names)
    )


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _verdict(declared: tuple[str, ...] | None, of_dataset: tuple[str, ...]) -> Verdict:
    if declared is None:
        return "unknown"
    pairs = [(one, other) for one in declared for other in of_dataset]
    if any(one in _wholes(other) for one, other in pairs):
        return "declared as training data"
    return "unknown" if any(_may_share(one, other) for one, other in pairs) else "not declared"


def _may_share(one: str, other: str) -> bool:
    """Whether both come from one source, or something is part of both."""
    if not set(_wholes(one)).isdisjoint(_wholes(other)):
        return True
    return any({one, other} <= set(_wholes(key)) for key in COLLECTIONS)


def _wholes(key: str) -> Iterator[str]:
    """The set itself and all that it is part of."""
    yield key
    for whole in COLLECTIONS[key].part_of:
        yield from _wholes(whole)
