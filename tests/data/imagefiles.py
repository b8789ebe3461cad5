"""Small image files written by hand for the reader tests."""

import gzip
import io
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from PIL import Image as PillowImage
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"


def dicom(pixels: np.ndarray, **elements: object) -> FileDataset:
    """An uncompressed grey or RGB DICOM data set; keywords set or (None) remove elements."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CT_STORAGE
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = CT_STORAGE
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.PatientName = "CANARY^NAME"
    dataset.Modality = "DX"
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    if pixels.ndim == 3 and not colour:
        dataset.NumberOfFrames = len(pixels)
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def saved(dataset: FileDataset) -> bytes:
    """The file as bytes."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def write_dicom(path: Path, pixels: np.ndarray, **elements: object) -> Path:
    """Write `dicom` to `path`."""
    path.write_bytes(saved(dicom(pixels, **elements)))
    return path


def write_series(
    folder: Path, heights_mm: Sequence[float], *, names: Sequence[str] = (), **elements: object
) -> Path:
    """A CT series with one 3 × 4 slice per height; its stored values are 1000 + 10 · height."""
    folder.mkdir(exist_ok=True)
    uid = generate_uid()
    for index, height in enumerate(heights_mm):
        name = names[index] if names else f"{index:03d}.dcm"
        ct = {
            "Modality": "CT",
            "SeriesInstanceUID": uid,
            "RescaleSlope": 1,
            "RescaleIntercept": -1024,
            "RescaleType": "HU",
            "ImagePositionPatient": [-10.0, -20.0, float(height)],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": [0.5, 0.25],
            "SliceThickness": 5,
        }
        pixels = np.full((3, 4), 1000 + round(10 * height), np.uint16)
        write_dicom(folder / name, pixels, **{**ct, **elements})
    return folder


def nifti_bytes(voxels: np.ndarray, affine: np.ndarray | None = None, **fields: object) -> bytes:
    """A NIfTI-1 file; keywords overwrite header fields after everything else is set."""
    image = nibabel.Nifti1Image(voxels, np.eye(4) if affine is None else affine)
    image.header.set_xyzt_units("mm")
    raw = bytearray(image.to_bytes())
    header = nibabel.Nifti1Header(bytes(raw[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    raw[:348] = header.binaryblock
    return bytes(raw)


def write_nifti(path: Path, voxels: np.ndarray, affine: np.ndarray | None = None) -> Path:
    """Write `nifti_bytes`, packed if the name ends in ``.gz``."""
    raw = nifti_bytes(voxels, affine)
    path.write_bytes(gzip.compress(raw, 1) if path.suffix == ".gz" else raw)
    return path


def write_png(path: Path, pixels: np.ndarray) -> Path:
    """Write 8- or 16-bit grey or RGB."""
    PillowImage.fromarray(pixels).save(path)
    return path


def implicit(dataset: pydicom.Dataset) -> bytes:
    """The data set without preamble and file meta information, as old devices write it."""
    buffer = io.BytesIO()
    del dataset.file_meta
    pydicom.dcmwrite(buffer, dataset, implicit_vr=True, little_endian=True)
    return buffer.getvalue()
