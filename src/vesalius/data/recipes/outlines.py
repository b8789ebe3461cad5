"""Pictures with outlined structures; published masks of 0 and 255 become label maps.

* Montgomery: ``CXR_png/MCUCXR_0001_0.png`` (last digit 1: tuberculosis), the same names in
  ``ManualMask/leftMask`` and ``ManualMask/rightMask``. Jaeger et al. (2014),
  doi:10.3978/j.issn.2223-4292.2014.11.20.
* Shenzhen: ``CXR_png/CHNCXR_0001_0.png``; lungs drawn later by others for most of them,
  ``mask/CHNCXR_0001_0_mask.png``.
* Kvasir-SEG: ``Kvasir-SEG/images/NAME.jpg``, ``Kvasir-SEG/masks/NAME.jpg``. Jha et al.
  (2020), arXiv:1911.07069.
* ISIC 2018: ``ISIC2018_Task1-2_Training_Input/ISIC_0000000.jpg`` with
  ``ISIC2018_Task1_Training_GroundTruth/ISIC_0000000_segmentation.png``, and the same with
  ``Validation`` and ``Test``; ``ISIC2018_Task3_Training_GroundTruth/…GroundTruth.csv`` with
  ``image`` and a 0 or 1 for ``MEL``, ``NV``, ``BCC``, ``AKIEC``, ``BKL``, ``DF``, ``VASC``.
  Codella et al. (2019), arXiv:1902.03368.
* BUSI: ``benign/benign (1).png`` with ``benign (1)_mask.png``, ``benign (1)_mask_1.png`` …; the
  folders are ``benign``, ``malignant``, ``normal``. Al-Dhabyani et al. (2020),
  doi:10.1016/j.dib.2019.104863.
"""

from pathlib import Path

from vesalius.data.recipes.masks_out import merged_mask
from vesalius.data.recipes.recipe import Recipe, Source, TableRow, Tables
from vesalius.data.recipes.splits import hashed_split
from vesalius.data.recipes.tabular import csv_rows
from vesalius.records import Split

_ISIC_PARTS: tuple[tuple[Split, str], ...] = (
    ("train", "Training"), ("val", "Validation"), ("test", "Test"),
)  # fmt: skip
_TUBERCULOSIS = {"0": "normal", "1": "tuberculosis"}


def read_montgomery(recipe: Recipe, source: Source, /) -> Tables:
    """Radiographs with both lungs."""
    rows = []
    for path in sorted((source.root / "CXR_png").glob("MCUCXR_*.png")):
        masks = source.root / "ManualMask"
        parts = {
            recipe.structures[f"{side} lung"]: [masks / f"{side}Mask" / path.name]
            for side in ("left", "right")
        }
        rows.append(_screened(recipe, source, path, parts))
    return Tables(rows)


def read_shenzhen(recipe: Recipe, source: Source, /) -> Tables:
    """Radiographs, most of them with lungs; those without a mask take no part in segmentation."""
    rows = []
    for path in sorted((source.root / "CXR_png").glob("CHNCXR_*.png")):
        mask = source.root / "mask" / f"{path.stem}_mask.png"
        rows.append(_screened(recipe, source, path, {1: [mask]} if mask.exists() else {}))
    return Tables(rows)


def _screened(recipe: Recipe, source: Source, path: Path, parts: dict[int, list[Path]]) -> TableRow:
    mask = merged_mask(parts, source, f"masks/{path.name}", like=path) if parts else ""
    return {
        "id": path.stem,
        "split": hashed_split(recipe.name, path.stem),
        "image": source.link(path),
        "label": _TUBERCULOSIS.get(path.stem[-1], path.stem[-1]),
        "mask": mask,
    }


def read_kvasir_seg(recipe: Recipe, source: Source, /) -> Tables:
    """Polyps; the masks are JPEG, so everything brighter than the middle belongs to the polyp."""
    rows: list[TableRow] = []
    for path in sorted((source.root / "Kvasir-SEG" / "images").glob("*.jpg")):
        parts = {1: [source.root / "Kvasir-SEG" / "masks" / path.name]}
        rows.append(
            {
                "id": path.stem,
                "split": hashed_split(recipe.name, path.stem),
                "image": source.link(path),
                "mask": merged_mask(parts, source, f"masks/{path.stem}.png", like=path),
            }
        )
    return Tables(rows)


def read_isic_outlines(_: Recipe, source: Source, /) -> Tables:
    """Lesions of task 1 in the three official parts."""
    rows: list[TableRow] = []
    for split, part in _ISIC_PARTS:
        masks = source.root / f"ISIC2018_Task1_{part}_GroundTruth"
        for path in sorted((source.root / f"ISIC2018_Task1-2_{part}_Input").glob("*.jpg")):
            drawn = {1: [masks / f"{path.stem}_segmentation.png"]}
            rows.append(
                {
                    "id": path.stem,
                    "split": split,
                    "image": source.link(path),
                    "mask": merged_mask(drawn, source, f"masks/{path.stem}.png", like=path),
                }
            )
    return Tables(rows)


def read_isic_diagnoses(recipe: Recipe, source: Source, /) -> Tables:
    """Diagnoses of task 3 in the three official parts."""
    rows: list[TableRow] = []
    for split, part in _ISIC_PARTS:
        stem = f"ISIC2018_Task3_{part}_GroundTruth"
        table = source.root / stem / f"{stem}.csv"
        for row in csv_rows(table, source, needed=("image", *recipe.classes)):
            found = [name for name in recipe.classes if float(row[name]) == 1]
            path = source.root / f"ISIC2018_Task3_{part}_Input" / f"{row['image']}.jpg"
            rows.append(
                {
                    "id": row["image"],
                    "split": split,
                    "image": source.link(path),
                    "label": "|".join(found),
                }
            )
    return Tables(rows)


def read_busi(recipe: Recipe, source: Source, /) -> Tables:
    """Breast ultrasound; masks of one picture are united, those of normal ones are empty."""
    rows: list[TableRow] = []
    for label in recipe.classes:
        folder = source.root / label
        for path in sorted(folder.glob("*.png")):
            if "_mask" in path.stem:
                continue
            parts = {1: sorted(folder.glob(f"{path.stem}_mask*.png"))}
            name = path.stem.replace(" ", "-").replace("(", "").replace(")", "")
            rows.append(
                {
                    "id": name,
                    "split": hashed_split(recipe.name, name),
                    "image": source.link(path),
                    "label": label,
                    "mask": merged_mask(parts, source, f"masks/{name}.png", like=path),
                }
            )
    return Tables(rows)
