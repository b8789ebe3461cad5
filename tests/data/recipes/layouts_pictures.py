"""Captions, patches of tissue, the eye: tables, folders, Parquet and shards as published."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from published import SPREAD, Layout, encoded, numbers, picture, text


def _roco(root: Path) -> None:
    for part, n in (("train", 3), ("valid", 2), ("test", 2)):
        lines = ["ID,Caption"]
        for number in range(1, n + 1):
            name = f"ROCOv2_2023_{part}_{number:06d}"
            lines.append(f'{name},"CT of {part}, case {number}"')
            picture(root / part / f"{name}.jpg", number)
        text(root / f"{part}_captions.csv", "\n".join(lines))


def _open_i(root: Path) -> None:
    reports = ["uid,MeSH,Problems,image,indication,comparison,findings,impression"]
    views = ["uid,filename,projection"]
    for uid in numbers("open-i", str):
        reports.append(f'{uid},normal,normal,Xray Chest,,None.,"Heart, lungs clear {uid}.",Normal.')
        for number, view in ((4001, "Frontal"), (3001, "Lateral")):
            name = f"{uid}_IM-0001-{number}.dcm.png"
            views.append(f"{uid},{name},{view}")
            picture(root / "images" / "images_normalized" / name, uid)
    text(root / "indiana_reports.csv", "\n".join(reports))
    text(root / "indiana_projections.csv", "\n".join(views))


def _pcam(root: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    (root / "data").mkdir(parents=True)
    for part, n in (("train", 4), ("valid", 2), ("test", 4)):
        pictures = [{"bytes": encoded(number, "PNG"), "path": "x.png"} for number in range(n)]
        labels = [bool(number % 2) for number in range(n)]
        table = pa.table({"image": pa.array(pictures, kind), "label": labels})
        pq.write_table(table, root / "data" / f"{part}-00000-of-00001-4717c3cf92578c96.parquet")


def _lc25000(root: Path) -> None:
    for organ, kinds in (
        ("lung", ("aca", "n", "scc")), ("colon", ("aca", "n")),
    ):  # fmt: skip
        for kind in kinds:
            folder = root / "lung_colon_image_set" / f"{organ}_image_sets" / f"{organ}_{kind}"
            for number in (1, 2):
                picture(folder / f"{organ}{kind}{number}.jpeg", number, (24, 24, 3))


def _camelyon(root: Path) -> None:
    lines = [",patient,node,x_coord,y_coord,tumor,slide,center,split"]
    rows = [("004", 4, "3", "0"), ("004", 4, "3", "1"), ("017", 1, "0", "0"), ("020", 4, "1", "0"),
            ("051", 2, "2", "0"), ("052", 1, "2", "0")]  # fmt: skip
    for number, (patient, node, center, split) in enumerate(rows):
        lines.append(
            f"{number},{patient},{node},{3328 + number},21792,{number % 2},0,{center},{split}"
        )
        place = f"patient_{patient}_node_{node}"
        picture(root / "patches" / place / f"patch_{place}_x_{3328 + number}_y_21792.png", number,
                (24, 24, 3))  # fmt: skip
    text(root / "metadata.csv", "\n".join(lines))


def shard(path: Path, entries: Mapping[str, bytes]) -> None:
    """A tar archive as the webdataset writer makes it: streamed, with times to the microsecond."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w|") as archive:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), 1674201600.25
            archive.addfile(entry, io.BytesIO(content))


def samples(numbers: range, n_classes: int = 5) -> dict[str, bytes]:
    """Entries of samples whose class is their number, round and round."""
    entries = {}
    for number in numbers:
        entries[f"s{number:07d}.cls"] = str(number % n_classes).encode()
        entries[f"s{number:07d}.webp"] = encoded(number, "WEBP")
    return entries


GRADES = ("no", "mild", "moderate", "severe", "proliferative")


def _diabetic_retinopathy(root: Path) -> None:
    text(root / "classnames.txt", "".join(f"{one} diabetic retinopathy\n" for one in GRADES))
    text(root / "zeroshot_classification_templates.txt", "a retinal image with {c}\n")
    for part, sizes in (("train", (5,)), ("test", (3, 2))):
        start = 0
        for number, size in enumerate(sizes):
            shard(root / part / f"{number}.tar", samples(range(start, start + size)))
            start += size
        text(root / part / "nshards.txt", f"{len(sizes)}\n")


def _classified(build: object, counts: dict[str, int], **columns: object) -> Layout:
    return Layout(build, {"samples": counts}, "classification", "zero-shot", columns)  # type: ignore[arg-type]


LAYOUTS = {
    "rocov2": Layout(_roco, {"samples": {"train": 3, "val": 2, "test": 2}}, "retrieval",
                     "embedding", {"caption": "CT of train, case 1"}),
    "open-i": Layout(_open_i, {"samples": {s: 2 * n for s, n in SPREAD.items()}}, "retrieval",
                     "embedding", {"labelled": False}),
    "pcam": _classified(_pcam, {"train": 4, "val": 2, "test": 4}, labels=("normal",)),
    "lc25000-lung": _classified(_lc25000, {"test": 6}, labels=("lung_aca",)),
    "lc25000-colon": _classified(_lc25000, {"test": 4}, labels=("colon_aca",)),
    "camelyon17-wilds": _classified(_camelyon, {"train": 2, "val": 1, "test": 2}, patient="004"),
    "diabetic-retinopathy": _classified(_diabetic_retinopathy, {"train": 5, "test": 5},
                                        labels=("no diabetic retinopathy",), id="train-s0000000"),
}  # fmt: skip
