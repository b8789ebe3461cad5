"""CT and MRI volumes: label maps, findings and reports. Read as they are where one file is one map.

* Medical Segmentation Decathlon: ``TaskNN_Name/dataset.json`` with ``training``, a list of
  ``image`` and ``label`` paths; label values as in its ``labels``. Images of several channels are
  four-dimensional; the named channel is written out as a volume of its own. Antonelli et al.
  (2022), doi:10.1038/s41467-022-30695-9.
* TotalSegmentator, version 2: ``meta.csv`` (``;`` between cells, ``image_id``, ``split``),
  ``s0000/ct.nii.gz`` and one file per structure in ``s0000/segmentations``, which are merged.
  Wasserthal et al. (2023), doi:10.1148/ryai.230024.
* AMOS: ``imagesTr/amos_0001.nii.gz`` with ``labelsTr/amos_0001.nii.gz``, ``imagesVa`` with
  ``labelsVa``; numbers from 500 are MRI. Ji et al. (2022), arXiv:2206.08023.
* CT-RATE: ``dataset/valid/valid_1/valid_1_a/valid_1_a_1.nii.gz``,
  ``dataset/multi_abnormality_labels/valid_predicted_labels.csv`` and
  ``dataset/radiology_text_reports/validation_reports.csv``, by ``VolumeName``. Hamamci et al.
  (2024), arXiv:2403.17834.
"""

from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError

from vesalius.data.reading import Reading, contained
from vesalius.data.recipes.recipe import Recipe, Source, TableRow, Tables
from vesalius.data.recipes.splits import hashed_split, val_of_train
from vesalius.data.recipes.tabular import csv_rows, json_content, require
from vesalius.records import Split

AMOS_FIRST_MRI = 500


def read_decathlon(recipe: Recipe, source: Source, /) -> Tables:
    """The labelled volumes of one task."""
    folder = source.root / recipe.options["task"]
    table = folder / "dataset.json"
    content = json_content(table, source)
    require(content, ("training",), table, source)
    rows: list[TableRow] = []
    for pair in content["training"]:
        require(pair, ("image", "label"), table, source)
        path, label = folder / pair["image"], folder / pair["label"]
        name = path.name.removesuffix(".nii.gz")
        channel = recipe.options.get("channel")
        rows.append(
            {
                "id": name,
                "split": hashed_split(recipe.name, name),
                "image": source.link(path)
                if channel is None
                else _channel(path, channel, source, f"images/{name}.nii.gz"),
                "mask": source.link(label),
            }
        )
    return Tables(rows)


def _channel(path: Path, channel: int, source: Source, relative: str) -> str:
    """One channel of a four-dimensional image as a volume of its own."""
    with contained(Reading(source=source.link(path)), ImageFileError):
        image = nibabel.load(path)
        voxels = np.asanyarray(image.dataobj[..., channel])
        one = nibabel.Nifti1Image(voxels, image.affine)
        one.header.set_xyzt_units("mm")
        nibabel.save(one, source.place(relative))
    return relative


def read_totalsegmentator(recipe: Recipe, source: Source, /) -> Tables:
    """All subjects, with one label map of the structures that the recipe names."""
    rows: list[TableRow] = []
    table = source.root / "meta.csv"
    for row in csv_rows(table, source, needed=("image_id", "split"), delimiter=";"):
        folder = source.root / row["image_id"]
        rows.append(
            {
                "id": row["image_id"],
                "split": row["split"],
                "image": source.link(folder / "ct.nii.gz"),
                "mask": _merged(folder / "segmentations", recipe, source),
            }
        )
    return Tables(rows)


def _merged(folder: Path, recipe: Recipe, source: Source) -> str:
    relative = f"masks/{folder.parent.name}.nii.gz"
    labels, affine = None, None
    for name, value in recipe.structures.items():
        path = folder / f"{name}.nii.gz"
        with contained(Reading(source=source.link(path)), ImageFileError):
            part = nibabel.load(path)
            inside = np.asanyarray(part.dataobj) > 0
        if labels is None:
            labels, affine = np.zeros(inside.shape, np.uint8), part.affine
        labels[inside] = value
    nibabel.save(nibabel.Nifti1Image(labels, affine), source.place(relative))
    return relative


def read_amos(recipe: Recipe, source: Source, /) -> Tables:
    """CT or MRI of the two labelled parts; the official validation part is test."""
    rows: list[TableRow] = []
    for part in ("Tr", "Va"):
        for path in sorted((source.root / f"images{part}").glob("amos_*.nii.gz")):
            name = path.name.removesuffix(".nii.gz")
            is_mri = int(name.removeprefix("amos_")) >= AMOS_FIRST_MRI
            if is_mri != (recipe.modality == "mri"):
                continue
            split: Split = "test" if part == "Va" else val_of_train(recipe.name, name)
            rows.append(
                {
                    "id": name,
                    "split": split,
                    "image": source.link(path),
                    "mask": source.link(source.root / f"labels{part}" / path.name),
                }
            )
    return Tables(rows)


def read_ct_rate(recipe: Recipe, source: Source, /) -> Tables:
    """The validation part, which papers test on: findings and reports by volume."""
    folder = source.root / "dataset"
    columns = ("VolumeName", "Findings_EN", "Impressions_EN")
    reports = {
        row["VolumeName"]: f"{row['Findings_EN']} {row['Impressions_EN']}".strip()
        for row in csv_rows(
            folder / "radiology_text_reports" / "validation_reports.csv", source, needed=columns
        )
    }
    table = folder / "multi_abnormality_labels" / "valid_predicted_labels.csv"
    rows: list[TableRow] = []
    for row in csv_rows(table, source, needed=("VolumeName", *recipe.classes)):
        name = row["VolumeName"].removesuffix(".nii.gz")
        scan = name.rpartition("_")[0]  # valid_1_a_1 is a reconstruction of the scan valid_1_a
        patient = scan.rpartition("_")[0]
        path = folder / "valid" / patient / scan / row["VolumeName"]
        found = [label for label in recipe.classes if float(row[label]) == 1]
        rows.append(
            {
                "id": name,
                "patient": patient,
                "split": "test",
                "image": source.link(path),
                "label": "|".join(found),
                "caption": reports.get(row["VolumeName"], ""),
            }
        )
    return Tables(rows)
