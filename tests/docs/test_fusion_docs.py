"""The page about fusion: its example runs and its table names every head."""

import re
from pathlib import Path

from vesalius.fusion.heads import HEADS

PAGE = (Path(__file__).parents[2] / "docs" / "fusion.md").read_text(encoding="utf-8")


def test_the_example_runs():
    """A head of one's own, as printed."""
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(snippet, "fusion.md", "exec"), {})


def test_every_head_is_in_the_table():
    """A head that nobody knows of is not there."""
    assert all(f"`{name}`" in PAGE for name in HEADS)
