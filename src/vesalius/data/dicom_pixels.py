"""From DICOM pixel data to an array of frames, by a decoder named per transfer syntax.

JPEG Lossless needs the extra ``dicom`` (python-gdcm). That library ends the interpreter on some
damaged files, so it runs in a process of its own and never here.
"""

import io
import subprocess
import sys
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pydicom
from jaxtyping import Shaped
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder

from vesalius.data.arrays import decode_npy
from vesalius.data.dicom_header import Header
from vesalius.data.reading import Reading, contained

_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
PLUGINS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(_NATIVE, ""),
        "1.2.840.10008.1.2.4.50": "pillow",  # JPEG Baseline
        "1.2.840.10008.1.2.4.51": "pillow",  # JPEG Extended
        "1.2.840.10008.1.2.4.80": "pyjpegls",  # JPEG-LS
        "1.2.840.10008.1.2.4.81": "pyjpegls",
        "1.2.840.10008.1.2.4.90": "pylibjpeg",  # JPEG 2000
        "1.2.840.10008.1.2.4.91": "pylibjpeg",
        "1.2.840.10008.1.2.4.201": "pylibjpeg",  # High-Throughput JPEG 2000
        "1.2.840.10008.1.2.4.202": "pylibjpeg",
        "1.2.840.10008.1.2.4.203": "pylibjpeg",
        # RLE by pydicom itself: the faster decoder of pylibjpeg panics on damaged data, and a
        # panic of Rust is a BaseException that no handler of errors catches
        "1.2.840.10008.1.2.5": "pydicom",
    }
)
"""Transfer syntaxes decoded in this process, and the plugin of pydicom that does it."""

OUTSIDE = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
"""JPEG Lossless: decoded by the worker process."""

EXIT_MISSING = 3
EXIT_UNDECODABLE = 4


def decode_frames(
    dataset: pydicom.Dataset, header: Header, raw: bytes, reading: Reading
) -> Shaped[np.ndarray, "frames rows columns *channels"]:
    """Decode all frames of a file; colour comes as RGB.

    Raises:
        DataError: ``unsupported``, ``codec_missing``, ``decoder_crashed``, ``undecodable``,
            ``bad_header``.
    """
    if header.syntax in OUTSIDE:
        frames = decode_outside(raw, reading, plugin="gdcm")
    elif header.syntax in PLUGINS:
        with contained(reading, InvalidDicomError):
            frames = decode_with(dataset, header.syntax, PLUGINS[header.syntax])
    else:
        raise reading.error(
            "unsupported", f"transfer syntax {header.syntax} is not read; convert the file"
        )
    channels = (3,) if header.n_channels == 3 else ()
    expected = (header.n_frames, header.rows, header.columns, *channels)
    if frames.size != int(np.prod(expected)):
        raise reading.error("bad_header", f"header says {expected}, decoded {frames.shape}")
    return frames.reshape(expected)


def decode_with(dataset: pydicom.Dataset, syntax: str, plugin: str) -> Shaped[np.ndarray, "..."]:
    """Decode with one named plugin, no other; the empty name is for uncompressed data."""
    frames, _ = get_decoder(syntax).as_array(dataset, decoding_plugin=plugin)
    return frames


def decode_outside(raw: bytes, reading: Reading, *, plugin: str) -> Shaped[np.ndarray, "..."]:
    """Decode in a separate process, which may die without harm.

    ``python -P`` keeps the working folder off the import path: a file there must not be run.
    """
    command = [sys.executable, "-P", "-m", "vesalius.data.gdcm_worker", plugin]
    try:
        done = subprocess.run(  # noqa: S603 - fixed command, no shell
            command,
            input=raw,
            capture_output=True,
            timeout=reading.limits.timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise reading.error(
            "decoder_crashed", f"no result within {reading.limits.timeout_s:g} s"
        ) from error
    return outside_result(done.returncode, done.stdout, reading)


def outside_result(code: int, output: bytes, reading: Reading) -> Shaped[np.ndarray, "..."]:
    """What the worker's exit code and output mean."""
    if code == EXIT_MISSING:
        raise reading.error(
            "codec_missing",
            'JPEG Lossless needs an optional decoder: pip install "vesalius[dicom]", '
            "or convert the file to an uncompressed or JPEG 2000 transfer syntax",
        )
    if code == EXIT_UNDECODABLE:
        raise reading.error("undecodable", "the decoder stopped; the pixel data are damaged")
    if code != 0:
        raise reading.error("decoder_crashed", f"the decoding process ended with code {code}")
    return decode_npy(output, reading)


def as_npy(frames: Shaped[np.ndarray, "..."]) -> bytes:
    """The array as the bytes of an ``.npy`` file."""
    file = io.BytesIO()
    np.save(file, frames, allow_pickle=False)
    return file.getvalue()
