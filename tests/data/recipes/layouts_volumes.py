"""Volumes: NIfTI files and tables as their publishers have them."""

import json
from pathlib import Path

import nibabel
import numpy as np
from published import SPREAD, Layout, numbers, text

from vesalius.data.recipes import RECIPES
from vesalius.data.recipes.recipe import Recipe

_SHAPE = (12, 10, 8)
_AFFINE = np.diag([-1.5, -1.5, 2.0, 1.0])


def _nifti(path: Path, voxels: np.ndarray) -> None:
    image = nibabel.Nifti1Image(voxels, _AFFINE)
    image.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)


def _volume(path: Path, seed: int, channels: int = 0) -> None:
    shape = (*_SHAPE, channels) if channels else _SHAPE
    values = np.random.default_rng(seed).integers(-1000, 400, shape)
    _nifti(path, values.astype(np.int16))


def _labels(path: Path, values: range) -> None:
    labels = np.zeros(_SHAPE, np.uint8)
    for value in values:
        labels[2:8, 2:6, value % 6 : value % 6 + 2] = value
    _nifti(path, labels)


def _decathlon(recipe: Recipe, root: Path) -> None:
    folder = root / recipe.options["task"]
    n_channels = 0 if recipe.options.get("channel") is None else 2
    stem, pairs = recipe.name.removeprefix("msd-"), []
    for number in numbers(recipe.name, f"{stem}_{{:03d}}".format):
        name = f"{stem}_{number:03d}.nii.gz"
        _volume(folder / "imagesTr" / name, number, n_channels)
        _labels(folder / "labelsTr" / name, range(1, len(recipe.structures) + 1))
        pairs.append({"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"})
    (folder / "imagesTr" / f"._{stem}_001.nii.gz").write_bytes(b"left by an archiver")
    named = {"0": "background", **{str(v): name for name, v in recipe.structures.items()}}
    content = {"name": stem, "labels": named, "numTraining": len(pairs), "training": pairs,
               "test": [f"./imagesTs/{stem}_099.nii.gz"]}  # fmt: skip
    text(folder / "dataset.json", json.dumps(content))


def _total(root: Path) -> None:
    lines = ["\ufeffimage_id;age;gender;institute;study_type;split"]
    for number, split in enumerate(("train", "val", "test", "test")):
        lines.append(f"s{number:04d};60;m;B;ct thorax;{split}")
        folder = root / f"s{number:04d}"
        _volume(folder / "ct.nii.gz", number)
        for value, name in enumerate(RECIPES["totalsegmentator"].structures):
            _labels(folder / "segmentations" / f"{name}.nii.gz", range(1, 2) if value else range(0))
    text(root / "meta.csv", "\n".join(lines))


def _amos(root: Path) -> None:
    for part, here in (("Tr", (1, 4, 507, 510)), ("Va", (8, 600))):
        for number in here:
            name = f"amos_{number:04d}.nii.gz"
            _volume(root / f"images{part}" / name, number)
            _labels(root / f"labels{part}" / name, range(1, 16))


def _ct_rate(root: Path) -> None:
    folder = root / "dataset"
    names = ("valid_1_a_1", "valid_1_a_2", "valid_2_a_1", "valid_3_a_1")
    classes = RECIPES["ct-rate"].classes
    labels = ["VolumeName," + ",".join(classes)]
    reports = ["VolumeName,ClinicalInformation_EN,Technique_EN,Findings_EN,Impressions_EN"]
    for number, name in enumerate(names):
        marks = ",".join(str(int(one == number)) for one in range(len(classes)))
        labels.append(f"{name}.nii.gz,{marks}")
        reports.append(f'{name}.nii.gz,Cough,CT,"Clear, no mass. {number}",Normal.')
        patient, scan = name[:7], name[:9]
        _volume(folder / "valid" / patient / scan / f"{name}.nii.gz", number)
    text(folder / "multi_abnormality_labels" / "valid_predicted_labels.csv", "\n".join(labels))
    text(folder / "radiology_text_reports" / "validation_reports.csv", "\n".join(reports))


def _msd(recipe: Recipe) -> Layout:
    is_run = recipe.name in ("msd-prostate", "msd-spleen")
    return Layout(
        lambda root: _decathlon(recipe, root), {"samples": SPREAD},
        "segmentation" if is_run else "", "zero-shot", note="labels of imagesTs",
    )  # fmt: skip


def _volumetric(build: object, counts: dict[str, int], **more: object) -> Layout:
    return Layout(build, {"samples": counts}, "segmentation", "zero-shot", **more)  # type: ignore[arg-type]


LAYOUTS = {
    **{name: _msd(one) for name, one in RECIPES.items() if one.folder == "msd"},
    "totalsegmentator": _volumetric(_total, {"train": 1, "val": 1, "test": 2}),
    "amos-ct": _volumetric(_amos, {"train": 2, "test": 1}, columns={"id": "amos_0001"}),
    "amos-mri": _volumetric(_amos, {"train": 2, "test": 1}, columns={"id": "amos_0507"}),
    "ct-rate": Layout(_ct_rate, {"samples": {"test": 4}}, "retrieval", "embedding",
                      {"patient": "valid_1", "labels": ("Medical material",)}),
}  # fmt: skip
