"""What a recipe is: the facts of a public data set, and the function that reads its layout."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vesalius.data.reading import Reading
from vesalius.errors import DataError
from vesalius.records import Json

PUBLISHED = "published"
"""Name of the link in a prepared folder that leads to the files as they were published."""

TableRow = Mapping[str, str | int | float | None]
TABLES = ("samples", "questions", "phrases")


@dataclass(frozen=True, slots=True)
class Tables:
    """Rows of the three tables of a dataset folder, columns as in ``data.rows``."""

    samples: Sequence[TableRow]
    questions: Sequence[TableRow] = ()
    phrases: Sequence[TableRow] = ()


@dataclass(frozen=True, slots=True)
class WebFile:
    """One file of a web server.

    Attributes:
        name: where it is put, below the folder of the data set.
        md5, sha256: of the whole file, where the publisher states one; empty otherwise.
        size: in bytes, where known.
        unpack: whether it is an archive that is taken apart in the folder and then deleted.
    """

    url: str
    name: str
    md5: str = ""
    sha256: str = ""
    size: int | None = None
    unpack: bool = False


@dataclass(frozen=True, slots=True)
class HubFiles:
    """Files of a data set repository on the hub; `unpack` lists the archives among them."""

    repo: str
    patterns: tuple[str, ...]
    revision: str | None = None
    unpack: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where a reader finds the published files and leaves those it has to convert.

    Attributes:
        root: the folder of the data set.
        out: the folder being prepared; a converted file is named relative to it.
    """

    root: Path
    out: Path

    def link(self, path: Path, /) -> str:
        """How a table names a published file that stays where it is."""
        return f"{PUBLISHED}/{path.relative_to(self.root).as_posix()}"

    def place(self, relative: str, /) -> Path:
        """Where a converted file is to be written; its folder exists afterwards."""
        path = self.out / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def error(self, path: Path, message: str, /) -> DataError:
        """A `DataError` about a published file that is not as its publisher describes it."""
        where = path.relative_to(self.root).as_posix()
        return Reading(source=where).error("bad_table", message)


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """A public data set: what it is, what it should hold, how to get it, how to read it.

    Attributes:
        name: as in ``--data NAME``.
        tasks: those that its tables feed.
        dimensions: 2 for pictures, 3 for volumes.
        read: from the published layout to tables.
        needs: patterns of the files that the reader starts from, relative to the folder; each
            must match for the data set to count as on disk. Their sizes and times, with `version`,
            decide whether a prepared folder may be used again.
        folder: below the data root; several recipes may share one.
        options: what tells recipes with one reader apart.
        prompts_from: where class names and prompts come from.
        credentials: what must be signed or applied for, empty where nothing.
        split: whose split it is, and how it was made.
        expected: table → split, or several joined by ``+`` → number of rows that must be loaded
            from them; absent where not known.
        patient: what the patient column holds, or that there is no key.
        has_patients: whether that column identifies patients or studies.
        split_overlap: what is known of patients or images in several official splits; without it
            an overlap is an error.
        overlap: model → what its training data share with this set; of the eight by name.
        hidden: which labels are not published; cells that need them are n/a for this reason.
        unverified: facts given from memory or from secondary sources.
        remarks: what a reader of a number must know besides.
        get: what `vesalius fetch` downloads; empty where it must be asked for by hand.
        steps: what to put where, for everybody who does it by hand.
    """

    name: str
    title: str
    tasks: tuple[str, ...]
    modality: str
    read: Callable[["Recipe", Source], Tables]
    needs: tuple[str, ...]
    url: str
    license: str
    citation: str
    split: str
    patient: str
    steps: tuple[str, ...]
    dimensions: int = 2
    version: int = 1
    folder: str = ""
    options: Mapping[str, Json] = field(default_factory=dict)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    positive: str | None = None
    multilabel: bool = False
    templates: tuple[str, ...] = ("{}",)
    structures: Mapping[str, int] = field(default_factory=dict)
    structure_prompts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    window_hu: str | Mapping[str, float] | None = None
    tabular: Mapping[str, str] = field(default_factory=dict)
    subgroups: tuple[str, ...] = ()
    prompts_from: str = ""
    credentials: str = ""
    expected: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    has_patients: bool = False
    split_overlap: str = ""
    overlap: Mapping[str, str] = field(default_factory=dict)
    hidden: str = ""
    unverified: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    size_mb: float | None = None
    get: tuple[WebFile | HubFiles, ...] = ()

    @property
    def place(self) -> str:
        """Folder below the data root."""
        return self.folder or self.name
