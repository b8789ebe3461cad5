"""Chest radiographs: tables, lists, boxes and run lengths as their publishers write them."""

import json
from pathlib import Path

import numpy as np
import pydicom
from published import SPREAD, Layout, numbers, picture, pixels, text
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid


def _dicom(path: Path, seed: int, side: int) -> None:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = (
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID,
    )  # fmt: skip
    data.Modality, data.PhotometricInterpretation = "CR", "MONOCHROME2"
    data.Rows = data.Columns = side
    data.SamplesPerPixel, data.PixelRepresentation = 1, 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    data.PixelData = np.resize(pixels(seed, (side, 64)), (side, side)).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, data)


def _nih(root: Path) -> None:
    head = (
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
        "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
    )
    rows = [
        ("00000001_000.png", "Cardiomegaly|Emphysema", 1, "M", "PA"),
        ("00000002_000.png", "No Finding", 2, "F", "AP"),
        ("00000003_000.png", "Infiltration", 3, "F", "PA"),
        ("00000004_000.png", "Mass", 4, "M", "PA"),
    ]
    lines = [f"{n},{f},0,{p},58,{s},{v},2682,2749,0.143,0.143,\n" for n, f, p, s, v in rows]
    text(root / "Data_Entry_2017_v2020.csv", head + "".join(lines))
    text(root / "train_val_list.txt", "00000001_000.png\n00000002_000.png\n")
    text(root / "test_list.txt", "00000003_000.png\n00000004_000.png")
    text(root / "BBox_List_2017.csv",
         "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
         "00000003_000.png,Infiltrate,5.5,4,10,12.25,,,\n"
         "00000004_000.png,Mass,0,0,8,8,,,\n")  # fmt: skip
    for number, (name, *_) in enumerate(rows):
        picture(root / f"images_00{1 + number % 2}" / "images" / name, number)


def _det10(root: Path) -> None:
    parts = {
        "train": [("1.png", ["Effusion", "Mass"], [[1, 2, 9, 8], [4, 4, 20, 20]]),
                  ("2.png", [], [])],
        "test": [("3.png", ["Nodule", "Nodule"], [[1, 1, 5, 5], [8, 8, 12, 14]]),
                 ("4.png", ["Effusion"], [[2, 2, 18, 20]])],
    }  # fmt: skip
    for part, rows in parts.items():
        keys = ("file_name", "syms", "boxes")
        content = [dict(zip(keys, row, strict=True)) for row in rows]
        text(root / f"{part}.json", json.dumps(content))
        for name, *_ in rows:
            picture(root / f"{part}_data" / part / name, int(name[0]))


def _rsna(root: Path) -> None:
    lines = ["patientId,x,y,width,height,Target"]
    names = "0004cfab-14fd-4e49-80ba-63a80b6b{:04d}"
    chosen = numbers("rsna-pneumonia", names.format)
    for number in chosen:
        name = names.format(number)
        box = "2.0,3.0,10.0,12.0,1" if number % 2 else ",,,,0"
        lines += [f"{name},{box}"] * (2 if number == max(chosen) else 1)
        _dicom(root / "stage_2_train_images" / f"{name}.dcm", number, 32)
    text(root / "stage_2_train_labels.csv", "\n".join(lines) + "\n")


def _siim(root: Path) -> None:
    lines = ["ImageId, EncodedPixels"]
    names = "1.2.276.0.7230010.3.1.4.8323329.{}"
    for number in numbers("siim-pneumothorax", names.format):
        name = names.format(number)
        lines += [f"{name}, {'2050 12 1012 12' if number % 2 else '-1'}"]
        lines += [f"{name}, 409600 100"] * (number == 1)
        _dicom(root / "dicom-images-train" / f"a{number}" / f"b{number}" / f"{name}.dcm",
               number, 1024)  # fmt: skip
    text(root / "train-rle.csv", "\n".join(lines) + "\n")


_FINDINGS = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")


def _chexpert(root: Path) -> None:
    lines = ["Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding," + ",".join(_FINDINGS)]
    for number, _ in enumerate(_FINDINGS):
        path = f"CheXpert-v1.0/train/patient0000{number}/study1/view1_frontal.jpg"
        marks = ",".join("1.0" if one == number else "0.0" for one in range(5))
        lines.append(f"{path},Male,60,Frontal,AP,,{marks}")
        picture(root / path, number)
    text(root / "chexpert_5x200.csv", "\n".join(lines))


def _ms_cxr(root: Path) -> None:
    lines = ["dicom_id,category_name,label_text,path,x,y,w,h,image_width,image_height,split"]
    for number, split in enumerate(("train", "test", "test")):
        name = f"02aa804e-{number}"
        path = f"files/p10/p1000003{number}/s50414267/{name}.jpg"
        row = f'{name},Pneumonia,"Opacity, left base {number}",{path},4,5,10,12,32,24,{split}'
        lines += [row] * (2 if number == 2 else 1)
        picture(root / path, number)
    text(root / "MS_CXR_Local_Alignment_v1.1.0.csv", "\n".join(lines))


LAYOUTS = {
    "chestxray14": Layout(
        _nih, {"samples": {"train": 2, "test": 2}, "phrases": {"test": 2}},
        "grounding", "similarity-map",
        {"labels": ("Cardiomegaly", "Emphysema"), "patient": "1"}),
    "chestx-det10": Layout(
        _det10, {"samples": {"train": 2, "test": 2}, "phrases": {"train": 2, "test": 3}},
        "grounding", "similarity-map", {"labels": ("Effusion", "Mass"), "id": "1"}),
    "rsna-pneumonia": Layout(
        _rsna, {"samples": SPREAD},
        "classification", "zero-shot", {}, "3000 official test"),
    "siim-pneumothorax": Layout(
        _siim, {"samples": SPREAD},
        "segmentation", "zero-shot", {}, "not published"),
    "chexpert-5x200": Layout(
        _chexpert, {"samples": {"test": 5}}, "classification", "zero-shot",
        {"labels": ("Atelectasis",), "patient": "patient00000"}),
    "ms-cxr": Layout(
        _ms_cxr, {"samples": {"test": 3}, "phrases": {"test": 4}}, "grounding",
        "similarity-map", {"patient": "p10000030"}),
}  # fmt: skip
