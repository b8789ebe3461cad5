"""Run folders that several report tests read."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_run import build_run
from headless import Browser, browser
from payloads import hostile_names


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything a report shows, and a space in its name."""
    return build_run(tmp_path_factory.mktemp("runs") / "first run", n=40)


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with payloads in every free text."""
    return build_run(tmp_path_factory.mktemp("hostile") / "<b>run</b>", hostile_names(), n=40)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of a session; what a page does stays in its own context."""
    with browser() as started:
        yield started
