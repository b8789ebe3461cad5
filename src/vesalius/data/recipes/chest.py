"""Chest radiographs: how their published layouts are read.

* ChestX-ray14: ``Data_Entry_2017.csv`` or ``Data_Entry_2017_v2020.csv`` (``Image Index``,
  ``Finding Labels`` joined by ``|``, ``Patient ID``, ``Patient Gender``, ``View Position``),
  ``train_val_list.txt``, ``test_list.txt``, ``BBox_List_2017.csv`` whose box columns are called
  ``Bbox [x``, ``y``, ``w``, ``h]``, and PNG files in ``images`` or ``images_001/images`` ….
  There ``Infiltrate`` stands for ``Infiltration``. Wang et al. (2017), arXiv:1705.02315.
* ChestX-Det10: ``train.json``, ``test.json`` with ``file_name``, ``syms`` and ``boxes`` (x0, y0,
  x1, y1), PNG files below ``train_data`` and ``test_data``. Liu et al. (2020), arXiv:2006.10550.
* RSNA: ``stage_2_train_labels.csv`` with ``patientId``, ``x``, ``y``, ``width``, ``height``,
  ``Target``; DICOM files in ``stage_2_train_images``. Shih et al. (2019),
  doi:10.1148/ryai.2019180041.
* SIIM: ``train-rle.csv`` with ``ImageId`` and ``EncodedPixels`` (a blank stands before the second
  name; −1 means none), DICOM files below ``dicom-images-train``; runs are relative, by columns, in
  1024 × 1024 pixels.
* CheXpert 5×200: ``chexpert_5x200.csv`` with ``Path`` (``CheXpert-v1.0/train/patient…``) and one
  column per finding. Huang et al. (2021), doi:10.1109/ICCV48922.2021.00391.
* MS-CXR: ``MS_CXR_Local_Alignment_v1.1.0.csv`` with ``dicom_id``, ``category_name``,
  ``label_text``, ``path`` (``files/p1…``), ``x``, ``y``, ``w``, ``h``. Boecking et al. (2022),
  arXiv:2204.09817.
"""

from collections.abc import Iterator
from pathlib import Path

from vesalius.data.recipes.masks_out import relative_runs
from vesalius.data.recipes.pictures_out import write_png
from vesalius.data.recipes.recipe import Recipe, Source, TableRow, Tables
from vesalius.data.recipes.splits import hashed_split, val_of_train
from vesalius.data.recipes.tabular import csv_rows, json_rows, text_of
from vesalius.records import Split

_NIH_COLUMNS = ("Image Index", "Finding Labels", "Patient ID", "Patient Gender", "View Position")
_NIH_BOX = ("Bbox [x", "y", "w", "h]")
_NIH_SPELLINGS = {"Infiltrate": "Infiltration"}
_SIIM_SIZE = (1024, 1024)
_RSNA_PHRASE = "pneumonia"


def _index(folder: Path, pattern: str) -> dict[str, Path]:
    """File name → path of all files below a folder."""
    return {path.name: path for path in sorted(folder.glob(pattern))}


def _phrase(name: str, phrase: str, box: tuple[float, float, float, float] | None) -> TableRow:
    """A row of phrases from corner and corner; no box means that it is absent."""
    cells = dict(zip(("x0", "y0", "x1", "y1"), box or (None,) * 4, strict=True))
    return {"id": name, "phrase": phrase, **cells}


def _corners(row: dict[str, str], names: tuple[str, ...]) -> tuple[float, float, float, float]:
    """Corner and corner from corner and size."""
    x, y, width, height = (float(row[name]) for name in names)
    return x, y, x + width, y + height


def read_chestxray14(recipe: Recipe, source: Source, /) -> Tables:
    """All images with their findings, and boxes where radiologists drew them."""
    paths = _index(source.root, "images*/*.png") | _index(source.root, "images_*/images/*.png")
    (table,) = sorted(source.root.glob("Data_Entry_2017*.csv"))[:1]
    tested = set(text_of(source.root / "test_list.txt", source).split())
    samples: list[TableRow] = []
    for row in csv_rows(table, source, needed=_NIH_COLUMNS):
        name, patient = row["Image Index"], row["Patient ID"]
        found = row["Finding Labels"].replace("No Finding", "")
        path = paths.get(name, source.root / "images" / name)
        samples.append(
            {
                "id": name.removesuffix(".png"),
                "patient": patient,
                "split": "test" if name in tested else val_of_train(recipe.name, patient),
                "image": source.link(path),
                "label": found,
                "sex": row["Patient Gender"],
                "view": row["View Position"],
            }
        )
    return Tables(samples, phrases=list(_nih_boxes(recipe, source)))


def _nih_boxes(recipe: Recipe, source: Source) -> Iterator[TableRow]:
    path = source.root / "BBox_List_2017.csv"
    for row in csv_rows(path, source, needed=("Image Index", "Finding Label", *_NIH_BOX)):
        label = _NIH_SPELLINGS.get(row["Finding Label"], row["Finding Label"])
        phrase = recipe.classes.get(label, (label.lower(),))[0]
        yield _phrase(row["Image Index"].removesuffix(".png"), phrase, _corners(row, _NIH_BOX))


def read_chestx_det10(recipe: Recipe, source: Source, /) -> Tables:
    """Both parts, with one phrase per finding."""
    samples: list[TableRow] = []
    phrases: list[TableRow] = []
    for part in ("train", "test"):
        path = source.root / f"{part}.json"
        pictures = _index(source.root, f"{part}_data/**/*.png")
        for row in json_rows(path, source, needed=("file_name", "syms", "boxes")):
            name = row["file_name"].removesuffix(".png")
            file = pictures.get(row["file_name"], source.root / f"{part}_data" / row["file_name"])
            split: Split = "test" if part == "test" else val_of_train(recipe.name, name)
            samples.append(
                {
                    "id": name,
                    "split": split,
                    "image": source.link(file),
                    "label": "|".join(dict.fromkeys(row["syms"])),
                }
            )
            for label, box in zip(row["syms"], row["boxes"], strict=True):
                phrases.append(_phrase(name, recipe.classes.get(label, (label,))[0], tuple(box)))
    return Tables(samples, phrases=phrases)


def read_rsna(recipe: Recipe, source: Source, /) -> Tables:
    """The labelled images; those without pneumonia have an absent phrase."""
    columns = ("patientId", "x", "y", "width", "height", "Target")
    samples: dict[str, TableRow] = {}
    phrases: list[TableRow] = []
    for row in csv_rows(source.root / "stage_2_train_labels.csv", source, needed=columns):
        name, is_positive = row["patientId"], row["Target"] == "1"
        samples[name] = {
            "id": name,
            "split": hashed_split(recipe.name, name),
            "image": source.link(source.root / "stage_2_train_images" / f"{name}.dcm"),
            "label": "pneumonia" if is_positive else "no pneumonia",
        }
        box = _corners(row, ("x", "y", "width", "height")) if is_positive else None
        phrases.append(_phrase(name, _RSNA_PHRASE, box))
    return Tables(list(samples.values()), phrases=phrases)


def read_siim(recipe: Recipe, source: Source, /) -> Tables:
    """All images with a mask; several rows of one image are one mask, without one it is empty."""
    table = source.root / "train-rle.csv"
    runs: dict[str, list[str]] = {}
    for row in csv_rows(table, source, needed=("ImageId", "EncodedPixels")):
        text = row["EncodedPixels"].strip()
        runs.setdefault(row["ImageId"].strip(), []).extend([] if text == "-1" else [text])
    images = _index(source.root, "dicom-images-train/**/*.dcm")
    samples: list[TableRow] = []
    for name, texts in runs.items():
        mask = f"masks/{name if texts else 'none'}.png"
        try:
            write_png(source.place(mask), relative_runs(texts, _SIIM_SIZE))
        except ValueError as error:
            raise source.error(table, f"{name}: {error}") from error
        path = images.get(f"{name}.dcm", source.root / "dicom-images-train" / f"{name}.dcm")
        samples.append(
            {
                "id": name,
                "split": hashed_split(recipe.name, name),
                "image": source.link(path),
                "label": "pneumothorax" if texts else "no pneumothorax",
                "mask": mask,
            }
        )
    return Tables(samples)


def read_chexpert_5x200(recipe: Recipe, source: Source, /) -> Tables:
    """Radiographs that show exactly one of five findings; all of them are test."""
    table = source.root / "chexpert_5x200.csv"
    samples: list[TableRow] = []
    for row in csv_rows(table, source, needed=("Path", *recipe.classes)):
        found = [name for name in recipe.classes if row[name] and float(row[name]) == 1]
        if len(found) != 1:
            raise source.error(table, f"{row['Path']}: expected one finding of five, got {found}")
        parts = Path(row["Path"]).parts
        samples.append(
            {
                "id": "-".join(parts[2:]).removesuffix(".jpg"),
                "patient": parts[2] if len(parts) > 2 else "",
                "split": "test",
                "image": source.link(source.root / row["Path"]),
                "label": found[0],
            }
        )
    return Tables(samples)


def read_ms_cxr(_: Recipe, source: Source, /) -> Tables:
    """Sentences with their boxes; all are test, because the set is a benchmark."""
    (table,) = sorted(source.root.glob("MS_CXR_Local_Alignment_v1*.csv"))[-1:]
    columns = ("dicom_id", "category_name", "label_text", "path", "x", "y", "w", "h")
    samples: dict[str, TableRow] = {}
    phrases: list[TableRow] = []
    for row in csv_rows(table, source, needed=columns):
        name, path = row["dicom_id"], Path(row["path"])
        samples[name] = {
            "id": name,
            "patient": path.parts[2] if len(path.parts) > 2 else "",
            "split": "test",
            "image": source.link(source.root / path),
        }
        phrases.append(_phrase(name, row["label_text"], _corners(row, ("x", "y", "w", "h"))))
    return Tables(list(samples.values()), phrases=phrases)
