"""A headless browser that a test clicks, types and listens in; it reaches no network.

The work is done by ``tests/browser/bridge.js``, which `make browser` installs the packages of.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

KIT = Path(__file__).parents[1] / "browser"


def _program(*names: str) -> str:
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.fail(f"browser tests need {names[0]} on the PATH")
    return found


class Browser:
    """Chromium behind the bridge; `open` makes pages that know nothing of each other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def open(
        self,
        page: Path,
        *,
        width: int = 1280,
        height: int = 900,
        scheme: str = "light",
        fragment: str = "",
        javascript: bool = True,
    ) -> "Tab":
        """Go to a page, with its policy in force, and wait until it is there."""
        how = {"url": page.as_uri() + fragment, "width": width, "height": height}
        how |= {"scheme": scheme, "javascript": javascript, "bypassCSP": False}
        return Tab(self, self.ask(do="open", how=how))

    def audit(
        self,
        page: Path,
        *,
        scheme: str = "light",
        width: int = 1280,
        fragment: str = "",
        prepare: str = "",
    ) -> list[dict]:
        """What axe-core finds wrong by WCAG 2.2 A and AA, after `prepare` ran in the page."""
        how = {"url": page.as_uri() + fragment, "width": width, "height": 900, "scheme": scheme}
        return self.ask(do="audit", how={**how, "prepare": prepare})

    def ask(self, **message):
        """Send a command to the bridge and wait for its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the browser has gone; `make browser` installs what it needs"
        said = json.loads(line)
        assert "error" not in said, said["error"]
        return said["value"]


class Tab:
    """One page; `call` reaches every method of Playwright's ``Page`` by its dotted name."""

    def __init__(self, browser: Browser, number: int) -> None:
        self._browser, self._number = browser, number

    def call(self, method: str, *parameters):
        """Result of a method such as ``mouse.wheel`` or ``selectOption``, None if not plain."""
        return self._ask("call", method=method, parameters=parameters)

    def evaluate(self, expression: str):
        """Value of an expression in the page; a promise is waited for."""
        return self._ask("evaluate", expression=expression)

    def click(self, selector: str) -> None:
        """Click the one element that the selector names."""
        self.call("click", selector)

    def choose(self, selector: str, value: str) -> None:
        """Take the option of that value."""
        self.call("selectOption", selector, value)

    def press(self, *keys: str) -> None:
        """Keys such as ``Tab``, ``Enter``, ``Space`` and ``Shift+Tab``, one after the other."""
        for key in keys:
            self.call("keyboard.press", key)

    def texts(self, selector: str) -> list[str]:
        """What each element that can be seen says, white space joined."""
        return self.evaluate(
            f"Array.from(document.querySelectorAll({json.dumps(selector)}))"
            ".filter(e => e.checkVisibility()).map(e => e.textContent.trim().replace(/\\s+/g, ' '))"
        )

    def screenshot(self, path: Path, *, full: bool = False) -> None:
        """A picture of the window, or of the whole page."""
        self.call("screenshot", {"path": str(path), "fullPage": full})

    def pdf(self, path: Path, *, landscape: bool = False) -> bytes:
        """The page as it would be printed."""
        wanted = {"path": str(path), "landscape": landscape, "preferCSSPageSize": True}
        self.call("pdf", wanted)
        return path.read_bytes()

    def download(self, selector: str, path: Path) -> str:
        """Click what offers a file and keep it; the name that the page gave it."""
        return self._ask("download", selector=selector, path=str(path))

    def complaints(self) -> list[str]:
        """All that the console shows: errors, warnings, refusals, messages."""
        return self._ask("complaints")

    def requested(self) -> list[str]:
        """Addresses that were asked for."""
        return self._ask("requests")

    def close(self) -> None:
        """Close the page and forget its context."""
        self._ask("close")

    def _ask(self, command: str, **message):
        return self._browser.ask(do=command, page=self._number, **message)


@contextmanager
def browser(arguments: Sequence[str] = ()) -> Iterator[Browser]:
    """A browser without a past; it ends with the block.

    Args:
        arguments: further switches of Chromium.
    """
    if not (KIT / "node_modules").is_dir():
        pytest.fail("browser tests need `npm ci --prefix tests/browser`, which `make browser` runs")
    chromium = _program("chromium", "chromium-browser", "chrome")
    command = [_program("node"), str(KIT / "bridge.js"), chromium, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        yield Browser(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=30)
