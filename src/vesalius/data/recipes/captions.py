"""Images with captions or reports.

* ROCOv2: ``train_captions.csv``, ``valid_captions.csv``, ``test_captions.csv`` with ``ID`` and
  ``Caption``, pictures ``train/ROCOv2_2023_train_000001.jpg`` and the like. Rückert et al. (2024),
  doi:10.1038/s41597-024-03496-6.
* Open-I (Indiana University), in the tables that are handed round: ``indiana_reports.csv`` with
  ``uid``, ``findings``, ``impression``; ``indiana_projections.csv`` with ``uid``, ``filename``,
  ``projection``; pictures in ``images/images_normalized``. Demner-Fushman et al. (2016),
  doi:10.1093/jamia/ocv080.
"""

from vesalius.data.recipes.recipe import Recipe, Source, TableRow, Tables
from vesalius.data.recipes.splits import MADE_HERE, hashed_split
from vesalius.data.recipes.tabular import csv_rows
from vesalius.records import Split

_ROCO_PARTS: tuple[tuple[Split, str], ...] = (
    ("train", "train"), ("val", "valid"), ("test", "test"),
)  # fmt: skip
_ROCO = "ROCO, which it was trained on, comes from the same articles and overlaps with ROCOv2"


def read_rocov2(_: Recipe, source: Source, /) -> Tables:
    """The three official parts."""
    rows: list[TableRow] = []
    for split, part in _ROCO_PARTS:
        table = source.root / f"{part}_captions.csv"
        rows += [
            {
                "id": row["ID"],
                "split": split,
                "image": source.link(source.root / part / f"{row['ID']}.jpg"),
                "caption": row["Caption"].strip(),
            }
            for row in csv_rows(table, source, needed=("ID", "Caption"))
        ]
    return Tables(rows)


def read_open_i(recipe: Recipe, source: Source, /) -> Tables:
    """Every radiograph with findings and impression of its report."""
    reports = {
        row["uid"]: " ".join(filter(None, (row["findings"].strip(), row["impression"].strip())))
        for row in csv_rows(
            source.root / "indiana_reports.csv",
            source,
            needed=("uid", "findings", "impression"),
        )
    }
    table = source.root / "indiana_projections.csv"
    rows: list[TableRow] = []
    for row in csv_rows(table, source, needed=("uid", "filename", "projection")):
        path = source.root / "images" / "images_normalized" / row["filename"]
        rows.append(
            {
                "id": row["filename"].removesuffix(".png").removesuffix(".dcm"),
                "patient": row["uid"],
                "split": hashed_split(recipe.name, row["uid"]),
                "image": source.link(path),
                "caption": reports.get(row["uid"], ""),
                "projection": row["projection"],
            }
        )
    return Tables(rows)


RECIPES = (
    Recipe(
        name="rocov2",
        title="ROCOv2: radiology figures of articles with captions",
        tasks=("retrieval", "generation"),
        modality="other",
        read=read_rocov2,
        needs=("train_captions.csv", "valid_captions.csv", "test_captions.csv", "train/*.jpg",
               "valid/*.jpg", "test/*.jpg"),
        url="https://zenodo.org/records/10821435",
        license="CC-BY and CC-BY-NC, by image; as of memory",
        citation="Rückert et al. (2024), ROCOv2, doi:10.1038/s41597-024-03496-6",
        split="official",
        expected={"samples": {"train": 59958, "val": 9904, "test": 9927}},
        patient="the figure; patients are not published",
        overlap={
            "pubmedclip": _ROCO,
            "clipmd": _ROCO,
            "biomedclip": "PMC-15M, which it was trained on, holds figures of the same articles",
        },
        unverified=("counts, licence and name of the record, as of memory",),
        size_mb=None,
        steps=(
            "put the three files of captions into the folder",
            "unpack the three archives of images into the folders train, valid and test",
        ),
    ),
    Recipe(
        name="open-i",
        title="Open-I (IU X-Ray): chest radiographs with reports",
        tasks=("retrieval", "generation"),
        modality="xray",
        read=read_open_i,
        needs=("indiana_reports.csv", "indiana_projections.csv", "images/images_normalized/*.png"),
        subgroups=("projection",),
        url="https://www.kaggle.com/datasets/raddar/chest-xrays-indiana-university",
        license="CC-BY-NC-ND-4.0; as of memory",
        citation="Demner-Fushman et al. (2016), doi:10.1093/jamia/ocv080",
        split=MADE_HERE,
        patient="uid of the report; one report per patient by the paper",
        has_patients=True,
        unverified=("number of radiographs: unknown for this form of the set", "licence"),
        remarks=("all views of a study share one report, and are positives of each other",),
        size_mb=14000,
        steps=(
            "put indiana_reports.csv and indiana_projections.csv into the folder",
            "put the pictures into images/images_normalized",
        ),
    ),
)  # fmt: skip
