"""Pictures with outlines: folders, names and encodings as their publishers have them."""

from pathlib import Path

import numpy as np
from published import SPREAD, Layout, label_map, numbers, picture, text


def _white(part: int, shape: tuple[int, ...] = (24, 32)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[4:12, 8 * part : 8 * part + 6] = 255
    return mask


def _montgomery(root: Path) -> None:
    for number in numbers("montgomery", lambda n: f"MCUCXR_{n:04d}_{n % 2}"):
        name = f"MCUCXR_{number:04d}_{number % 2}.png"
        picture(root / "CXR_png" / name, number)
        label_map(root / "ManualMask" / "leftMask" / name, _white(2).astype(bool))
        label_map(root / "ManualMask" / "rightMask" / name, _white(0))


def _shenzhen(root: Path) -> None:
    for number in numbers("shenzhen", lambda n: f"CHNCXR_{n:04d}_{n % 2}"):
        stem = f"CHNCXR_{number:04d}_{number % 2}"
        picture(root / "CXR_png" / f"{stem}.png", number, (24, 32, 3))
        if number > 1:
            label_map(root / "mask" / f"{stem}_mask.png", _white(1))


def _kvasir(root: Path) -> None:
    for number in numbers("kvasir-seg", "cju0qk{}".format):
        picture(root / "Kvasir-SEG" / "images" / f"cju0qk{number}.jpg", number, (24, 32, 3))
        mask = np.repeat(_white(1)[:, :, None], 3, axis=2)
        label_map(root / "Kvasir-SEG" / "masks" / f"cju0qk{number}.jpg", mask)


_ISIC = (("Training", 3), ("Validation", 2), ("Test", 2))
_DIAGNOSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")


def _isic1(root: Path) -> None:
    number = 0
    for part, n in _ISIC:
        for _ in range(n):
            stem = f"ISIC_{number:07d}"
            picture(root / f"ISIC2018_Task1-2_{part}_Input" / f"{stem}.jpg", number, (24, 32, 3))
            label_map(root / f"ISIC2018_Task1_{part}_GroundTruth" / f"{stem}_segmentation.png",
                      _white(1))  # fmt: skip
            number += 1
        text(root / f"ISIC2018_Task1-2_{part}_Input" / "ATTRIBUTION.txt", "words")


def _isic3(root: Path) -> None:
    number = 0
    for part, n in _ISIC:
        lines = ["image," + ",".join(_DIAGNOSES)]
        for _ in range(n):
            marks = ",".join("1.0" if one == number % 7 else "0.0" for one in range(7))
            lines.append(f"ISIC_{number:07d},{marks}")
            picture(root / f"ISIC2018_Task3_{part}_Input" / f"ISIC_{number:07d}.jpg", number,
                    (24, 32, 3))  # fmt: skip
            number += 1
        stem = f"ISIC2018_Task3_{part}_GroundTruth"
        text(root / stem / f"{stem}.csv", "\n".join(lines))


def _busi(root: Path) -> None:
    for label in ("benign", "malignant", "normal"):
        for number in numbers("busi", f"{label}-{{}}".format):
            stem = f"{label} ({number})"
            picture(root / label / f"{stem}.png", number, (24, 32, 3))
            shown = _white(1) if label != "normal" else np.zeros((24, 32), np.uint8)
            label_map(root / label / f"{stem}_mask.png", shown.astype(bool))
    first = min((root / "benign").glob("*_mask.png")).name
    label_map(root / "benign" / first.replace("_mask", "_mask_1"), _white(3).astype(bool))


def _outlined(build: object, counts: dict[str, int], **columns: object) -> Layout:
    return Layout(build, {"samples": counts}, "segmentation", "zero-shot", columns)  # type: ignore[arg-type]


LAYOUTS = {
    "montgomery": _outlined(_montgomery, SPREAD),
    "shenzhen": _outlined(_shenzhen, SPREAD),
    "kvasir-seg": _outlined(_kvasir, SPREAD),
    "isic2018-task1": _outlined(_isic1, {"train": 3, "val": 2, "test": 2}, id="ISIC_0000000"),
    "isic2018-task3": Layout(_isic3, {"samples": {"train": 3, "val": 2, "test": 2}},
                             "classification", "zero-shot", {"labels": ("MEL",)}),
    "busi": _outlined(_busi, {s: 3 * n for s, n in SPREAD.items()}, labels=("normal",)),
}  # fmt: skip
