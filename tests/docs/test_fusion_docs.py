"""The page about fusion: its table names every head."""

from pathlib import Path

from vesalius.fusion.heads import HEADS

PAGE = (Path(__file__).parents[2] / "docs" / "fusion.md").read_text(encoding="utf-8")


def test_every_head_is_in_the_table():
    """A head that nobody knows of is not there."""
    assert all(f"`{name}`" in PAGE for name in HEADS)
