"""Single files from web servers: continued where a download stopped, checked against their hash.

Only `vesalius fetch` calls this. While a file comes it is called ``NAME.part``, beside the
server's identity of it (``NAME.part.etag``), so that two versions are never mixed.
"""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from vesalius.data.recipes.recipe import WebFile
from vesalius.errors import DataError

_CHUNK = 1 << 20
_TIMEOUT_S = 60
_MOST_TRIES = 5
_FAILURES = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError)


def download_file(
    file: WebFile, folder: Path, /, *, arrived: Callable[[int, int | None], None]
) -> Path:
    """Download one file, unless it is there with the right hash.

    Args:
        file: what and from where.
        folder: of the data set.
        arrived: told of (bytes that are here, bytes in all if known) after every chunk.

    Raises:
        DataError: ``unreadable`` when the server refuses or the connection breaks again and
            again, ``undecodable`` when what came has another hash; it is then deleted.
    """
    target = folder / file.name
    if target.is_file() and _is_right(target, file):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    for attempt in range(_MOST_TRIES):
        try:
            _continue(file, part, arrived)
            break
        except _FAILURES as error:
            if attempt == _MOST_TRIES - 1 or _is_refusal(error):
                raise _failed(file, error) from error
    if not _is_right(part, file):
        part.unlink()
        raise DataError(
            "came damaged and was deleted, or the publisher changed it; run the command again. If "
            "it happens again, compare the hash with the publisher's",
            reason="undecodable",
            where=file.name,
        )
    part.replace(target)
    _mark(part).unlink(missing_ok=True)
    return target


def _continue(file: WebFile, part: Path, arrived: Callable[[int, int | None], None]) -> None:
    """Ask for what is missing and append it; begin anew where the server has another file."""
    headers = {"User-Agent": "vesalius", "Accept-Encoding": "identity"}
    n_here, identity = part.stat().st_size if part.exists() else 0, _identity(part)
    if n_here and identity:
        headers |= {"Range": f"bytes={n_here}-", "If-Range": identity}
    if not file.url.startswith(("https://", "http://")):
        raise DataError("expected a web address", reason="unreadable", where=file.url)
    request = urllib.request.Request(file.url, headers=headers)  # noqa: S310 - http(s) only
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - as above
        if answer.status != 206:
            n_here = 0
        _mark(part).write_text(answer.headers.get("ETag") or "", encoding="utf-8")
        length = answer.headers.get("Content-Length")
        total = n_here + int(length) if length else None
        with part.open("ab" if n_here else "wb") as stream:
            while chunk := answer.read(_CHUNK):
                stream.write(chunk)
                n_here += len(chunk)
                arrived(n_here, total)
    if total is not None and n_here < total:
        raise http.client.IncompleteRead(b"", total - n_here)


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, urllib.error.HTTPError) and error.code < 500


def _failed(file: WebFile, error: Exception) -> DataError:
    if isinstance(error, urllib.error.HTTPError):
        message = f"{file.url}: the server answered {error.code}; the address may have moved"
    else:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        message = (
            f"{file.url}: no connection ({first}); run the command again on a connected machine, "
            "it goes on where it stopped"
        )
    return DataError(message, reason="unreadable", where=file.name)


def _is_right(path: Path, file: WebFile) -> bool:
    if file.size is not None and path.stat().st_size != file.size:
        return False
    return all(
        not known or _digest(path, name) == known
        for name, known in (("md5", file.md5), ("sha256", file.sha256))
    )


def _digest(path: Path, algorithm: str) -> str:
    """MD5 is what publishers state; it tells damage, not malice."""
    with path.open("rb") as stream:
        made = hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return made.hexdigest()


def _mark(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _identity(part: Path) -> str:
    """The server's strong identity of the part that is here, empty if it gave none."""
    text = _mark(part).read_text(encoding="utf-8") if _mark(part).exists() else ""
    return "" if text.startswith("W/") else text
