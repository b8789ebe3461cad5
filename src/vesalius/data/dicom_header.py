"""The DICOM attributes that matter, read from an allow-list into a frozen record.

Nothing that names a patient, an institution or a date is ever parsed.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from vesalius.data.reading import HEAD_BYTES, Reading, contained

ALLOWED = (
    "Modality",
    "SeriesInstanceUID",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "PixelSpacing",
    "SliceThickness",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "PixelData",
)
"""Keywords of all attributes that are parsed."""

_DEFLATED = b"1.2.840.10008.1.2.1.99"
Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Plane:
    """Place and scale of one frame; LPS millimetres, None where the file does not say.

    Attributes:
        position: centre of the first pixel.
        orientation: direction of growing column index, then of growing row index.
        spacing_mm: between rows, then between columns.
        slope, intercept: stored value → value; None in `slope` when absent.
    """

    position: Vector | None
    orientation: Vector | None
    spacing_mm: Vector | None
    thickness_mm: float | None
    slope: float | None
    intercept: float


@dataclass(frozen=True, slots=True)
class Header:
    """What is needed to decode, show and place the frames of one file."""

    syntax: str
    modality: str
    series: str
    rows: int
    columns: int
    n_frames: int
    n_channels: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    photometric: str
    rescale_type: str
    window: tuple[float, float] | None
    voi_function: str
    planes: tuple[Plane, ...]

    @property
    def is_hu(self) -> bool:
        """Whether rescaled values are Hounsfield units: CT with a rescale of no other type."""
        rescale = all(plane.slope is not None for plane in self.planes)
        return self.modality == "CT" and rescale and self.rescale_type in ("", "HU")


def read_dicom(
    raw: bytes, reading: Reading, *, with_pixels: bool
) -> tuple[pydicom.Dataset, Header]:
    """Parse the allowed attributes of a file, with or without its pixel data.

    Raises:
        DataError: ``undecodable``, ``unsupported``, ``bad_header``, ``bad_shape``, ``too_large``.
    """
    if _DEFLATED in raw[:HEAD_BYTES]:
        # it would be inflated whole and without a cap before anything can be checked
        raise reading.error("unsupported", "a deflated DICOM file; convert it to Explicit VR")
    with contained(reading, InvalidDicomError):
        dataset = pydicom.dcmread(
            io.BytesIO(raw),
            force=raw[128:132] != b"DICM",
            specific_tags=list(ALLOWED),
            stop_before_pixels=not with_pixels,
        )
        header = _header(dataset)
    _require_pixels(header, reading)
    return dataset, header


def _header(dataset: pydicom.Dataset) -> Header:
    syntax = (
        str(dataset.file_meta.get("TransferSyntaxUID", "")) or pydicom.uid.ImplicitVRLittleEndian
    )
    return Header(
        syntax=syntax,
        modality=str(dataset.get("Modality") or ""),
        series=str(dataset.get("SeriesInstanceUID") or ""),
        rows=int(dataset.get("Rows") or 0),
        columns=int(dataset.get("Columns") or 0),
        n_frames=int(dataset.get("NumberOfFrames") or 1),
        n_channels=int(dataset.get("SamplesPerPixel") or 1),
        bits_allocated=int(dataset.get("BitsAllocated") or 0),
        bits_stored=int(dataset.get("BitsStored") or dataset.get("BitsAllocated") or 0),
        signed=dataset.get("PixelRepresentation") == 1,
        photometric=str(dataset.get("PhotometricInterpretation") or ""),
        rescale_type=str(_found(_sources(dataset)[0], _RESCALE, "RescaleType") or ""),
        window=_window(dataset),
        voi_function=str(dataset.get("VOILUTFunction") or "LINEAR"),
        planes=tuple(_plane(sources) for sources in _sources(dataset)),
    )


_RESCALE = "PixelValueTransformationSequence"
_Sources = tuple[Any, ...]


def _sources(dataset: pydicom.Dataset) -> list[_Sources]:
    """Per frame, where to look for an attribute: its own group, the shared one, the file."""
    shared = _first(dataset.get("SharedFunctionalGroupsSequence"))
    frames: Sequence[Any] = dataset.get("PerFrameFunctionalGroupsSequence") or [None]
    return [
        tuple(source for source in (frame, shared, dataset) if source is not None)
        for frame in frames
    ]


def _plane(sources: _Sources) -> Plane:
    spacing = _numbers(_found(sources, "PixelMeasuresSequence", "PixelSpacing"), 2)
    thickness = _numbers(_found(sources, "PixelMeasuresSequence", "SliceThickness"), 1)
    slope = _numbers(_found(sources, _RESCALE, "RescaleSlope"), 1)
    intercept = _numbers(_found(sources, _RESCALE, "RescaleIntercept"), 1)
    return Plane(
        position=_numbers(_found(sources, "PlanePositionSequence", "ImagePositionPatient"), 3),
        orientation=_numbers(
            _found(sources, "PlaneOrientationSequence", "ImageOrientationPatient"), 6
        ),
        # scanners of film and plates write 0 when they do not know it
        spacing_mm=spacing if spacing and min(spacing) > 0 else None,
        thickness_mm=thickness[0] if thickness and thickness[0] > 0 else None,
        slope=slope[0] if slope else None,
        intercept=intercept[0] if intercept else 0.0,
    )


def _found(sources: _Sources, sequence: str, attribute: str) -> Any:
    for source in sources:
        for holder in (_first(source.get(sequence)), source):
            if holder is not None and holder.get(attribute) is not None:
                return holder.get(attribute)
    return None


def _first(sequence: Any) -> Any:
    return sequence[0] if sequence else None


def _numbers(value: Any, n: int) -> Vector | None:
    """The value as `n` finite floats; None if it is absent or empty."""
    if value is None or value == "":
        return None
    numbers = tuple(float(part) for part in np.atleast_1d(np.asarray(value, dtype=np.float64)))
    if len(numbers) != n or not np.isfinite(numbers).all():
        raise ValueError(f"expected {n} finite numbers")
    return numbers


def _window(dataset: pydicom.Dataset) -> tuple[float, float] | None:
    """Centre and width of the first window, if it is one."""
    center, width = dataset.get("WindowCenter"), dataset.get("WindowWidth")
    if center is None or width is None:
        return None
    pair = [np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in (center, width)]
    if not all(part.size and np.isfinite(part[0]) for part in pair) or pair[1][0] <= 0:
        return None
    return float(pair[0][0]), float(pair[1][0])


def _require_pixels(header: Header, reading: Reading) -> None:
    if header.bits_allocated not in (8, 16, 32) or header.n_channels not in (1, 3):
        raise reading.error(
            "bad_header",
            f"expected 1 or 3 samples of 8, 16 or 32 bits, got {header.n_channels} of "
            f"{header.bits_allocated}; this is not an image that can be read",
        )
    if not 1 <= header.bits_stored <= header.bits_allocated:
        raise reading.error("bad_header", f"BitsStored cannot be {header.bits_stored}")
    if any(plane.slope == 0 for plane in header.planes):
        raise reading.error("bad_header", "RescaleSlope is 0, all values would be equal")
    shape = (header.n_frames, header.rows, header.columns, header.n_channels)
    reading.gate(shape, max(header.bits_allocated // 8, 4 if header.n_channels == 1 else 1))
