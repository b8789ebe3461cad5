"""A run with everything that the sample browser shows: masks, boxes, questions, volumes."""

from pathlib import Path

import nibabel as nib
import numpy as np
from demo_run import Names, build_run
from PIL import Image as Pillow

from vesalius.records import Cell, Done, Predictions
from vesalius.store.pictures import Frame, encode_labels, encode_picture, labels_path, picture_path
from vesalius.store.runs import RunFolder
from vesalius.store.volumes import encode_volume, volume_labels_path, volume_path

N = 6
CT = "ct"
CT_SIZE = (40, 30, 20)
MARK = (33, 24, 15)  # right, anterior, superior of the middle
SIDE = 64  # pixels of the flat images
STRUCTURES = {"heart": 2}
PLAIN = Names()


def build_sample_run(path: Path, names: Names = PLAIN, *, question: str = "Is it there?") -> Path:
    """A run of classification and retrieval, with more tasks on the same samples and a CT."""
    build_run(path, names, n=24)
    folder = RunFolder(path)
    info = folder.info()
    assert info is not None
    card = dict(info["datasets"][names.dataset], structures=STRUCTURES)
    deep = dict(card, name=CT, digest="c" * 64)
    info["datasets"] |= {names.dataset: card, CT: deep}
    folder.write_info(info)
    for number, model in enumerate(names.models[:2]):
        _write(folder, Cell(model, names.dataset, "segmentation", "zero-shot"),
               _masks(path, names, number, deep=False))  # fmt: skip
        _write(folder, Cell(model, CT, "segmentation", "zero-shot"),
               _masks(path, names, number, deep=True))  # fmt: skip
        _write(
            folder,
            Cell(model, names.dataset, "grounding", "boxes"),
            _boxes(names, question),
        )
        _write(
            folder, Cell(model, names.dataset, "vqa", "free-text"), _said(names, number, question)
        )
    folder.close()
    _write_flat(path, names)
    _write_deep(path, names)
    return path


def _write(folder: RunFolder, cell: Cell, predictions: Predictions) -> None:
    folder.write_outcome(Done(cell, "f" * 64, "0" * 16, predictions.n_rows, 0, 1.0))
    folder.write_predictions(cell, predictions)


def _table(names: Names, **columns: list[object]) -> Predictions:
    n = len(next(iter(columns.values())))
    ids = [names.sample.format(i) for i in range(n)]
    made = {
        "id": np.array(ids), "patient": np.array(ids), "split": np.full(n, "test"),
        "key": np.array([f"{i}/{name}" for i, name in enumerate(ids)]), "label": np.full(n, ""),
        "subgroup:sex": np.array(["F", "M"] * (n // 2)), "answered": np.ones(n, dtype=bool),
    }  # fmt: skip
    for name, values in columns.items():
        column = np.empty(n, dtype=object)
        column[:] = values
        made[name] = column if isinstance(values[0], list) else np.array(values)
    return Predictions(made)


def _masks(path: Path, names: Names, number: int, *, deep: bool) -> Predictions:
    dice = [round(0.1 * i + 0.05 * number, 3) for i in range(N)]
    n = 2 if deep else N
    maps = []
    for i in range(n):
        name = f"maps/m{number}/{'ct' if deep else 'flat'}/{i}.{'nii.gz' if deep else 'png'}"
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        if deep:
            voxels = np.zeros(CT_SIZE, np.uint8)
            x, y, z = MARK
            voxels[x - 3 : x + 1 + number, y - 3 : y + 1, z - 1 : z + 2] = 1
            nib.save(nib.Nifti1Image(voxels, np.diag([2.0, 2.0, 3.0, 1.0])), path / name)
        else:
            flat = np.zeros((SIDE, SIDE), np.uint8)
            flat[8:24, 8 : 24 + 8 * number] = 255  # upper left
            Pillow.fromarray(flat).save(path / name)
        maps.append(name)
    iou = [value / (2 - value) for value in dice]
    return _table(names, structure=["heart"] * n, dice=dice[:n], iou=iou[:n], map=maps)


def _boxes(names: Names, question: str) -> Predictions:
    absent = [i == N - 1 for i in range(N)]
    answered = [[] if gone else [[0.0, 16.0, 32.0, 48.0]] for gone in absent]
    iou = [np.nan if gone else 0.2 + 0.1 * i for i, gone in enumerate(absent)]
    return _table(
        names, phrase=[f"{question} {i}" for i in range(N)], finding=["nodule"] * N, absent=absent,
        hit=[i >= 3 and not gone for i, gone in enumerate(absent)],
        detected=[not gone for gone in absent], iou=iou, box=answered,
        map=[""] * N,
        reference=[[] if gone else [[32.0, 16.0, 64.0, 48.0]] for gone in absent],
    )  # fmt: skip


def _said(names: Names, number: int, question: str) -> Predictions:
    right = [(i + number) % 3 != 0 for i in range(N)]
    said = ["yes" if one else f"no {question}" for one in right]
    return _table(
        names, question=[f"{question} {i}" for i in range(N)], type=["closed"] * N,
        reference=["yes"] * N, prediction=said, correct=right,
        token_f1=[float(one) for one in right],
        log_likelihood=[float(np.log(0.9 - 0.1 * i)) for i in range(N)],
    )  # fmt: skip


def _write_flat(path: Path, names: Names) -> None:
    """Grey pictures with a bright upper left quarter; the reference is the lower right one."""
    for i in range(N):
        pixels = np.full((SIDE, SIDE), 60, np.uint8)
        pixels[: SIDE // 2, : SIDE // 2] = 150
        labels = np.zeros((SIDE, SIDE), np.uint8)
        labels[SIDE // 2 :, SIDE // 2 :] = STRUCTURES["heart"]
        sample = names.sample.format(i)
        target = picture_path(path, names.dataset, sample)
        target.write_bytes(encode_picture(pixels, Frame((SIDE, SIDE))))
        labels_path(path, names.dataset, sample).write_bytes(encode_labels(labels))


def _write_deep(path: Path, names: Names) -> None:
    """A box of tissue with one bright voxel away from every plane of symmetry."""
    voxels = np.zeros(CT_SIZE, np.uint8)
    voxels[4:36, 4:26, 3:17] = 80
    voxels[MARK] = 255
    labels = np.zeros(CT_SIZE, np.uint8)
    labels[tuple(slice(m - 1, m + 2) for m in MARK)] = STRUCTURES["heart"]
    frame = Frame(CT_SIZE, MARK[2])
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    for i in range(2):
        sample = names.sample.format(i)
        target = volume_path(path, CT, sample)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(encode_volume(voxels, affine))
        volume_labels_path(path, CT, sample).write_bytes(encode_volume(labels, affine))
        picture = picture_path(path, CT, sample)
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(encode_picture(np.ascontiguousarray(frame.plane(voxels)), frame))
        labels_path(path, CT, sample).write_bytes(encode_labels(frame.plane(labels)))
