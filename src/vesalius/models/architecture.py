"""Records of an architecture: what a model is made of, and what was measured of it.

Nothing here imports torch. Lengths are in pixels or tokens; a dimension that a tower has not is
None. Floating point operations count two per multiply-accumulate.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, Protocol, runtime_checkable

from vesalius.markup import MINIATURE_NOTE, amount, lines, named, table
from vesalius.records import Estimate, Json, ModelCard

SCHEMA = 1  # of `ArchitectureCard.json`; raised when a field changes its meaning or goes away

Role = Literal["image", "text", "fusion", "language"]
BlockKind = Literal["input", "step", "tower", "output"]


@runtime_checkable
class Measured(Protocol):
    """A loaded model that knows how many parameters it has."""

    @property
    def n_parameters(self) -> int:
        """Number of parameters that the model uses."""
        ...


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """One forward pass whose arithmetic was counted.

    Attributes:
        input: what went in, in words.
        flops: floating point operations of matrix products, convolutions and attention.
        n_tokens: positions that were computed; 0 where there is no sequence.
    """

    input: str
    flops: int
    n_tokens: int = 0

    @property
    def flops_per_token(self) -> float:
        """Mean over the positions of the pass; NaN where there is no sequence."""
        return self.flops / self.n_tokens if self.n_tokens else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Tower:
    """One network of a model.

    Attributes:
        kind: family of the network, e.g. ``vision transformer``.
        depth: layers; of an encoder–decoder those of both halves.
        width: length of a hidden vector.
        heads: attention heads of a layer.
        patch: side of a patch, pixels.
        input_size: side of the input square, pixels.
        context: longest text, tokens.
        vocabulary: rows of the word embedding.
        parameters: of this tower with its projections; a tensor used twice counts once.
        passes: counted forward passes, the usual one first.
    """

    name: str
    role: Role
    kind: str
    parameters: int
    passes: tuple[ForwardPass, ...]
    depth: int | None = None
    width: int | None = None
    heads: int | None = None
    patch: int | None = None
    input_size: int | None = None
    context: int | None = None
    vocabulary: int | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """One box of the diagram.

    Attributes:
        lines: small print below the label, dimensions first.
        stage: column, from input to output.
        lane: row; may lie between two, e.g. 0.5.
    """

    id: str
    label: str
    lines: tuple[str, ...]
    kind: BlockKind
    stage: int
    lane: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What a configuration says, with parameters and arithmetic counted on the meta device.

    Attributes:
        fusion: how image and text come together, in words.
        embedding_dims: name of an embedding → its length.
        tokenizer: kind of the tokenizer.
        preprocessing: how a picture becomes the input square, in words.
        towers: the networks; their parameters and `other_parameters` add up to the model's.
        other_parameters: scales and the like that belong to no tower.
        blocks: boxes of the diagram.
        links: arrows of the diagram, pairs of block ids.
    """

    adapter: str
    fusion: str
    embedding_dims: Mapping[str, int]
    tokenizer: str
    preprocessing: str
    towers: tuple[Tower, ...]
    other_parameters: int = 0
    blocks: tuple[Block, ...] = ()
    links: tuple[tuple[str, str], ...] = ()

    @property
    def parameters(self) -> int:
        """Of the whole model."""
        return sum(tower.parameters for tower in self.towers) + self.other_parameters


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall-clock time of one call over repeats, after a warm-up; seconds.

    Percentiles are observed values (nearest rank): of few repeats, p99 is the slowest.
    """

    operation: str
    batch_size: int
    n_repeats: int
    p50_s: float
    p90_s: float
    p99_s: float

    @property
    def per_second(self) -> float:
        """Items per second at the median time."""
        return self.batch_size / self.p50_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a loaded model needs on this machine.

    Attributes:
        device: name of the processor or graphics card.
        threads: `torch.get_num_threads`.
        input: the picture that was encoded, in words.
        timings: end to end, from `Image` or string to numpy rows, so preprocessing is included.
        network_share: share of `encode_images` at batch 1 that is spent inside torch modules; the
            rest is preprocessing, copying and normalisation.
        load_s: seconds from files to a usable model.
        peak_memory: bytes, as `memory_kind` says; NaN where it cannot be measured.
        memory_kind: what `peak_memory` is, or why there is none.
    """

    device: str
    threads: int
    input: str
    timings: tuple[Timing, ...]
    network_share: float
    load_s: float
    peak_memory: float
    memory_kind: str


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where a model puts the samples of a dataset in its embedding space.

    Attributes:
        n_samples: pictures with a finite embedding.
        n_pairs: those with a caption too.
        estimates: one per quantity, without interval; `reason` says why a value is NaN.
    """

    dataset: str
    n_samples: int
    n_pairs: int
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureCard:
    """Everything `vesalius inspect` knows about one model.

    Attributes:
        name: as the user asked for it.
        identity: card of the files on disk; None when they are not there, and `missing` then says
            how to get them.
        source: repository, or where else the weights come from.
        architecture: from the configuration on disk, else the published one.
        loaded_parameters: counted in the loaded model; None when it was not loaded.
        weight_bytes: size of the weight files; None when they are not on disk.
        measurement: None when not measured; `not_measured` then says why.
        geometry: None without data; `no_geometry` then says why.
    """

    name: str
    source: str
    license: str
    training_data: str
    miniature: bool
    architecture: Architecture
    identity: ModelCard | None = None
    missing: str = ""
    loaded_parameters: int | None = None
    weight_bytes: int | None = None
    measurement: Measurement | None = None
    not_measured: str = ""
    geometry: Geometry | None = None
    no_geometry: str = ""

    @property
    def on_disk(self) -> bool:
        """Whether the weights are on this machine."""
        return self.identity is not None

    def json(self) -> dict[str, Json]:
        """The card as plain JSON; NaN becomes null, and a reason stands beside it."""
        record = {"schema": SCHEMA} | asdict(self)
        record["on_disk"] = self.on_disk
        record["architecture"]["parameters"] = self.architecture.parameters
        plain: dict[str, Json] = _plain(record)
        return plain

    def _repr_html_(self) -> str:
        """The networks as a table, for notebooks."""
        columns = ("network", "kind", "parameters", "layers", "width", "input", "arithmetic")
        rows = [
            (
                tower.name,
                tower.kind,
                amount(tower.parameters),
                *("" if size is None else str(size) for size in (tower.depth, tower.width)),
                "" if tower.input_size is None else f"{tower.input_size} px",
                lines(f"{p.input}: {amount(p.flops, unit='FLOPs')}" for p in tower.passes),
            )
            for tower in self.architecture.towers
        ]
        total = f"{amount(self.architecture.parameters)} parameters; {self.architecture.fusion}"
        notes = [total, *[self.missing] * bool(self.missing), *[MINIATURE_NOTE] * self.miniature]
        title = named(self.name, miniature=self.miniature)
        return str(table(columns, rows, title=title, notes=notes))


@dataclass(frozen=True, slots=True)
class Similarity:
    """Similarity of embeddings between models, on the samples that all of them could embed.

    Attributes:
        values: symmetric, rows and columns in the order of `models`; NaN where undefined.
        reason: why values are NaN.
    """

    metric: str
    dataset: str
    n_samples: int
    models: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    reason: str = ""

    def json(self) -> dict[str, Json]:
        """As plain JSON; NaN becomes null."""
        plain: dict[str, Json] = _plain(asdict(self))
        return plain


@dataclass(frozen=True, slots=True)
class Inspection:
    """Cards of several models and, given data, how alike their embeddings are."""

    cards: tuple[ArchitectureCard, ...]
    similarities: tuple[Similarity, ...] = field(default=())

    def json(self) -> dict[str, Json]:
        """As plain JSON."""
        return {
            "schema": SCHEMA,
            "models": [card.json() for card in self.cards],
            "similarities": [similarity.json() for similarity in self.similarities],
        }

    def _repr_html_(self) -> str:
        """Every card, for notebooks."""
        return "\n".join(card._repr_html_() for card in self.cards)


def _plain(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
