"""Decode one DICOM file in a process of its own: file on stdin, ``.npy`` on stdout.

Usage: ``python -P -m vesalius.data.gdcm_worker PLUGIN``. Exit codes: 0 decoded, 3 the plugin is
not installed, 4 it could not decode. Any other ending is a crash, which is why this runs apart.
"""

import resource
import sys

from pydicom.pixels.decoders.base import get_decoder

from vesalius.data.dicom_header import read_dicom
from vesalius.data.dicom_pixels import EXIT_MISSING, EXIT_UNDECODABLE, as_npy, decode_with
from vesalius.data.reading import Reading, contained
from vesalius.errors import DataError

_MOST_MEMORY_BYTES = 6 << 30


def main(arguments: list[str]) -> int:
    """Decode stdin with the named plugin and return the exit code."""
    (plugin,) = arguments
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))
    code, output = decoded(sys.stdin.buffer.read(), plugin)
    sys.stdout.buffer.write(output)
    return code


def decoded(raw: bytes, plugin: str) -> tuple[int, bytes]:
    """Exit code and output for one file."""
    reading = Reading(source="stdin")
    try:
        dataset, header = read_dicom(raw, reading, with_pixels=True)
        with contained(reading):
            if plugin not in get_decoder(header.syntax).available_plugins:
                return EXIT_MISSING, b""
            return 0, as_npy(decode_with(dataset, header.syntax, plugin))
    except DataError:
        return EXIT_UNDECODABLE, b""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
