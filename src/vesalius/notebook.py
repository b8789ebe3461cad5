"""What `models.ipynb` shows beside the results themselves: pictures, cards, rankings, costs.

Every function gives a record that shows itself in a notebook. Miniatures carry a badge wherever
their numbers stand.
"""

import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup
from PIL import Image as Pillow

from vesalius.api import Result
from vesalius.catalog import MODELS, is_on_disk, miniatures, parse_model
from vesalius.data.manifest import Dataset
from vesalius.engine.inspection import InspectionPlan, inspect_models
from vesalius.engine.thumbnails import whole_picture
from vesalius.errors import InputError, WeightsMissingError, did_you_mean
from vesalius.markup import MINIATURE, MINIATURE_NOTE, amount, lines, named, shown, table, text_of
from vesalius.models.architecture import ArchitectureCard
from vesalius.ranking import Choice as Ranked
from vesalius.ranking import rank_runs
from vesalius.records import TASKS, Resampling, Sample, Split
from vesalius.report.architecture_facts import seconds, size
from vesalius.report.boards import Board
from vesalius.report.display import best_entry
from vesalius.report.sheets import Sheet, Tile, composed, example_sheet, in_rows
from vesalius.report.tables import Entry, entries
from vesalius.stats import Placed


@dataclass(frozen=True, slots=True)
class Shown:
    """A table of a notebook, ready as HTML."""

    html: str = field(repr=False)

    def _repr_html_(self) -> str:
        return self.html


@dataclass(frozen=True, slots=True)
class Choice:
    """Names of models that can be evaluated here, and what to do about the others."""

    names: tuple[str, ...]
    missing: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        notes = [f"{name} is not on disk: vesalius fetch {name}" for name in self.missing]
        if any(name in miniatures() for name in self.names):
            notes.append(MINIATURE_NOTE)
        return str(lines([f"{len(self.names)} models: {', '.join(self.names)}", *notes]))


def _small(text: str) -> Markup:
    return Markup("<small>{}</small>").format(shown(text))


def choose_models(*, genuine: bool) -> Choice:
    """The embedded miniatures, or those of the eight genuine models whose weights are on disk.

    Raises:
        WeightsMissingError: if no genuine weights are on disk; says how to get them.
    """
    if not genuine:
        return Choice(miniatures())
    there = tuple(name for name in MODELS if is_on_disk(parse_model(name)))
    if not there:
        raise WeightsMissingError(
            "no genuine weights are on disk; on a connected machine run: "
            f"vesalius fetch {' '.join(MODELS)}"
        )
    return Choice(there, tuple(name for name in MODELS if name not in there))


def sample_pictures(data: Dataset, /, *, n: int = 6, split: Split = "test") -> Sheet:
    """The first samples of a split with their labels and captions.

    Raises:
        DataError: if an image cannot be read.
    """
    samples = data.split(split)[:n]
    tiles = [Tile(_png(data, one), number) for number, one in enumerate(samples, start=1)]
    rows = [
        (str(number), one.id, ", ".join(one.labels) or "none", one.caption or "")
        for number, one in enumerate(samples, start=1)
    ]
    title = f"{data.card.name}: {len(data.split(split))} {split} samples of {len(data)}"
    words = table(("", "sample", "labels", "caption"), rows, title=title)
    return Sheet(composed(in_rows(tiles)), str(words))


def _png(data: Dataset, sample: Sample) -> bytes:
    stream = io.BytesIO()
    Pillow.fromarray(whole_picture(data, sample)).save(stream, format="PNG")
    return stream.getvalue()


def architectures(names: Sequence[str], /) -> Shown:
    """Size, arithmetic, input and capabilities of models; loads and measures nothing.

    Below the numbers of a miniature stand those of the published model that it imitates.
    """
    small = [name for name in names if name in miniatures()]
    genuine = [name.removeprefix("mini:") for name in small]
    found = _inspected([*names, *genuine], InspectionPlan(measure=False))
    cards = {card.name: card for card in found}
    imitated = dict(zip(small, genuine, strict=True))
    rows = [_card_row(cards[name], cards.get(imitated.get(name, ""))) for name in names]
    columns = ("model", "parameters", "an image", "input", "embedding", "how it joins", "can")
    notes = ["An image: floating point operations of the image network, two per multiply–add."]
    if small:
        notes += ["In brackets: the published architecture.", MINIATURE_NOTE]
    return Shown(str(table(columns, rows, notes=notes, numeric=columns[1:4])))


def _inspected(names: Sequence[str], plan: InspectionPlan) -> tuple[ArchitectureCard, ...]:
    with warnings.catch_warnings():
        # libraries below ask for ipywidgets when they are first imported in a notebook
        warnings.filterwarnings("ignore", message="IProgress not found")
        return inspect_models(names, plan=plan).cards


def _card_row(card: ArchitectureCard, genuine: ArchitectureCard | None) -> tuple[object, ...]:
    shown_cards = [card] if genuine is None else [card, genuine]
    numbers = zip(*(_numbers(one) for one in shown_cards), strict=True)
    return (
        named(card.name, miniature=card.miniature),
        *(lines([own, *(_small(f"({text})") for text in rest)]) for own, *rest in numbers),
        card.architecture.fusion,
        _small(", ".join(parse_model(card.name).entry.capabilities)),
    )


def _numbers(card: ArchitectureCard) -> tuple[str, ...]:
    made = card.architecture
    seen = next(tower for tower in made.towers if tower.role == "image")
    return (
        amount(made.parameters),
        amount(seen.passes[0].flops, unit="FLOPs"),
        f"{seen.input_size} px",
        ", ".join(f"{what} {n}" for what, n in made.embedding_dims.items()),
    )


def examples(
    result: Result, task: str, /, *, data: Dataset | None = None, model: str | None = None
) -> Sheet:
    """Pictures of what a model answered at a task; by default of the one with the best headline.

    Args:
        result: a finished run.
        task: any of the six but classification.
        data: whose captions are shown beside what was searched for.
        model: whose answers; its best protocol is taken.

    Raises:
        InputError: if there is nothing to look at.
    """
    made = entries(result.outcomes, result.metrics)
    entry = best_entry(made, task, model=model)
    captions = {sample.id: sample.caption or sample.id for sample in data or ()}
    sheet = None if entry is None else example_sheet(result.run, entry, captions=captions)
    if sheet is None:
        known = sorted({one.cell.task for one in made} - {"classification"})
        hint = did_you_mean(task, known)
        raise InputError(f"no examples of {task!r}{hint}; expected one of {', '.join(known)}")
    return sheet


def compared(result: Result, /, *, resampling: Resampling | None = None) -> Shown:
    """Rankings in which models that share a letter cannot be told apart, on the same patients.

    Args:
        result: a finished run.
        resampling: of patients; that of the run by default.

    Raises:
        UsageError: if no model has a number.
    """
    spec = result.run.info["spec"]
    own = Resampling(spec["seed"], spec["n_resamples"], spec["level"])
    return Shown(_rankings(rank_runs([result.path], Ranked(resampling=resampling or own))))


def _rankings(boards: Sequence[Board]) -> str:
    rows = [
        (
            f"{board.standing.task} · {board.standing.protocol}",
            board.standing.metric,
            Markup(", ").join(_placed(placed) for placed in board.standing.placed),
        )
        for board in boards
    ]
    alpha = f"{boards[0].standing.alpha:.0%}"
    has_small = any(fact.is_miniature for board in boards for fact in board.facts.values())
    notes = [
        "Best value first. Models that share a letter cannot be told apart: paired bootstrap of "
        f"patients, Holm within each line of this table, {alpha}.",
        *[MINIATURE_NOTE] * has_small,
    ]
    title = Markup("Which models differ {}").format(MINIATURE if has_small else "")
    return str(table(("task · protocol", "metric", "ranking"), rows, title=title, notes=notes))


def _placed(one: Placed) -> Markup:
    letters = Markup("<sup><b>{}</b></sup>").format(one.letters or "–")
    name = Markup("<b>{}</b>").format(shown(one.model))
    return Markup("{}{} {}").format(name, letters, _small(text_of(one.estimate.value)))


def costs(result: Result, names: Sequence[str], /, *, budget_s: float = 0.3) -> Shown:
    """Parameters, time and memory of models beside their best headline of each task.

    Times and memory are measured now, on this machine.

    Args:
        result: a finished run.
        names: of models that can be loaded by name.
        budget_s: seconds given to each call that is timed.
    """
    plan = InspectionPlan(batch_sizes=(1,), budget_s=budget_s)
    cards = _inspected(names, plan)
    made = entries(result.outcomes, result.metrics)
    columns = ("model", "parameters", "an image", "an answer", "memory", *TASKS)
    rows = [
        (
            named(card.name, miniature=card.miniature),
            amount(card.architecture.parameters),
            _time(card, "encode_images"),
            _time(card, "generate"),
            _memory(card),
            *(_best(best_entry(made, task, model=card.name)) for task in TASKS),
        )
        for card in cards
    ]
    notes = [
        "An image and an answer: median time of one call, preprocessing included. Memory: what "
        "loading and encoding add to the process, so later rows profit from earlier ones. Quality: "
        "the best headline of each task over protocols, chosen on the same test rows, for a rough "
        "look only.",
        *[MINIATURE_NOTE] * any(card.miniature for card in cards),
    ]
    return Shown(str(table(columns, rows, notes=notes, numeric=columns[1:])))


def _time(card: ArchitectureCard, operation: str) -> str:
    timings = () if card.measurement is None else card.measurement.timings
    found = [one.p50_s for one in timings if one.operation == operation]
    return seconds(found[0]) if found else "–"


def _memory(card: ArchitectureCard) -> str:
    return size(math.nan if card.measurement is None else card.measurement.peak_memory)


def _best(entry: Entry | None) -> str:
    return (
        "n/a" if entry is None or entry.headline is None else text_of(entry.headline.estimate.value)
    )
