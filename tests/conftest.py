"""What every test runs under: no network, checked types and shapes, the place of real images."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# read when huggingface_hub is imported, so it must stand before anything else
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

# annotations of the package are executed from here on: a shape that lies fails its test
install_import_hook("vesalius", "typechecking.checked")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images beside the checkout; only for tests marked ``realdata``."""
    beside = Path(__file__).parents[1] / ".." / "shared" / "data"
    folder = Path(os.environ.get("VESALIUS_REAL_DATA", beside)).resolve()
    if not folder.is_dir():
        pytest.fail(
            f"realdata tests need the real images in {folder}; put them there, or name their "
            "folder in VESALIUS_REAL_DATA"
        )
    return folder
