"""The files of a cohort: radiographs, volumes, label maps, tables and cards."""

import csv
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import yaml
from jaxtyping import Float, Num, UInt8
from PIL import Image as Picture
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from vesalius.data.phantom_outcomes import OUTCOME_COLUMNS, outcome_columns
from vesalius.data.phantom_plan import PatientPlan
from vesalius.data.phantom_project import RADIOGRAPH
from vesalius.data.phantom_shapes import GRID, HALF_MM, SPACING_MM
from vesalius.data.phantom_study import STRUCTURES, Study
from vesalius.records import Phrase, Question

Row = Mapping[str, object]
CLASSES = {
    "nodule": ["nodule", "lung nodule", "pulmonary nodule"],
    "consolidation": ["consolidation", "airspace opacity", "airspace consolidation"],
    "effusion": ["pleural effusion", "effusion", "pleural fluid"],
    "pneumothorax": ["pneumothorax", "pleural air"],
    "cardiomegaly": ["cardiomegaly", "enlarged heart", "enlarged cardiac silhouette"],
}
TEMPLATES = {
    "xray": ["chest x-ray showing {}", "radiograph with {}", "findings consistent with {}"],
    "ct": ["chest CT showing {}", "CT scan with {}", "findings consistent with {}"],
}
PROMPTS = {
    "lung": ["lungs", "clear lung"],
    "heart": ["heart", "cardiac silhouette"],
    "effusion": CLASSES["effusion"],
    "consolidation": CLASSES["consolidation"],
    "pneumothorax": CLASSES["pneumothorax"],
    "nodule": CLASSES["nodule"],
}
_OF_BOTH_ARMS = [
    *("id", "patient", "split", "image", "prior_image", "label", "mask", "caption"),
    *("age", "sex", "site", *OUTCOME_COLUMNS),
]
SAMPLE_COLUMNS = {"xray": [*_OF_BOTH_ARMS, "volume"], "ct": _OF_BOTH_ARMS}
TABULAR = {
    "age": "numeric",
    "sex": "categorical",
    "site": "categorical",
    "bnp_pg_ml": "numeric",
    "bed": "numeric",
}
QUESTION_COLUMNS = ["id", "question", "answer", "type", "answers", "choices", "question_type"]
PHRASE_COLUMNS = {
    "xray": ["id", "phrase", "x0", "y0", "x1", "y1"],
    "ct": ["id", "phrase", "x0", "y0", "x1", "y1", "z0", "z1"],
}


def image_name(patient: PatientPlan, study_id: str) -> str:
    """Path of a radiograph: DICOM from the north site, PNG from the others."""
    return f"images/{study_id}.{'dcm' if patient.site == 'north' else 'png'}"


def fixed_uid(*parts: object) -> UID:
    """A DICOM identifier that depends on `parts` alone (the UUID-derived root 2.25)."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


def write_dicom(path: Path, study: Study) -> None:
    """12-bit radiograph; every second patient's scanner writes MONOCHROME1 (white is low)."""
    patient, inverted = study.patient, study.patient.index % 2 == 1
    stored = np.floor(study.radiograph * 4095 + 0.5).astype(np.uint16)
    header = pydicom.Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    header.SOPClassUID = DigitalXRayImageStorageForPresentation
    header.SOPInstanceUID = fixed_uid(patient.seed, study.plan.id, "instance")
    header.StudyInstanceUID = fixed_uid(patient.seed, study.plan.id, "study")
    header.SeriesInstanceUID = fixed_uid(patient.seed, study.plan.id, "series")
    header.Modality, header.ViewPosition, header.BodyPartExamined = "DX", "PA", "CHEST"
    header.PatientID, header.PatientName = patient.patient, f"Phantom^{patient.patient}"
    header.PatientSex, header.PatientAge = patient.sex, f"{patient.age:03d}Y"
    header.PatientOrientation = ["L", "F"]
    header.PixelSpacing = header.ImagerPixelSpacing = [GRID * SPACING_MM / RADIOGRAPH] * 2
    header.SamplesPerPixel, header.PixelRepresentation = 1, 0
    header.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    header.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    header.Rows, header.Columns = stored.shape
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 12, 11
    header.WindowCenter, header.WindowWidth = 2048, 4096
    header.RescaleIntercept, header.RescaleSlope, header.RescaleType = 0, 1, "US"
    header.PixelData = (4095 - stored if inverted else stored).astype("<u2").tobytes()
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.ImplementationClassUID = fixed_uid("vesalius", "phantom")
    header.file_meta.ImplementationVersionName = "VESALIUS_PHANTOM"
    header.save_as(path, enforce_file_format=True)


def write_png(path: Path, grey: Float[np.ndarray, "rows cols"], *, bits: int) -> None:
    """Grey picture of 8 or 16 bits that fills the range of its type."""
    top, dtype = (65535, np.uint16) if bits == 16 else (255, np.uint8)
    Picture.fromarray(np.floor(grey * top + 0.5).astype(dtype)).save(path, compress_level=3)


def write_nifti(path: Path, array: Num[np.ndarray, "x y z"]) -> None:
    """Compressed NIfTI in RAS+ millimetres, its origin at the centre of the grid."""
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    affine[:3, 3] = -HALF_MM
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    # the time stamp and name of the gzip header would make equal cohorts differ
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed:
        packed.write(image.to_bytes())


def write_study(out: Path, study: Study) -> None:
    """Images and label maps of one study, in both arms."""
    name, site = study.plan.id, study.patient.site
    picture = out / image_name(study.patient, name)
    if site == "north":
        write_dicom(picture, study)
    else:
        write_png(picture, study.radiograph, bits=16 if site == "south" else 8)
    _write_label_png(out / f"masks/{name}.png", study.labels_2d)
    write_nifti(out / f"ct/images/{name}.nii.gz", study.hu)
    write_nifti(out / f"ct/masks/{name}.nii.gz", study.labels)


def _write_label_png(path: Path, labels: UInt8[np.ndarray, "rows cols"]) -> None:
    Picture.fromarray(labels).save(path, optimize=False)


def sample_row(study: Study, *, arm: str) -> dict[str, object]:
    """Row of ``samples.csv``."""
    patient, plan = study.patient, study.plan

    def file(study_id: str) -> str:
        is_ct = arm == "ct"
        return f"images/{study_id}.nii.gz" if is_ct else image_name(patient, study_id)

    volume = {"volume": f"ct/images/{plan.id}.nii.gz"} if arm == "xray" else {}
    return {
        "id": plan.id,
        "patient": patient.patient,
        "split": patient.split,
        "image": file(plan.id),
        "prior_image": file(patient.studies[plan.visit - 1].id) if plan.visit else "",
        "label": "|".join(plan.labels),
        "mask": f"masks/{plan.id}.{'nii.gz' if arm == 'ct' else 'png'}",
        "caption": study.report,
        "age": patient.age,
        "sex": patient.sex,
        "site": patient.site,
        **outcome_columns(patient, plan),
        **volume,
    }


def question_row(question: Question) -> dict[str, object]:
    """Row of ``questions.csv``."""
    return {
        "id": question.id,
        "question": question.question,
        "answer": question.answer,
        "type": question.type,
        "answers": "|".join(question.answers),
        "choices": "|".join(question.choices),
        "question_type": question.question_type,
    }


def phrase_row(phrase: Phrase) -> dict[str, object]:
    """Row of ``phrases.csv``; the coordinates of an absent phrase stay empty."""
    names = ("x0", "y0", "x1", "y1", "z0", "z1")
    values = phrase.box or ()
    return {"id": phrase.id, "phrase": phrase.phrase} | dict(zip(names, values, strict=False))


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """CSV with the same line ends everywhere."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_card(path: Path, *, arm: str, seed: int) -> None:
    """``dataset.yaml`` of one arm."""
    card: dict[str, object] = {
        "format": 1,
        "name": "phantom" if arm == "xray" else "phantom-ct",
        "license": "CC0-1.0",
        "citation": f"Vesalius synthetic chest cohort, seed {seed}; no patient was imaged",
        "modality": arm,
        "classes": CLASSES,
        "multilabel": True,
        "templates": TEMPLATES[arm],
        "structures": STRUCTURES,
        "structure_prompts": PROMPTS,
        "tabular": TABULAR,
        "subgroups": ["sex", "site"],
    }
    if arm == "ct":
        card["window_hu"] = {"center": -300, "width": 1400}
    plain = json.loads(json.dumps(card))  # copies of what is shared: YAML would write aliases
    path.write_text(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), encoding="utf-8")
