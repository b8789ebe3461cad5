"""The page about models says what the catalog says."""

from pathlib import Path

import pytest

from vesalius.catalog import MODELS

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(MODELS))
def test_size_and_licence_are_those_of_the_catalog(name):
    """A table that drifts away from the code misleads about licences."""
    entry = MODELS[name]
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    assert f"{entry.size_mb / 1e3:.1f} GB" in row
    assert f"{entry.expected.parameters / 1e6:.0f} M" in row
    assert ("research only" in row) is entry.research_only
    assert entry.license.split()[0] in row


def test_every_option_is_explained():
    """An option that nobody knows of is not there."""
    for entry in MODELS.values():
        for option in entry.options:
            assert f"| `{option.name}` |" in PAGE
