"""The page on architecture cards does what it says."""

import re
from pathlib import Path

from vesalius.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "architecture-cards.md").read_text(encoding="utf-8")


def test_its_commands_name_real_options():
    """No option on the page is one that the command has not."""
    (inspect,) = [c for c in app.registered_commands if c.callback.__name__ == "inspect"]
    known = {"--json"} | {
        "--" + name.replace("_", "-") for name in inspect.callback.__annotations__
    }
    used = set(re.findall(r"--[a-z][a-z-]*", PAGE))
    assert used <= known
