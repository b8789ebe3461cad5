"""One DICOM file: rescale, windows, inversion, colour, codecs, frames."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from imagefiles import JPEG_LOSSLESS, dicom, implicit, saved, write_dicom
from PIL import Image as PillowImage
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from vesalius.data.dicom import window_range
from vesalius.data.dicom_pixels import decode_outside, outside_result
from vesalius.data.gdcm_worker import decoded
from vesalius.data.readers import read_image
from vesalius.data.reading import Limits, Reading
from vesalius.errors import DataError
from vesalius.imaging import display_pixels
from vesalius.records import Window

DEEP = np.array([[0, 100, 200], [1000, 3000, 4095]], np.uint16)


def _item(**elements: object) -> pydicom.Dataset:
    item = pydicom.Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def _one(**elements: object) -> Sequence:
    return Sequence([_item(**elements)])


def test_window_of_the_file_is_what_is_shown(tmp_path: Path) -> None:
    """The standard's own example: centre 2048, width 4096 shows 0 to 4095."""
    path = write_dicom(tmp_path / "a.dcm", DEEP, WindowCenter=2048, WindowWidth=4096)
    image = read_image(path)
    assert (image.intensity, image.display_range) == ("display", (0.0, 4095.0))
    assert display_pixels(image).tolist() == [[0, 6, 12], [62, 187, 255]]


@pytest.mark.parametrize(
    ("function", "center", "width", "expected"),
    [
        ("LINEAR", 2048, 1, (2047.0, 2048.0)),
        ("LINEAR", 0, 100, (-50.0, 49.0)),
        ("LINEAR_EXACT", 0, 100, (-50.0, 50.0)),
    ],
)
def test_window_formula(
    function: str, center: float, width: float, expected: tuple[float, float]
) -> None:
    """Ends of the window as PS3.3 C.11.2.1.2 works them out."""
    assert window_range(center, width, function=function) == expected


def test_sigmoid_window(tmp_path: Path) -> None:
    """At the centre the sigmoid is one half, far away 0 and 1."""
    path = write_dicom(
        tmp_path / "a.dcm", DEEP, WindowCenter=200, WindowWidth=10, VOILUTFunction="SIGMOID"
    )
    image = read_image(path)
    assert image.display_range == (0.0, 1.0)
    np.testing.assert_allclose(image.pixels, [[0, 0, 0.5], [1, 1, 1]], atol=1e-6)


def test_voi_lut_is_applied(tmp_path: Path) -> None:
    """A lookup table of four entries from value 1: below is its first, above its last entry."""
    lut = _one(LUTDescriptor=[4, 1, 8], LUTData=[10, 20, 40, 200])
    lut[0]["LUTDescriptor"].VR, lut[0]["LUTData"].VR = "US", "US"
    stored = np.array([[0, 1, 2], [3, 4, 9]], np.uint16)
    path = write_dicom(
        tmp_path / "a.dcm", stored, VOILUTSequence=lut, WindowCenter=1, WindowWidth=9
    )
    image = read_image(path)
    assert image.pixels.tolist() == [[10, 10, 20], [40, 200, 200]]
    assert image.display_range == (0.0, 255.0)


def test_modality_lut_is_applied(tmp_path: Path) -> None:
    """Stored values go through the modality table before anything else."""
    lut = _one(LUTDescriptor=[3, 0, 16], LUTData=[500, 600, 900], ModalityLUTType="US")
    lut[0]["LUTDescriptor"].VR, lut[0]["LUTData"].VR = "US", "US"
    stored = np.array([[0, 1], [2, 2]], np.uint16)
    path = write_dicom(tmp_path / "a.dcm", stored, ModalityLUTSequence=lut)
    assert read_image(path).pixels.tolist() == [[500, 600], [900, 900]]


def test_monochrome1_is_mirrored_in_its_range(tmp_path: Path) -> None:
    """The darkest value becomes the brightest, and the range shown stays."""
    common = {"WindowCenter": 2048, "WindowWidth": 4096}
    plain = read_image(write_dicom(tmp_path / "a.dcm", DEEP, **common))
    inverse = read_image(
        write_dicom(tmp_path / "b.dcm", DEEP, PhotometricInterpretation="MONOCHROME1", **common)
    )
    assert inverse.display_range == plain.display_range
    np.testing.assert_array_equal(inverse.pixels, 4095 - DEEP.astype(float))


def test_ct_slice_is_hounsfield_and_the_callers_window_wins(tmp_path: Path) -> None:
    """CT with a rescale keeps its numbers; the file's window is only the default."""
    elements = {"Modality": "CT", "RescaleSlope": 2, "RescaleIntercept": -1024, "RescaleType": "HU"}
    path = write_dicom(
        tmp_path / "a.dcm", DEEP, **elements, WindowCenter=[40, 9], WindowWidth=[401, 9]
    )
    image = read_image(path)
    assert image.intensity == "hu"
    assert image.pixels[0].tolist() == [-1024, -824, -624]
    assert image.display_range == (-160.5, 239.5)
    assert read_image(path, window=Window(0, 10)).display_range == (-5.0, 5.0)
    inverted = write_dicom(
        tmp_path / "b.dcm", DEEP, **elements, PhotometricInterpretation="MONOCHROME1"
    )
    assert read_image(inverted).pixels[0, 0] == -1024
    assert read_image(inverted).display_range == (-160.0, 240.0)


def test_ct_without_rescale_is_not_hounsfield(tmp_path: Path) -> None:
    """Numbers without a scale are not given a unit."""
    image = read_image(write_dicom(tmp_path / "a.dcm", DEEP, Modality="CT"))
    assert image.intensity == "arbitrary"
    image = read_image(
        write_dicom(
            tmp_path / "a.dcm",
            DEEP,
            Modality="CT",
            RescaleSlope=1,
            RescaleIntercept=0,
            RescaleType="OD",
        )
    )
    assert image.intensity == "arbitrary"


def test_without_a_window(tmp_path: Path) -> None:
    """8 bits are shown as they are; more bits without a window say that their range is a guess."""
    shallow = read_image(write_dicom(tmp_path / "a.dcm", DEEP.astype(np.uint8)))
    assert (shallow.intensity, shallow.display_range) == ("display", (0.0, 255.0))
    assert read_image(write_dicom(tmp_path / "a.dcm", DEEP)).intensity == "arbitrary"
    path = write_dicom(tmp_path / "a.dcm", DEEP, WindowCenter=5, WindowWidth=0)
    assert read_image(path).intensity == "arbitrary"


def test_signed_values_stay_signed(tmp_path: Path) -> None:
    """Pixel representation 1 is two's complement."""
    stored = np.array([[-5, 7], [0, -300]], np.int16)
    assert read_image(write_dicom(tmp_path / "a.dcm", stored)).pixels.tolist() == stored.tolist()


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"PixelSpacing": [0.5, 0.25]}, (0.5, 0.25)),
        ({"PixelSpacing": [0, 0]}, None),
        ({"ImagerPixelSpacing": [0.5, 0.25]}, None),
        ({}, None),
    ],
)
def test_spacing(tmp_path: Path, elements: dict[str, object], expected: object) -> None:
    """Row spacing first, as the axes; zero and detector spacing are no spacing."""
    assert read_image(write_dicom(tmp_path / "a.dcm", DEEP, **elements)).spacing_mm == expected


def test_rgb_and_palette(tmp_path: Path) -> None:
    """Colour comes as RGB bytes, also through a 16-bit palette."""
    colours = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    image = read_image(write_dicom(tmp_path / "a.dcm", colours))
    assert image.axes == "yxc"
    np.testing.assert_array_equal(image.pixels, colours)
    palette = dicom(np.array([[0, 1], [1, 0]], np.uint8), PhotometricInterpretation="PALETTE COLOR")
    for number, name in enumerate(("Red", "Green", "Blue")):
        setattr(palette, f"{name}PaletteColorLookupTableDescriptor", [2, 0, 16])
        palette[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
        table = np.array([0, (number + 1) << 8], np.uint16).tobytes()
        setattr(palette, f"{name}PaletteColorLookupTableData", table)
    (tmp_path / "p.dcm").write_bytes(saved(palette))
    assert read_image(tmp_path / "p.dcm").pixels[0].tolist() == [[0, 0, 0], [1, 2, 3]]


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_lossless_codecs_give_the_same_pixels(tmp_path: Path, syntax: str) -> None:
    """RLE, JPEG 2000 and JPEG-LS decode to what was encoded."""
    stored = np.random.default_rng(0).integers(0, 4096, (64, 80)).astype(np.uint16)
    dataset = dicom(stored)
    dataset.compress(syntax, generate_instance_uid=False)
    (tmp_path / "a.dcm").write_bytes(saved(dataset))
    np.testing.assert_array_equal(read_image(tmp_path / "a.dcm").pixels, stored)


def test_jpeg_baseline(tmp_path: Path) -> None:
    """Lossy JPEG inside DICOM decodes by Pillow, close to the original."""
    grey = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))
    PillowImage.fromarray(grey).save(tmp_path / "a.jpg", quality=95)
    dataset = dicom(grey, PixelData=encapsulate([(tmp_path / "a.jpg").read_bytes()]))
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset["PixelData"].is_undefined_length = True
    (tmp_path / "a.dcm").write_bytes(saved(dataset))
    pixels = read_image(tmp_path / "a.dcm").pixels.astype(int)
    assert np.abs(pixels - grey).max() < 10


def test_file_without_preamble(tmp_path: Path) -> None:
    """Old files without the DICM mark are read when their ending says what they are."""
    (tmp_path / "a.dcm").write_bytes(implicit(dicom(DEEP)))
    np.testing.assert_array_equal(read_image(tmp_path / "a.dcm").pixels, DEEP)


def _jpeg_lossless() -> bytes:
    dataset = dicom(DEEP, PixelData=encapsulate([b"\xff\xd8\xff\xc3" + bytes(40)]))
    dataset.file_meta.TransferSyntaxUID = JPEG_LOSSLESS
    dataset["PixelData"].is_undefined_length = True
    return saved(dataset)


def test_jpeg_lossless_without_its_codec_says_what_to_install() -> None:
    """The commonest clinical compression names the extra that reads it."""
    with pytest.raises(DataError, match=r'pip install "vesalius\[dicom\]"') as caught:
        outside_result(3, b"", Reading(source="a.dcm"))
    assert caught.value.reason == "codec_missing"


def test_jpeg_lossless_goes_to_the_worker_process(tmp_path: Path) -> None:
    """Damaged or without codec, the file is refused and this process lives on."""
    (tmp_path / "a.dcm").write_bytes(_jpeg_lossless())
    with pytest.raises(DataError) as caught:
        read_image(tmp_path / "a.dcm")
    assert caught.value.reason in ("codec_missing", "undecodable", "decoder_crashed")


def test_worker_process_returns_the_pixels() -> None:
    """The worker protocol carries an array through, with any plugin in the place of gdcm."""
    dataset = dicom(DEEP)
    dataset.compress(RLELossless, generate_instance_uid=False)
    raw = saved(dataset)
    frames = decode_outside(raw, Reading(source="a.dcm"), plugin="pydicom")
    np.testing.assert_array_equal(frames, DEEP)
    assert decoded(raw, "no-such-plugin") == (3, b"")
    assert decoded(raw[:200], "pydicom") == (4, b"")


def test_worker_that_hangs_or_dies_is_a_named_failure() -> None:
    """Timeout, abort and its own refusal are told apart."""
    with pytest.raises(DataError, match="no result within") as caught:
        decode_outside(b"", Reading(source="a", limits=Limits(timeout_s=0.01)), plugin="gdcm")
    assert caught.value.reason == "decoder_crashed"
    for code, reason in ((-6, "decoder_crashed"), (4, "undecodable")):
        with pytest.raises(DataError) as caught:
            outside_result(code, b"", Reading(source="a"))
        assert caught.value.reason == reason


def _enhanced(heights: list[float]) -> pydicom.Dataset:
    frames = np.stack([np.full((2, 4), index, np.uint16) for index in range(len(heights))])
    dataset = dicom(frames, Modality="MR")
    dataset.SharedFunctionalGroupsSequence = _one(
        PixelMeasuresSequence=_one(PixelSpacing=[2, 3], SliceThickness=9),
        PlaneOrientationSequence=_one(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        PixelValueTransformationSequence=_one(RescaleSlope=10, RescaleIntercept=0),
    )
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        [
            _item(PlanePositionSequence=_one(ImagePositionPatient=[0, 0, height]))
            for height in heights
        ]
    )
    return dataset


def test_enhanced_multi_frame_becomes_a_volume(tmp_path: Path) -> None:
    """Frames with positions are sorted and placed; spacing comes from the positions."""
    (tmp_path / "a.dcm").write_bytes(saved(_enhanced([4, 0, 8])))
    image = read_image(tmp_path / "a.dcm")
    assert (image.axes, image.size, image.spacing_mm) == ("xyz", (4, 2, 3), (3.0, 2.0, 4.0))
    assert image.pixels[0, 0].tolist() == [10, 0, 20]


def test_film_is_refused(tmp_path: Path) -> None:
    """Frames in time are not a volume, and no frame is picked silently."""
    path = write_dicom(tmp_path / "a.dcm", np.zeros((5, 2, 4), np.uint8))
    with pytest.raises(DataError, match="5 frames") as caught:
        read_image(path)
    assert caught.value.reason == "multi_frame"


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Rows": 0}, "bad_shape"),
        ({"Rows": 60000, "Columns": 60000}, "too_large"),
        ({"NumberOfFrames": 999999999}, "too_large"),
        ({"NumberOfFrames": -3}, "bad_shape"),
        ({"BitsAllocated": 1}, "bad_header"),
        ({"BitsStored": 33}, "bad_header"),
        ({"SamplesPerPixel": 4}, "bad_header"),
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, "bad_header"),
        ({"Rows": 200}, "undecodable"),
        ({"PixelSpacing": [0.5]}, "undecodable"),
    ],
)
def test_impossible_headers(tmp_path: Path, elements: dict[str, object], reason: str) -> None:
    """Numbers that cannot be are refused with their code."""
    with pytest.raises(DataError) as caught:
        read_image(write_dicom(tmp_path / "a.dcm", DEEP, **elements))
    assert caught.value.reason == reason


def test_deflated_and_unknown_syntaxes_are_refused(tmp_path: Path) -> None:
    """A deflated file would be inflated without a cap; others have no decoder."""
    for syntax in ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.102"):
        (tmp_path / "a.dcm").write_bytes(_with_syntax(dicom(DEEP), syntax))
        with pytest.raises(DataError) as caught:
            read_image(tmp_path / "a.dcm")
        assert caught.value.reason == "unsupported"


def _with_syntax(dataset: pydicom.FileDataset, syntax: str) -> bytes:
    """The file with another transfer syntax written over, its length field corrected."""
    raw = saved(dataset)
    tag = b"\x02\x00\x10\x00UI"
    start = raw.index(tag)
    length = int.from_bytes(raw[start + 6 : start + 8], "little")
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    changed = len(value) - length
    group = raw.index(b"\x02\x00\x00\x00UL") + 8
    size = int.from_bytes(raw[group : group + 4], "little") + changed
    head = raw[:group] + size.to_bytes(4, "little") + raw[group + 4 : start + 6]
    return head + len(value).to_bytes(2, "little") + value + raw[start + 8 + length :]


def test_names_never_reach_messages(tmp_path: Path) -> None:
    """The patient's name of a damaged file is in no error text."""
    path = write_dicom(tmp_path / "a.dcm", DEEP, PixelSpacing=[0.5])
    with pytest.raises(DataError) as caught:
        read_image(path)
    assert "CANARY" not in str(caught.value)
