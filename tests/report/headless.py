"""A headless browser that a test types into and listens to, over a pipe and nothing else."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
    if found is None:
        pytest.fail("browser tests need headless Chromium on the PATH")
    return found


class Tab:
    """One page, spoken to in the browser's own protocol.

    Attributes:
        events: everything the browser said unasked.
    """

    def __init__(self, reading: int, writing: int) -> None:
        self.events: list[dict] = []
        self._reading = os.fdopen(reading, "rb")
        self._writing = os.fdopen(writing, "wb")
        self._number, self._session = 0, ""

    def ask(self, method: str, **parameters) -> dict:
        """Send a command and wait for its answer; events that come first are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._writing.write(json.dumps(message).encode() + b"\0")
        self._writing.flush()
        while True:
            said = self._hear()
            if said.get("id") == self._number:
                assert "error" not in said, said
                return said["result"]
            self.events.append(said)

    def open(self, page: Path, *, width: int, height: int) -> None:
        """Go to a page and wait until it is there."""
        made = self.ask("Target.createTarget", url="about:blank")
        found = self.ask("Target.attachToTarget", targetId=made["targetId"], flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self.ask("Page.navigate", url=page.as_uri())
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self._hear())

    def evaluate(self, expression: str):
        """Value of an expression in the page."""
        done = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        """A key down and up, as from a keyboard."""
        codes = {"Tab": 9, "Enter": 13, " ": 32}
        named = {"key": key, "code": {" ": "Space"}.get(key, key)}
        for kind in ("keyDown", "keyUp"):
            extra = {"text": text} if text and kind == "keyDown" else {}
            self.ask(
                "Input.dispatchKeyEvent", type=kind, windowsVirtualKeyCode=codes[key],
                **named, **extra,
            )  # fmt: skip

    def complaints(self) -> list[dict]:
        """Errors, warnings and refusals that the console would show."""
        loud = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [event for event in self.events if event.get("method") in loud]

    def requested(self) -> list[str]:
        """Addresses that were asked for."""
        sent = (e for e in self.events if e.get("method") == "Network.requestWillBeSent")
        return [event["params"]["request"]["url"] for event in sent]

    def close(self) -> None:
        """Leave both ends."""
        self._writing.close()
        self._reading.close()

    def _hear(self) -> dict:
        said = bytearray()
        while (byte := self._reading.read(1)) != b"\0":
            assert byte, "the browser has gone"
            said += byte
        return json.loads(said)


@contextmanager
def browser(profile: Path, arguments: Sequence[str] = ()) -> Iterator[Tab]:
    """A browser with an empty profile; it ends with the block."""
    from_browser, to_test = os.pipe()
    from_test, to_browser = os.pipe()
    # the browser reads commands at 3 and answers at 4
    wired = f'exec "$@" 3<&{from_test} 4>&{to_test}'
    command = [
        "bash", "-c", wired, "browser", chromium(), *QUIET, f"--user-data-dir={profile}",
        "--remote-debugging-pipe", *arguments,
    ]  # fmt: skip
    process = subprocess.Popen(command, pass_fds=(from_test, to_test), stderr=subprocess.DEVNULL)
    os.close(from_test)
    os.close(to_test)
    tab = Tab(from_browser, to_browser)
    try:
        yield tab
    finally:
        tab.close()
        process.terminate()
        process.wait(timeout=30)
