"""The folder that a page runs in; its cohort and its run are made once."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vesalius as vs
from vesalius.api import Settings


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features are kept between pages."""
    return tmp_path_factory.mktemp("docs-cache")


@pytest.fixture(scope="session")
def shared_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty synthetic patients, radiographs and volumes."""
    folder = tmp_path_factory.mktemp("docs-cohort") / "my-cxr"
    vs.write_phantom(folder, n_patients=20, seed=5)  # nodules in every split
    return folder


@pytest.fixture(scope="session")
def shared_run(
    shared_cohort: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Two miniatures on that cohort, at one task."""
    folder = tmp_path_factory.mktemp("docs-run") / "first"
    settings = Settings(
        protocols=("zero-shot", "knn"), n_resamples=200, cache=shared_cache / "vesalius/features"
    )
    vs.evaluate(
        models=["mini:clip", "mini:biomedclip"],
        datasets=[shared_cohort],
        tasks="classification",
        out=folder,
        settings=settings,
    )
    return folder


@pytest.fixture
def page_folder(
    tmp_path: Path,
    shared_cohort: Path,
    shared_run: Path,
    shared_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The current folder of a page, with what `pages` says lies in it; no weights, no network."""
    monkeypatch.setattr("vesalius.models.timing._MOST", 3)  # repeats of a timing
    (tmp_path / "my-cxr").symlink_to(shared_cohort)
    shutil.copytree(shared_run, tmp_path / "runs" / "first")
    _write_pictures(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("VESALIUS_DATA", str(tmp_path / "public"))
    return tmp_path


def _write_pictures(folder: Path) -> None:
    """Folders ``generated`` and ``true`` with a few pictures."""
    rng = np.random.default_rng(0)
    for name in ("generated", "true"):
        (folder / name).mkdir()
        for number in range(6):
            pixels = rng.integers(0, 256, (64, 64), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
