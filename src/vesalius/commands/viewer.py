"""Getting the viewer of volumes: one file of a published release, checked and put in place."""

import base64
import hashlib
import io
import os
import tarfile
import tempfile
from pathlib import Path

from rich.text import Text

from vesalius.commands.terminal import console, size_text
from vesalius.data.recipes.download import download_file
from vesalius.data.recipes.recipe import WebFile
from vesalius.errors import DataError
from vesalius.report.viewer import BUNDLE, BUNDLE_SHA256, VERSION, find_viewer, viewer_folders
from vesalius.store.files import write_atomic

NAME = "viewer"
ARCHIVE = WebFile(
    f"https://registry.npmjs.org/@niivue/niivue/-/niivue-{VERSION}.tgz",
    f"niivue-{VERSION}.tgz",
    sha256="6e9a6a471b428eb3b258a0086beca9187d95e43a781a39e8a519c6da246af485",
    size=6809390,
)
# what the registry itself states of the archive
INTEGRITY = (
    "YMjQvJgD1W2b7DuoxkwlC4VxbrgIePRJ5qyQzXKxi2v2MBVg285P/CIQyg46oDDGDIcaNlbd+MhtO/edMbXJkA=="
)
MEMBER = "package/dist/niivue.umd.js"


def fetch_viewer() -> bool:
    """Download NiiVue and keep its script; whether it is there.

    Raises:
        DataError: if it cannot be had, or is not what it should be.
    """
    _say(f"{NAME}: NiiVue {VERSION}, which shows volumes of a report in 3D")
    _say("  licence: BSD-2-Clause")
    if find_viewer().payload:
        _say("  is here already")
        return True
    with tempfile.TemporaryDirectory() as scratch:
        path = download_file(ARCHIVE, Path(scratch), arrived=_in_silence)
        bundle = bundle_of(path.read_bytes())
    folder = _writable()
    write_atomic(folder / BUNDLE, bundle)
    _say(f"  {BUNDLE} ({size_text(len(bundle))}) is in {folder}")
    return True


def bundle_of(archive: bytes, /) -> bytes:
    """The one script that is taken out of the release.

    Raises:
        DataError: ``undecodable`` if the archive or the script is not the pinned one.
    """
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != INTEGRITY:
        raise _wrong("the archive has another SHA-512 than the registry states")
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
        stream = members.extractfile(MEMBER)
        content = b"" if stream is None else stream.read()
    if hashlib.sha256(content).hexdigest() != BUNDLE_SHA256:
        raise _wrong(f"{MEMBER} has another SHA-256 than this version expects")
    return content


def _in_silence(here: int, total: int | None, /) -> None:
    """It is over in a moment."""


def _wrong(message: str) -> DataError:
    return DataError(f"{message}; nothing was kept", reason="undecodable", where=ARCHIVE.name)


def _writable() -> Path:
    """The first folder that can be written to, or made."""
    for folder in viewer_folders():
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        if os.access(there, os.W_OK):
            return folder
    return viewer_folders()[-1]


def _say(line: str) -> None:
    console.print(Text(line), soft_wrap=True)
