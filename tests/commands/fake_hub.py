"""A hub on a free local port: enough of its HTTP interface for the genuine client."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

COMMIT = "89abcdef" * 5


@dataclass
class Repository:
    """What the hub has; `lies` are files of which other bytes are sent than described.

    Attributes:
        refusal: status and error code of every answer, where nothing may be read.
        kind: ``models`` or ``datasets``.
        cut_after: bytes of a weight file after which the connection breaks, once.
    """

    name: str
    files: dict[str, bytes]
    commit: str = COMMIT
    lies: dict[str, bytes] = field(default_factory=dict)
    refusal: tuple[int, str] | None = None
    cut_after: int | None = None
    kind: str = "models"


class FakeHub(ThreadingHTTPServer):
    """One repository, and a record of the requests."""

    def __init__(self, repository: Repository) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repository = repository
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        """What ``HF_ENDPOINT`` is set to."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(repository: Repository) -> Iterator[FakeHub]:
    """The hub, answering in a thread."""
    with FakeHub(repository) as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


def is_large(name: str) -> bool:
    """Whether the hub keeps it outside Git."""
    return name.endswith((".bin", ".safetensors", ".parquet", ".zip"))


def etag(name: str, content: bytes) -> str:
    """SHA-256 of a large file, Git's name of a small one."""
    if is_large(name):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def log_message(self, *arguments: object) -> None:
        """Keep the terminal quiet."""

    def do_HEAD(self) -> None:
        """Size and identity of a file."""
        self._answer(with_body=False)

    def do_GET(self) -> None:
        """The list of files, or one of them from any byte on."""
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        hub, path = self.server, urlsplit(self.path).path
        repository = hub.repository
        span = self.headers.get("Range", "")
        hub.requests.append(f"{self.command} {path} {span}".strip())
        if repository.refusal:
            status, code = repository.refusal
            self._send(status, b"{}", {"X-Error-Code": code})
        elif path.startswith(f"/api/{repository.kind}/{repository.name}"):
            self._list(path)
        elif path.startswith("/api/"):  # what the client asks beside
            self._send(404, b"{}", {})
        else:
            name = path.partition("/resolve/")[2].partition("/")[2]
            self._file(name, with_body=with_body, start=_start(span))

    def _list(self, path: str) -> None:
        repository = self.server.repository
        asked = path.rpartition("/revision/")[2] if "/revision/" in path else "main"
        if asked not in {"main", repository.commit}:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return
        siblings = [_described(name, content) for name, content in repository.files.items()]
        value = {"id": repository.name, "sha": repository.commit, "siblings": siblings}
        self._send(200, json.dumps(value).encode(), {})

    def _file(self, name: str, *, with_body: bool, start: int) -> None:
        repository = self.server.repository
        content = repository.files[name]
        headers = {"X-Repo-Commit": repository.commit, "ETag": f'"{etag(name, content)}"',
                   "Accept-Ranges": "bytes"}  # fmt: skip
        if is_large(name):
            headers |= {"X-Linked-Etag": f'"{etag(name, content)}"',
                        "X-Linked-Size": str(len(content))}  # fmt: skip
        sent = repository.lies.get(name, content)
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(sent) - 1}/{len(sent)}"
        cut = repository.cut_after if with_body and is_large(name) else None
        if cut is not None:
            repository.cut_after = None
        body = sent[start:] if with_body else b""
        self._send(206 if start else 200, body, headers, length=len(sent) - start, cut=cut)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], *,
        length: int | None = None, cut: int | None = None,
    ) -> None:  # fmt: skip
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True


def _start(span: str) -> int:
    return int(span.removeprefix("bytes=").rstrip("-").split("-")[0]) if span else 0


def _described(name: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {"rfilename": name, "size": len(content)}
    if is_large(name):
        digest = etag(name, content)
        entry |= {
            "blobId": "0" * 40,
            "lfs": {"sha256": digest, "size": len(content), "pointerSize": 134},
        }
        return entry
    return entry | {"blobId": etag(name, content)}
