"""A web server on a free local port that can break off, ignore ranges and change its file."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server has and how it behaves.

    Attributes:
        cuts: bytes after which the next answers break off, one per answer.
        etag: identity of the files; empty for a server that gives none.
        ranges: whether it continues downloads.
        status: of every answer.
    """

    files: dict[str, bytes]
    cuts: list[int] = field(default_factory=list)
    etag: str = '"one"'
    ranges: bool = True
    status: int = 200
    requests: list[str] = field(default_factory=list)


@contextmanager
def serving_files(site: Site) -> Iterator[str]:
    """The address of the server, answering in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Keep the terminal quiet."""

        def do_GET(self) -> None:
            """A file, or the rest of it from a byte on."""
            asked = self.headers.get("Range", "")
            site.requests.append(f"{self.path} {asked}".strip())
            if site.status != 200:
                self.send_error(site.status)
                return
            body, start = site.files[self.path.lstrip("/")], 0
            if asked and site.ranges and self.headers.get("If-Range") == site.etag:
                start = int(asked.removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body) - start))
            if site.etag:
                self.send_header("ETag", site.etag)
            self.end_headers()
            rest = body[start:]
            self.wfile.write(rest[: site.cuts.pop(0)] if site.cuts else rest)
            self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
