"""The page on architecture cards does what it says."""

import re
from pathlib import Path

from vesalius.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "architecture-cards.md").read_text(encoding="utf-8")


def test_its_python_blocks_run(tmp_path, monkeypatch):
    """What a reader copies works as it stands, without any weights on disk."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    found = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(found) == 2
    for block in found:
        exec(compile(block, "architecture-cards.md", "exec"), {})


def test_its_commands_name_real_options():
    """No option on the page is one that the command has not."""
    (inspect,) = [c for c in app.registered_commands if c.callback.__name__ == "inspect"]
    known = {"--json"} | {
        "--" + name.replace("_", "-") for name in inspect.callback.__annotations__
    }
    used = set(re.findall(r"--[a-z][a-z-]*", PAGE))
    assert used <= known
