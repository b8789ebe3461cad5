"""Small volumes that a run keeps: of the right patients' sides, few, coarse, with their labels."""

import nibabel as nib
import numpy as np
import pytest

from vesalius.data.manifest import load_dataset
from vesalius.engine import thumbnails
from vesalius.engine.progress import no_progress
from vesalius.engine.sources import hash_dataset
from vesalius.store.volumes import read_volume, volume_labels_path, volume_path

CARD = """format: 1
name: deep
license: CC0-1.0
modality: mri
structures:
  spot: 3
"""
SIZE = (120, 50, 30)
SPOT = (100, 40, 20)  # in RAS+: right, anterior, superior of the middle


@pytest.fixture
def folder(tmp_path):
    """Three test volumes stored with the first axis to the patient's left, as scanners do."""
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    rows = ["id,patient,split,image,mask"]
    voxels = np.tile(np.linspace(0, 50, SIZE[0])[:, None, None], (1, *SIZE[1:])).astype(np.int16)
    labels = np.zeros(SIZE, np.uint8)
    near = tuple(slice(at, at + 2) for at in SPOT)
    voxels[near], labels[near] = 900, 3
    to_left = np.diag([-1.5, 1.5, 2.0, 1.0])
    for n in range(3):
        for kind, array in (("i", voxels), ("m", labels)):
            nib.save(nib.Nifti1Image(array[::-1], to_left), root / "images" / f"{kind}{n}.nii.gz")
        rows.append(f"s{n},p{n},test,images/i{n}.nii.gz,images/m{n}.nii.gz")
    (root / "samples.csv").write_text("\n".join(rows) + "\n")
    (root / "dataset.yaml").write_text(CARD)
    return root


def kept(folder, out):
    """Write what a run keeps of the dataset."""
    dataset = load_dataset(folder)
    thumbnails.write_thumbnails(out, hash_dataset(dataset, tuple(dataset), progress=no_progress))
    return dataset.card.name


def test_left_stays_left_and_the_mark_stays_at_its_place(folder, tmp_path):
    """Two voxels became one along the first axis; bright spot and label lie at the same index."""
    name = kept(folder, tmp_path / "run")
    image = read_volume(volume_path(tmp_path / "run", name, "s0"))
    labels = read_volume(volume_labels_path(tmp_path / "run", name, "s0"))
    assert image.voxels.shape == labels.voxels.shape == (60, 50, 30)
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    assert nib.affines.voxel_sizes(image.affine).tolist() == [3.0, 1.5, 2.0]
    assert image.voxels.dtype == np.uint8
    spot = np.argwhere(image.voxels == image.voxels.max())
    assert spot.min(axis=0).tolist() == np.argwhere(labels.voxels == 3).min(axis=0).tolist()
    assert spot.min(axis=0).tolist() == [50, 40, 20]
    np.testing.assert_allclose(image.affine, labels.affine)


def test_only_the_first_volumes_are_kept_and_a_second_time_changes_nothing(
    folder, tmp_path, monkeypatch
):
    """Two of three; the same bytes again."""
    monkeypatch.setattr(thumbnails, "MAX_VOLUMES", 2)
    name = kept(folder, tmp_path / "run")
    paths = [volume_path(tmp_path / "run", name, f"s{n}") for n in range(3)]
    assert [path.exists() for path in paths] == [True, True, False]
    before = paths[0].read_bytes(), paths[0].stat().st_mtime_ns
    kept(folder, tmp_path / "run")
    assert (paths[0].read_bytes(), paths[0].stat().st_mtime_ns) == before
