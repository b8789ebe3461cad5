"""NiiVue, which shows volumes in 3D: where it lies, and whether it is what it should be.

It is not part of the package. `vesalius fetch viewer` gets the release that is pinned here; pages
made without it have a plain viewer of slices instead.
"""

import base64
import gzip
import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from vesalius.report.document import asset, script_hash

VERSION = "0.69.0"
BUNDLE_SHA256 = "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"
BUNDLE = f"niivue-{VERSION}.umd.js"


@dataclass(frozen=True, slots=True)
class Viewer:
    """What a page embeds; `payload` is empty where there is none.

    Attributes:
        payload: base64 of gzip of the script.
        hash: the source that the policy of the page allows.
    """

    version: str = VERSION
    payload: str = ""
    licence: str = ""
    hash: str = ""


def viewer_folders() -> tuple[Path, Path]:
    """Where it may lie: beside the environment, or in the user's data folder."""
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(sys.prefix) / "share" / "vesalius", Path(home).expanduser() / "vesalius"


def find_viewer() -> Viewer:
    """The first copy with the pinned hash; one that was changed is passed over."""
    for folder in viewer_folders():
        path = folder / BUNDLE
        content = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(content).hexdigest() == BUNDLE_SHA256:
            packed = base64.b64encode(gzip.compress(content, compresslevel=9, mtime=0)).decode()
            licence = asset("niivue_licence.txt")
            return Viewer(VERSION, packed, licence, script_hash(content.decode()))
    return Viewer()
