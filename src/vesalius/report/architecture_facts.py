"""An architecture card in words: the rows that console and page both show."""

import math
from dataclasses import dataclass

from vesalius.markup import amount as amount  # noqa: PLC0414 - lives lower, is known here
from vesalius.markup import three_digits
from vesalius.models.architecture import (
    ArchitectureCard,
    ForwardPass,
    Geometry,
    Inspection,
    Measurement,
    Timing,
    Tower,
)
from vesalius.report.tables import text_of

NOT_AVAILABLE = "n/a"
CKA_TITLE = "Linear CKA (unbiased) of image embeddings"


def size(n_bytes: float, /) -> str:
    """Bytes in powers of ten.

    >>> size(605_200_000)
    '605 MB'
    """
    return amount(n_bytes, unit="B")


def seconds(value: float, /) -> str:
    """A duration in seconds or milliseconds.

    >>> seconds(0.00674)
    '6.74 ms'
    """
    if math.isnan(value):
        return NOT_AVAILABLE
    return f"{three_digits(value)} s" if value >= 1 else f"{three_digits(1000 * value)} ms"


def parameters(tower_or_total: int, /) -> str:
    """Number of parameters in millions, one decimal from a million on.

    >>> parameters(151_277_313)
    '151.3 M'
    """
    if tower_or_total >= 1_000_000:
        return f"{tower_or_total / 1e6:,.1f} M"
    return f"{tower_or_total:,}"


def kind_of(card: ArchitectureCard, /) -> str:
    """What the card is of: a miniature, the published architecture, or files on disk."""
    if card.miniature:
        return "miniature, not the genuine model"
    if card.on_disk:
        return f"files on disk ({card.source})"
    return "published architecture; weights are not on disk"


@dataclass(frozen=True, slots=True)
class Fact:
    """A name with its value."""

    name: str
    value: str


def facts(card: ArchitectureCard, /) -> list[Fact]:
    """Identity and overall numbers."""
    made = card.architecture
    rows = [
        Fact("What this is", kind_of(card)),
        Fact("Fusion", made.fusion),
        Fact("Parameters", _all_parameters(card)),
        Fact("Embedding", "; ".join(f"{name} {dim}" for name, dim in made.embedding_dims.items())),
        Fact("Preprocessing", made.preprocessing),
        Fact("Tokenizer", made.tokenizer),
        Fact("Licence", card.license or "not stated"),
        Fact("Training data", card.training_data or "not stated"),
    ]
    if card.identity is None:
        return [*rows, Fact("Weights", f"not on disk; {card.missing}")]
    rows += [
        Fact(
            "Weights", f"{size(card.weight_bytes or 0)} on disk; computed in {card.identity.dtype}"
        ),
        Fact("Processor", card.identity.processor),
        Fact("Revision", card.identity.revision or "none: not from a repository"),
    ]
    return rows


def _all_parameters(card: ArchitectureCard) -> str:
    counted, loaded = card.architecture.parameters, card.loaded_parameters
    if loaded is None or loaded == counted:
        return parameters(counted)
    return f"{parameters(counted)} by the configuration, {parameters(loaded)} in the loaded model"


def tower_facts(tower: Tower, /) -> list[Fact]:
    """The dimensions that a tower has."""
    named = {
        "layers": tower.depth,
        "width": tower.width,
        "heads": tower.heads,
        "patch": tower.patch,
        "input": tower.input_size,
        "context": tower.context,
        "vocabulary": tower.vocabulary,
    }
    units = {"patch": " px", "input": " px", "context": " tokens"}
    return [
        Fact(name, f"{value}{units.get(name, '')}")
        for name, value in named.items()
        if value is not None
    ]


def flops(value: float, /) -> str:
    """A number of floating point operations."""
    return amount(value, unit="FLOPs")


def pass_text(done: ForwardPass, /) -> str:
    """Operations of one pass, with the mean per token where there are tokens."""
    whole = flops(done.flops)
    if done.n_tokens < 2:
        return whole
    return f"{whole} ({flops(done.flops_per_token)} a token)"


def timing_cells(timing: Timing, /) -> tuple[str, ...]:
    """Operation, batch, percentiles, throughput, repeats."""
    return (
        timing.operation,
        str(timing.batch_size),
        seconds(timing.p50_s),
        seconds(timing.p90_s),
        seconds(timing.p99_s),
        f"{three_digits(timing.per_second)}/s",
        str(timing.n_repeats),
    )


TIMING_COLUMNS = ("Call", "Batch", "p50", "p90", "p99", "Throughput", "Repeats")


def circumstances(measurement: Measurement, /) -> str:
    """On what it was measured, and what the times include."""
    share = measurement.network_share
    inside = (
        f"{share:.0%} of one encode_images passes inside the network, the rest is preprocessing, "
        "copying and normalisation"
        if not math.isnan(share)
        else "the share of the network is n/a: no torch module was seen"
    )
    memory = (
        f"{size(measurement.peak_memory)}, {measurement.memory_kind}"
        if not math.isnan(measurement.peak_memory)
        else measurement.memory_kind
    )
    return (
        f"Device: {measurement.device}, {measurement.threads} threads. Input: {measurement.input}. "
        f"Times are end to end, preprocessing included; {inside}. Loading took "
        f"{seconds(measurement.load_s)}. Memory: {memory}."
    )


def geometry_text(value: float, reason: str, /) -> str:
    """A value, or n/a with its reason."""
    return text_of(value) if not math.isnan(value) else f"{NOT_AVAILABLE}: {reason}"


def geometry_title(found: Geometry, /) -> str:
    """Where the samples come from."""
    return f"Embedding geometry on {found.dataset}: {found.n_samples} images, {found.n_pairs} pairs"


def has_miniatures(inspection: Inspection, /) -> bool:
    """Whether any card is of a miniature."""
    return any(card.miniature for card in inspection.cards)
