"""From a dataset and names of features to the cohort of a fusion study."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from vesalius.capabilities import LanguageEncoder, TextEncoder
from vesalius.data.manifest import Dataset
from vesalius.engine.features import FeatureReader
from vesalius.engine.progress import Progress, no_progress
from vesalius.engine.sources import LazyModel, ModelSource, hash_dataset
from vesalius.errors import UsageError, did_you_mean
from vesalius.fusion.cohort import Cohort
from vesalius.fusion.slots import Slot
from vesalius.records import DatasetCard, Sample
from vesalius.store.features import FeatureStore

TABULAR = "tabular"
KINDS = ("image", "text", "prior")


@dataclass(frozen=True, slots=True)
class Kitchen:
    """What features are made with.

    Attributes:
        find: name of a model → its source.
        cache: folder of the feature cache; None keeps features in memory.
    """

    find: Callable[[str], ModelSource]
    cache: Path | None = None
    progress: Progress = field(default=no_progress)


def split_slot(name: str, /) -> tuple[str, str]:
    """Model and kind of a slot; an empty model for ``tabular``.

    Raises:
        UsageError: if it is neither.

    >>> split_slot("mini:clip:image")
    ('mini:clip', 'image')
    """
    if name == TABULAR:
        return "", TABULAR
    model, _, kind = name.rpartition(":")
    if not model or kind not in KINDS:
        raise UsageError(
            f"features {name!r}: expected {TABULAR} or MODEL:{', MODEL:'.join(KINDS)}"
            f"{did_you_mean(kind, KINDS)}"
        )
    return model, kind


def fusion_cohort(
    dataset: Dataset, features: Sequence[str], kitchen: Kitchen, /, *, target: str | None = None
) -> Cohort:
    """Features of every labelled sample, by sample id, and what is to be told of it.

    ``MODEL:image`` is the embedding of the image or volume, ``MODEL:prior`` that of the earlier
    study, ``MODEL:text`` that of the caption (of a language model its mean last hidden state), and
    ``tabular`` the columns that the dataset card names. What a sample does not have is missing.

    Args:
        dataset: with labels.
        features: names of slots.
        kitchen: where features come from.
        target: of a multilabel dataset, the class to be told from all others; default is the
            card's ``positive``.

    Raises:
        UsageError: for an unknown slot or class, or features that a dataset or model has not.
        ModelError: if a model cannot be loaded.
    """
    samples = tuple(sorted((s for s in dataset.samples if s.labelled), key=lambda s: s.id))
    if not samples:
        raise UsageError(f"{dataset.card.name}: no row has a label; fusion needs them")
    wanted = [split_slot(name) for name in features]
    lazy = {model: LazyModel(kitchen.find(model).load) for model, _ in wanted if model}
    slots = [
        Slot(name, _values(kind, dataset, samples, kitchen, (model, lazy)))
        for name, (model, kind) in zip(features, wanted, strict=True)
    ]
    labels, classes = labels_of(dataset.card, samples, target=target)
    return Cohort(
        slots=tuple(slots),
        labels=labels,
        classes=classes,
        patients=np.array([s.patient for s in samples]),
        split=np.array([s.split for s in samples]),
    )


def labels_of(
    card: DatasetCard, samples: Sequence[Sample], /, *, target: str | None
) -> tuple[Int[np.ndarray, " n"], tuple[str, ...]]:
    """Class of each sample; of a multilabel dataset one class against the rest.

    Raises:
        UsageError: for a class that the card does not name, or none where one is needed.
    """
    classes = tuple(card.classes)
    target = target or (card.positive if card.multilabel else None)
    if target is None and not card.multilabel:
        return np.array([classes.index(s.labels[0]) for s in samples]), classes
    if target is None:
        raise UsageError(
            f"{card.name} is multilabel: name the class to tell from all others with --target; "
            f"there are: {', '.join(classes)}"
        )
    if target not in classes:
        hint = did_you_mean(target, classes)
        raise UsageError(f"target {target!r}{hint}: name one of the classes: {', '.join(classes)}")
    return np.array([int(target in s.labels) for s in samples]), (f"no {target}", target)


def _values(
    kind: str,
    dataset: Dataset,
    samples: Sequence[Sample],
    kitchen: Kitchen,
    named: tuple[str, Mapping[str, LazyModel]],
) -> Float[np.ndarray, "n dim"]:
    if kind == TABULAR:
        return tabular_values(dataset.card, samples)
    model, lazy = named
    source = kitchen.find(model)
    shown = {
        "image": dict(enumerate(samples)),
        "prior": {
            i: replace(s, image=s.prior_image)
            for i, s in enumerate(samples)
            if s.prior_image is not None
        },
        "text": {i: s for i, s in enumerate(samples) if s.caption},
    }[kind]
    if not shown:
        missing = "an earlier study" if kind == "prior" else "a caption"
        raise UsageError(f"{model}:{kind}: no row of {dataset.card.name} has {missing}")
    reader = FeatureReader(
        lazy=lazy[model],
        card=source.card,
        source=hash_dataset(
            dataset, list(shown.values()) if kind != "text" else [], progress=kitchen.progress
        ),
        store=FeatureStore(None if source.is_ephemeral else kitchen.cache),
        progress=kitchen.progress,
    )
    rows = list(shown.values())
    found = _texts(reader, rows) if kind == "text" else reader.image_features(rows)
    values = np.full((len(samples), found.shape[1]), np.nan)
    values[list(shown)] = found
    return values


def _texts(reader: FeatureReader, samples: Sequence[Sample]) -> Float[np.ndarray, "n dim"]:
    captions = [sample.caption or "" for sample in samples]
    if isinstance(reader.model, TextEncoder):
        return reader.text_features(captions)
    if isinstance(reader.model, LanguageEncoder):
        return reader.model.encode_language(captions)
    raise UsageError(f"{reader.card.name}:text: the model does not embed texts")


def tabular_values(card: DatasetCard, samples: Sequence[Sample], /) -> Float[np.ndarray, "n dim"]:
    """Columns of the table as numbers: a category has a column of its own, as train rows have them.

    What is missing is NaN; a category that no train row has is 0 everywhere.

    Raises:
        UsageError: if the card names no column.
    """
    if not card.tabular:
        raise UsageError(f"{card.name}: dataset.yaml names no columns under `tabular`")
    columns: list[np.ndarray] = []
    for name, kind in card.tabular.items():
        values = [sample.extra.get(name) for sample in samples]
        if kind == "numeric":
            columns.append(np.array([np.nan if v is None else float(v) for v in values]))
            continue
        known = sorted({str(v) for v, s in zip(values, samples, strict=True)
                        if s.split == "train" and v is not None})  # fmt: skip
        columns += [
            np.array([np.nan if v is None else float(str(v) == one) for v in values])
            for one in known
        ]
    return np.stack(columns, axis=1)
