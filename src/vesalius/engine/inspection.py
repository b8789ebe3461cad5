"""From names of models to architecture cards: configuration, measurement, geometry."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from vesalius.catalog import describe, open_model, parse_model
from vesalius.data.manifest import Dataset
from vesalius.engine.features import FeatureReader
from vesalius.engine.geometry import geometry_of, similarity_of
from vesalius.engine.progress import Progress, no_progress
from vesalius.engine.sources import DataSource, LazyModel, hash_dataset
from vesalius.errors import InputError, ModelError, WeightsMissingError
from vesalius.models.architecture import (
    ArchitectureCard,
    Inspection,
    Measured,
    Measurement,
)
from vesalius.models.blueprint import architecture_of, genuine_architecture
from vesalius.models.checkpoint import Checkpoint
from vesalius.models.genuine import GENUINE
from vesalius.models.request import ModelRequest, resolve_model
from vesalius.records import digest_json
from vesalius.store.features import FeatureStore

_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
NO_WEIGHTS = "the weights are not on disk"
NOT_ASKED = "measuring was switched off"
NO_DATA = "no dataset was given"


@dataclass(frozen=True, slots=True)
class InspectionPlan:
    """How to inspect.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        measure: load each model and time it.
        batch_sizes: of the timings.
        budget_s: seconds of repeats per operation and batch size.
        data: dataset for the geometry of embeddings.
        limit: at most this many of its samples, drawn by a seeded order of patients.
        seed: of that order.
        cache: folder of the feature cache; None keeps features in memory.
        allow_pickle_weights: load ``.bin`` weights whose hash is not known beforehand.
    """

    device: str = "auto"
    measure: bool = True
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8)
    budget_s: float = 2.0
    data: Dataset | None = None
    limit: int = 512
    seed: int = 0
    cache: Path | None = None
    allow_pickle_weights: bool = False


def inspect_models(
    names: Sequence[str], /, *, plan: InspectionPlan | None = None, progress: Progress = no_progress
) -> Inspection:
    """Architecture cards of models, and how alike their embeddings are where data is given.

    A built-in model whose weights are missing has a card of its published architecture; any other
    missing model is an error.

    Raises:
        InputError: for an unknown model, device or batch size.
        ModelError: if a model's files are broken, or missing and not of the catalog.
        DataError: if no sample of the dataset can be used.
    """
    plan = plan or InspectionPlan()
    if not plan.batch_sizes or min(plan.batch_sizes) < 1 or plan.limit < 1:
        raise InputError(
            f"batch sizes and limit must be positive, got {plan.batch_sizes} and {plan.limit}"
        )
    gallery = _gallery(plan, progress)
    advance = progress("inspecting models", len(names))
    cards = []
    for name in names:
        cards.append(_card(name, plan, gallery))
        advance(1)
    if gallery is None or len(gallery.rows) < 2:
        return Inspection(tuple(cards))
    alike = similarity_of(gallery.rows, dataset=gallery.source.dataset.card.name)
    return Inspection(tuple(cards), (alike,))


def inspect_model(name: str, /, *, plan: InspectionPlan | None = None) -> ArchitectureCard:
    """Architecture card of one model; see `inspect_models`."""
    return inspect_models([name], plan=plan).cards[0]


@dataclass(slots=True)
class _Gallery:
    """The samples that are embedded, and the image rows of every model so far."""

    source: DataSource
    rows: dict[str, np.ndarray] = field(default_factory=dict)


def _gallery(plan: InspectionPlan, progress: Progress) -> _Gallery | None:
    """The first samples in a seeded order of patients, as many as the limit allows."""
    if plan.data is None:
        return None
    order = sorted(plan.data, key=lambda s: (digest_json([plan.seed, s.patient]), s.id))
    return _Gallery(hash_dataset(plan.data, order[: plan.limit], progress=progress))


def _card(name: str, plan: InspectionPlan, gallery: _Gallery | None) -> ArchitectureCard:
    request = parse_model(name, allow_pickle_weights=plan.allow_pickle_weights)
    try:
        checkpoint = resolve_model(request)
    except WeightsMissingError:
        if request.kind != "hub" or request.entry.name not in GENUINE:
            raise
        return _published(request)
    card = _from_files(request, checkpoint)
    model: object | None = None
    if plan.measure:
        model, measurement = _measured(request, plan)
        card = replace(card, measurement=measurement, not_measured="")
    if gallery is not None:
        model = model or open_model(request, device=plan.device)
        card = _with_geometry(card, model, gallery, plan)
    if isinstance(model, Measured):
        card = replace(card, loaded_parameters=model.n_parameters)
    return card


def _published(request: ModelRequest) -> ArchitectureCard:
    entry = request.entry
    return ArchitectureCard(
        name=request.name,
        source=entry.repo,
        license=_license(request),
        training_data=entry.training_data,
        miniature=False,
        architecture=genuine_architecture(entry.name, adapter=entry.adapter),
        missing=f"run `vesalius fetch {entry.name}` on a connected machine",
        not_measured=NO_WEIGHTS,
        no_geometry=NO_WEIGHTS,
    )


def _from_files(request: ModelRequest, checkpoint: Checkpoint) -> ArchitectureCard:
    entry = request.entry
    is_published = request.kind == "hub"
    return ArchitectureCard(
        name=request.name,
        source=checkpoint.source,
        license=_license(request) if is_published else checkpoint.license,
        training_data="synthetic cohort"
        if checkpoint.miniature
        else entry.training_data
        if is_published
        else "",
        miniature=checkpoint.miniature,
        architecture=architecture_of(checkpoint, adapter=entry.adapter),
        identity=describe(request),
        weight_bytes=sum(
            (checkpoint.folder / file).stat().st_size
            for file in checkpoint.files
            if file.endswith(_WEIGHTS)
        ),
        not_measured=NOT_ASKED,
        no_geometry=NO_DATA,
    )


def _license(request: ModelRequest) -> str:
    return request.entry.license + " (research only)" * request.entry.research_only


def _measured(request: ModelRequest, plan: InspectionPlan) -> tuple[object, Measurement]:
    from vesalius.models.timing import MeasurePlan, measure

    load = partial(open_model, request, device=plan.device)
    return measure(load, MeasurePlan(plan.device, plan.batch_sizes, plan.budget_s))


def _with_geometry(
    card: ArchitectureCard, model: object, gallery: _Gallery, plan: InspectionPlan
) -> ArchitectureCard:
    assert card.identity is not None
    reader = FeatureReader(
        lazy=LazyModel(lambda: model),
        card=card.identity,
        source=gallery.source,
        store=FeatureStore(plan.cache),
    )
    try:
        found, rows = geometry_of(
            reader, gallery.source.samples, dataset=gallery.source.dataset.card.name
        )
    except ModelError as error:
        return replace(card, no_geometry=str(error))
    gallery.rows[card.name] = rows
    return replace(card, geometry=found, no_geometry="")
