"""Files of the package that the sample browser is made of, in the order they are joined."""

from collections.abc import Mapping

SAMPLE_ASSETS = (
    "samples.html",
    "samples.css",
    "sample_store.js",
    "sample_cells.js",
    "sample_rules.js",
    "sample_picture.js",
    "viewer_volume.js",
    "viewer_slices.js",
    "viewer_niivue.js",
    "viewer.js",
    "sample_detail.js",
    "sample_table.js",
)


def joined(assets: Mapping[str, str], ending: str, /) -> str:
    """All assets of that ending, one after the other."""
    return "".join(text for name, text in assets.items() if name.endswith(ending))
