"""A served model, asked over a real local HTTP server."""

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import PIL.Image
import pytest

from vesalius.capabilities import CAPABILITIES
from vesalius.catalog import describe, load_model, parse_model
from vesalius.errors import InputError, ModelError
from vesalius.models import endpoint_server
from vesalius.models.endpoint import CAPTION, Endpoint, data_url
from vesalius.models.endpoint_server import Server, split_address
from vesalius.records import Image

Reply = tuple[int, object, dict[str, str]]


class Chat(ThreadingHTTPServer):
    """A chat server: keeps what it was asked, and answers from a queue of faults first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, str], dict[str, object]]] = []
        self.faults: list[Reply] = []
        self.models: object = {"data": [{"id": "tiny/vlm:1", "created": 1, "owned_by": "me"}]}

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    """Answers ``/models`` and ``/chat/completions``."""

    def log_message(self, *arguments: object) -> None:
        """Keep the terminal quiet."""

    def do_GET(self) -> None:
        """The list of models."""
        server = self.server
        assert isinstance(server, Chat)
        self._reply(200, server.models, {})

    def do_POST(self) -> None:
        """An answer that says what was seen: the question and the mean brightness."""
        server = self.server
        assert isinstance(server, Chat)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.asked.append((self.path, dict(self.headers), body))
        if server.faults:
            self._reply(*server.faults.pop(0))
            return
        image, text = body["messages"][0]["content"]
        pixels = base64.b64decode(image["image_url"]["url"].partition(",")[2])
        mean = np.asarray(PIL.Image.open(io.BytesIO(pixels))).mean()
        answer = {"role": "assistant", "content": f" {text['text']} {mean:.0f}\n"}
        self._reply(200, {"choices": [{"message": answer}]}, {})

    def _reply(self, status: int, value: object, headers: dict[str, str]) -> None:
        payload = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


@pytest.fixture
def chat() -> Iterator[Chat]:
    """A server on a free port of this machine."""
    with Chat() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def name(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> str:
    """The model as it is named on the command line; no key, no consent."""
    for variable in (endpoint_server.KEY, endpoint_server.CONSENT):
        monkeypatch.delenv(variable, raising=False)
    return f"endpoint:tiny/vlm:1@{chat.url}"


def opened(name: str) -> tuple[Endpoint, list[float]]:
    """The adapter with a clock that only notes how long it would have waited."""
    model, waits = load_model(name), []
    assert isinstance(model, Endpoint)
    return replace(model, server=replace(model.server, pause=waits.append)), waits


def grey(level: int) -> Image:
    return Image(np.full((6, 9), level, np.uint8), "yx", "display", (0.0, 255.0))


def test_answers_come_back_in_order_for_image_and_prompt(chat: Chat, name: str) -> None:
    """Both inputs arrive, the text is stripped, an empty prompt asks for a caption."""
    model, _ = opened(name)
    answers = model.generate([grey(10), grey(200), grey(30)], ["Is it dark?", "Bright?", ""])
    assert answers == ["Is it dark? 10", "Bright? 200", f"{CAPTION} 30"]
    assert [path for path, _, _ in chat.asked] == ["/v1/chat/completions"] * 3
    body = chat.asked[0][2]
    assert (body["model"], body["temperature"], body["seed"]) == ("tiny/vlm:1", 0, 0)
    assert (body["max_tokens"], body["stream"]) == (64, False)
    assert model.generate([], []) == []


def test_only_what_it_can_do_is_promised(name: str) -> None:
    """A chat server generates; log-likelihoods of given answers are not to be had."""
    model, _ = opened(name)
    assert [n for n, kind in CAPABILITIES.items() if isinstance(model, kind)] == ["generate"]


def test_the_picture_is_what_a_screen_shows(pictures: list[Image]) -> None:
    """Lossless 8-bit pixels in the original size, window applied."""
    sent = PIL.Image.open(io.BytesIO(base64.b64decode(data_url(pictures[1]).partition(",")[2])))
    np.testing.assert_array_equal(np.asarray(sent), pictures[1].pixels)
    dark = Image(np.array([[-100.0, 0.0, 100.0]]), "yx", "hu", (-100.0, 100.0))
    windowed = PIL.Image.open(io.BytesIO(base64.b64decode(data_url(dark).partition(",")[2])))
    assert np.asarray(windowed)[0, :, 0].tolist()[::2] == [0, 255]
    with pytest.raises(InputError, match="expected pixels"):
        data_url(Image(np.zeros((0, 3), np.uint8), "yx", "display", (0.0, 255.0)))


def test_the_card_names_the_server_but_not_the_host(
    chat: Chat, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Identity is what the server tells and stays the same; key and address are never recorded."""
    monkeypatch.setenv(endpoint_server.KEY, "secret-key")
    model, _ = opened(f"{name}[max_new_tokens=16]")
    card = describe(parse_model(f"{name}[max_new_tokens=16]"))
    assert card == model.card
    assert card.name == "endpoint:tiny/vlm:1[max_new_tokens=16]"
    assert card.source == "http, loopback: tiny/vlm:1"
    assert card.options["server"] == {"id": "tiny/vlm:1", "owned_by": "me"}
    for hidden in ("127.0.0.1", str(chat.server_address[1]), "secret-key"):
        assert hidden not in repr(card)
        assert hidden not in repr(model.card)
    model.generate([grey(1)], ["?"])
    assert chat.asked[0][1]["Authorization"] == "Bearer secret-key"
    assert chat.asked[0][2]["max_tokens"] == 16


def test_busy_servers_are_asked_again_with_growing_pauses(chat: Chat, name: str) -> None:
    """429 and 5xx pass; the server's own wish is kept, up to a bound."""
    model, waits = opened(name)
    chat.faults = [(503, "loading", {}), (429, "slow", {"Retry-After": "7"}), (500, "x", {})]
    assert model.generate([grey(5)], ["?"]) == ["? 5"]
    assert waits == [1.0, 7.0, 4.0]
    chat.faults = [(429, "slow", {"Retry-After": "9999"}), *[(503, "down", {})] * 3]
    with pytest.raises(ModelError, match=r"status 503, after 4 attempts: down"):
        model.generate([grey(5)], ["?"])
    assert waits[3] == endpoint_server.LONGEST_PAUSE_S


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ((401, "no", {}), "the server wants a key: put it into VESALIUS_ENDPOINT_KEY"),
        ((404, "no", {}), "the base URL usually ends with /v1"),
        ((400, "not multimodal", {}), "does the model take images.*: not multimodal"),
        ((302, "", {"Location": "http://elsewhere"}), "a redirect, which is not followed"),
        ((200, "<html>", {}), "expected a JSON object, got '<html>'"),
        ((200, "[1]", {}), "expected a JSON object"),
        ((200, {"choices": []}, {}), r"expected choices\[0\].message.content"),
        ((200, {"choices": [{"message": {"content": None}}]}, {}), "expected choices"),
    ],
)
def test_other_faults_are_explained_at_once(
    fault: Reply, message: str, chat: Chat, name: str
) -> None:
    """What a second attempt cannot mend is not tried again, and nothing becomes an answer."""
    model, waits = opened(name)
    chat.faults = [fault]
    with pytest.raises(ModelError, match=message):
        model.generate([grey(5)], ["?"])
    assert waits == []
    assert len(chat.asked) == 1


def test_a_model_that_is_not_served_is_named(chat: Chat, name: str) -> None:
    """The answer lists what there is, before anything runs."""
    with pytest.raises(ModelError, match="does not serve 'other'; it serves tiny/vlm:1"):
        describe(parse_model(f"endpoint:other@{chat.url}"))
    chat.models = {"data": None}
    with pytest.raises(ModelError, match="it serves nothing"):
        describe(parse_model(name))


def test_a_server_that_is_not_there_is_said(free_port: Callable[[], int]) -> None:
    """A closed port gives one sentence, not a traceback."""
    with pytest.raises(ModelError, match=r"no answer .*is the server running"):
        load_model(f"endpoint:m@http://127.0.0.1:{free_port()}/v1")


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A port that was free a moment ago."""

    def find() -> int:
        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            return server.server_address[1]

    return find


def test_pixels_leave_the_machine_only_by_consent(
    monkeypatch: pytest.MonkeyPatch, no_network: list[str]
) -> None:
    """Another host is refused before a name is resolved; a key never goes out in the clear."""
    monkeypatch.delenv(endpoint_server.CONSENT, raising=False)
    remote = parse_model("endpoint:m@http://vlm.example.org/v1")
    with pytest.raises(InputError, match=r"every evaluated image would be sent there.*=1"):
        describe(remote)
    monkeypatch.setenv(endpoint_server.CONSENT, "1")
    monkeypatch.setenv(endpoint_server.KEY, "secret-key")
    with pytest.raises(InputError, match="unencrypted; use https") as caught:
        describe(remote)
    assert "secret-key" not in str(caught.value)
    assert no_network == []


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:1", True),
        ("http://127.9.9.9/v1", True),
        ("http://[::1]:11434/v1", True),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1.example.org", False),
        ("http://localhost.example.org", False),
    ],
)
def test_loopback_is_this_machine_only(url: str, loopback: bool) -> None:
    """A name that looks local is not."""
    assert Server(url).is_loopback is loopback


@pytest.mark.parametrize(
    "text",
    ["m", "m@", "@http://h", "m@ftp://h", "m@http://", "m@http://u:p@h/v1", "m@http://h?k=1"],
)
def test_malformed_addresses_are_refused(text: str) -> None:
    """A key in the URL would be written down; the form is said."""
    with pytest.raises(InputError, match=r"expected endpoint:MODEL@http://host:port/v1"):
        split_address(text)


def test_one_answer_for_each_image(name: str) -> None:
    """A single string in place of a list is a slip, not three prompts."""
    model, _ = opened(name)
    for prompts in (["one"], "ab"):
        with pytest.raises(InputError, match="a prompt for each of 2 images"):
            model.generate([grey(1), grey(2)], prompts)
