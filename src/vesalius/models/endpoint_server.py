"""A server that speaks the OpenAI form of chat completions: address, requests, identity.

The only place of an evaluation that opens a connection, and only to the URL that the user wrote.
Redirects are not followed and proxies not used, so that images and key go nowhere else.
"""

import ipaddress
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

from vesalius.errors import InputError, ModelError
from vesalius.records import Json, ModelCard

KEY = "VESALIUS_ENDPOINT_KEY"
CONSENT = "VESALIUS_ALLOW_REMOTE_ENDPOINT"
ATTEMPTS = 4
LONGEST_PAUSE_S = 30.0
MAX_ANSWER_BYTES = 16 * 2**20

# Of what /models says, the part that stays the same from call to call; creation times do not.
_IDENTITY = ("id", "root", "parent", "owned_by", "max_model_len", "meta")
_ADDRESS = re.compile(r"(?P<model>.+?)@(?P<url>https?://.+)")


def split_address(text: str, /) -> tuple[str, str]:
    """Model name and base URL of ``MODEL@http://host:port/v1``.

    Raises:
        InputError: if it has another form.
    """
    found = _ADDRESS.fullmatch(text)
    url = urlsplit(found["url"]) if found else None
    if found is None or url is None or not url.hostname or url.username or url.query:
        raise InputError(
            f"endpoint:{text}: expected endpoint:MODEL@http://host:port/v1, without user or query"
        )
    return found["model"], found["url"].rstrip("/")


@dataclass(frozen=True, slots=True, eq=False)
class Server:
    """Where requests go.

    Attributes:
        url: base, such as ``http://127.0.0.1:8000/v1``.
        timeout_s: longest silence of the server.
        pause: waits between attempts, in seconds.
    """

    url: str
    timeout_s: float = 120.0
    pause: Callable[[float], None] = time.sleep

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        return _is_loopback(urlsplit(self.url).hostname or "")

    def ask(self, path: str, body: Mapping[str, Json] | None = None, /) -> dict[str, Json]:
        """The JSON object that `path` answers; busy and failing servers are asked again.

        Args:
            path: below the base URL, such as ``/models``.
            body: what to post; None to get.

        Raises:
            ModelError: if there is no answer, an error, or anything but a JSON object.
        """
        wait = 1.0
        for attempt in range(1, ATTEMPTS + 1):
            status, text, retry_after = self._once(path, body)
            if status == 200:
                return _json_object(text, where=self._shown(path))
            if attempt == ATTEMPTS or not (status == 429 or status >= 500):
                break
            self.pause(min(retry_after or wait, LONGEST_PAUSE_S))
            wait *= 2
        raise ModelError(f"{self._shown(path)}: status {status}, {_advice(status)}: {text[:300]}")

    def _once(self, path: str, body: Mapping[str, Json] | None) -> tuple[int, str, float | None]:
        url = urlsplit(self.url)
        connection = _connection(url, self.timeout_s)
        payload = None if body is None else json.dumps(body).encode()
        try:
            connection.request(
                "GET" if body is None else "POST", url.path + path, payload, _headers()
            )
            answer = connection.getresponse()
            return answer.status, _text(answer), _seconds(answer.getheader("Retry-After"))
        except (OSError, HTTPException) as error:
            raise ModelError(
                f"{self._shown(path)}: no answer ({type(error).__name__}: {error}); is the server "
                f"running, and does it answer within {self.timeout_s:g} s?"
            ) from error
        finally:
            connection.close()

    def _shown(self, path: str) -> str:
        return f"endpoint {self.url}{path}"


def open_server(url: str, /, *, timeout_s: float = 120.0) -> Server:
    """A server that images may be sent to.

    Raises:
        InputError: if it is another machine and nobody has agreed to that, or a key would go out
            unencrypted.
    """
    server = Server(url, timeout_s)
    if server.is_loopback:
        return server
    if os.environ.get(CONSENT) != "1":
        raise InputError(
            f"{url} is another machine: every evaluated image would be sent there. If the data "
            f"may leave this machine, say so with {CONSENT}=1"
        )
    if os.environ.get(KEY) and not url.startswith("https:"):
        raise InputError(f"{url}: the key in {KEY} would be sent unencrypted; use https")
    return server


def card_of_server(address: str, /, *, name: str, options: Mapping[str, Json]) -> ModelCard:
    """Identity of a served model, as far as the server tells: the weights themselves are unseen.

    Host and port are not recorded, only the scheme and whether it was this machine.

    Raises:
        InputError: as `split_address` and `open_server`.
        ModelError: if the server does not answer or does not serve this model.
    """
    model, url = split_address(address)
    server = open_server(url)
    listed = server.ask("/models").get("data")
    served = [m for m in listed if isinstance(m, dict)] if isinstance(listed, list) else []
    for entry in served:
        if entry.get("id") == model:
            told = {key: entry[key] for key in _IDENTITY if entry.get(key) is not None}
            place = "loopback" if server.is_loopback else "remote"
            return ModelCard(
                name=name,
                adapter="endpoint",
                source=f"{urlsplit(url).scheme}, {place}: {model}",
                dtype="the server's",
                processor="8-bit PNG; the server's own after that",
                options={**options, "temperature": 0, "seed": 0, "server": told},
            )
    names = ", ".join(str(entry.get("id")) for entry in served) or "nothing"
    raise ModelError(f"endpoint {url}: does not serve {model!r}; it serves {names}")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _connection(url: SplitResult, timeout_s: float) -> HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "https":
        return HTTPSConnection(host, url.port, timeout=timeout_s)
    return HTTPConnection(host, url.port, timeout=timeout_s)


def _headers() -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    key = os.environ.get(KEY)
    return headers | {"Authorization": f"Bearer {key}"} if key else headers


def _text(answer: HTTPResponse) -> str:
    return answer.read(MAX_ANSWER_BYTES).decode("utf-8", errors="replace")


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdecimal() else None


def _json_object(text: str, *, where: str) -> dict[str, Json]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ModelError(f"{where}: expected a JSON object, got {text[:300]!r}")
    return value


def _advice(status: int) -> str:
    if status in {401, 403}:
        return f"the server wants a key: put it into {KEY}"
    if status == 404:
        return "no such address: the base URL usually ends with /v1"
    if 300 <= status < 400:
        return "a redirect, which is not followed: name the final address"
    if status == 429 or status >= 500:
        return f"after {ATTEMPTS} attempts"
    return "the request was refused (does the model take images?)"
