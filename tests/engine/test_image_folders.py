"""Folders of generated images against folders of true ones."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from vesalius.engine.image_folders import compare_folders
from vesalius.errors import InputError
from vesalius.metrics import ssim
from vesalius.records import Resampling
from vesalius.tasks.generation_compare import Comparison

HOW = Comparison(side=32, resampling=Resampling(n_resamples=50))


def folder_of(root: Path, name: str, pictures: dict[str, np.ndarray]) -> Path:
    folder = root / name
    folder.mkdir()
    for file, pixels in pictures.items():
        Pillow.fromarray(pixels).save(folder / file)
    return folder


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)


def test_namesakes_are_pairs(tmp_path: Path) -> None:
    """Whatever their endings; SSIM is that of the pairs."""
    true = {f"{i}.png": noise(i) for i in range(4)}
    made = {f"{i}.tif": noise(10 + i) for i in range(4)}
    made["3.tif"] = noise(3)
    found = compare_folders(
        folder_of(tmp_path, "made", made), folder_of(tmp_path, "true", true), how=HOW
    )
    assert (found.paired, found.n_generated, found.n_references) == (True, 4, 4)
    by_name = {e.metric: e for e in found.estimates}
    assert list(by_name) == ["ssim", "psnr", "fd[mini:biomedclip]", "kid[mini:biomedclip]"]
    values = [ssim(x, y, data_range=255) for x, y in zip(true.values(), made.values(), strict=True)]
    assert values[3] == pytest.approx(1.0)
    assert by_name["ssim"].value == pytest.approx(np.mean(values))


def test_sets_of_other_names_have_distances_only_and_bad_files_are_named(tmp_path: Path) -> None:
    """One broken file does not stop the rest."""
    made = folder_of(tmp_path, "made", {f"x{i}.png": noise(i) for i in range(3)})
    true = folder_of(tmp_path, "true", {f"{i}.png": noise(i) for i in range(4)})
    (made / "broken.png").write_bytes(b"no picture")
    (made / ".hidden").write_bytes(b"no picture either")
    found = compare_folders(made, true, how=HOW)
    assert (found.paired, found.n_generated, found.n_references) == (False, 3, 4)
    assert [e.metric for e in found.estimates] == ["fd[mini:biomedclip]", "kid[mini:biomedclip]"]
    assert list(found.problems) == ["made/broken.png"]


def test_folders_that_hold_no_images_are_refused(tmp_path: Path) -> None:
    """Missing, empty of images, or with two files of one name."""
    true = folder_of(tmp_path, "true", {"0.png": noise(0), "1.png": noise(1)})
    with pytest.raises(InputError, match="made: expected a folder of images"):
        compare_folders(tmp_path / "made", true, how=HOW)
    empty = folder_of(tmp_path, "empty", {})
    with pytest.raises(InputError, match="none of its 0 files"):
        compare_folders(true, empty, how=HOW)
    twice = folder_of(tmp_path, "twice", {"0.png": noise(0), "0.tif": noise(0)})
    with pytest.raises(InputError, match=r"0\.tif: another file has the name '0'; rename one"):
        compare_folders(twice, true, how=HOW)
