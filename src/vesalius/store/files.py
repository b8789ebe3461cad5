"""Durable writing: a reader sees the old file or the new one, never a part.

Correctness rests on ``os.replace`` and ``fsync`` only, never on a lock, because network file
systems may ignore locks in silence. Folders are made 0700 and files 0600.
"""

import contextlib
import hashlib
import os
import re
import secrets
import time
from pathlib import Path
from urllib.parse import quote

from vesalius.errors import RunError

LEFTOVER_AGE_S = 3600
MAX_NAME_BYTES = 150  # of the 255 that file systems allow, so that endings and marks fit
_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{16}\.tmp")


def safe_name(name: str, /) -> str:
    """A file name for any string, injective: percent-encoded except letters, digits, ``_.-``.

    >>> safe_name("mini:clip")
    'mini%3Aclip'
    """
    encoded = quote(name, safe="")
    if set(encoded) <= {"."}:
        return encoded.replace(".", "%2E")
    if len(encoded) <= MAX_NAME_BYTES:
        return encoded
    return f"{encoded[:80]}-{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def hidden_name(sample_id: str, /) -> str:
    """A file name that stands for a sample and does not show its id."""
    return hashlib.sha256(sample_id.encode()).hexdigest()[:16]


def make_folder(path: Path, /) -> Path:
    """Create a private folder and its parents; existing ones are left as they are."""
    for folder in [*reversed(path.parents), path]:
        folder.mkdir(mode=0o700, exist_ok=True)
    return path


def remove_leftovers(root: Path, /) -> None:
    """Delete what killed writers left below `root`; an hour's age keeps those at work safe."""
    for path in root.rglob(".*.tmp"):
        with contextlib.suppress(FileNotFoundError):  # another process may have renamed it
            is_ours = _LEFTOVER.fullmatch(path.name) is not None
            if is_ours and time.time() - path.stat().st_mtime > LEFTOVER_AGE_S:
                path.unlink()


def sync_folder(path: Path, /) -> None:
    """Make a rename or creation inside `path` survive a power loss."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, payload: bytes, /) -> None:
    """Write every byte or raise; a full disk gives short writes that must not pass unseen."""
    view = memoryview(payload)
    while view:
        written = os.write(descriptor, view)
        view = view[written:]


def append_durably(path: Path, payload: bytes, /) -> None:
    """Append in one write; on return it is on disk.

    Raises:
        OSError: when the disk refuses.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        write_all(descriptor, payload)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def write_atomic(path: Path, payload: bytes, /) -> None:
    """Replace `path` by `payload`: temporary file, fsync, rename, fsync of the folder.

    Raises:
        RunError: when the disk refuses, with the old file untouched.
    """
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}.tmp"
    try:
        make_folder(path.parent)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            write_all(descriptor, payload)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise RunError(
            f"could not write {path.name}: {error.strerror}; free space or check permissions, "
            "then run the same command again to continue"
        ) from error
    sync_folder(path.parent)


def update(path: Path, payload: bytes, /) -> None:
    """Replace a file as `write_atomic` does, unless it has this content already."""
    if not path.exists() or path.read_bytes() != payload:
        write_atomic(path, payload)
