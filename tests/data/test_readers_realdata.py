"""Real files: what the readers make of them agrees with what their README says."""

from pathlib import Path

import numpy as np
import pytest

from vesalius.data.check import check_dataset
from vesalius.data.manifest import load_dataset
from vesalius.data.masks import read_mask
from vesalius.data.readers import content_digest, read_image
from vesalius.data.slices import body_range, slices

pytestmark = pytest.mark.realdata

# samples, patients, train, val, test, questions, boxes: the table of the data's README
COUNTS = {
    "nih-cxr": (460, 343, 289, 82, 89, 0, 33),
    "hannover-lungs": (55, 29, 29, 7, 19, 0, 110),
    "vqa-rad": (130, 130, 79, 21, 30, 1547, 0),
    "medpix-captions": (294, 294, 92, 34, 168, 0, 0),
    "msd-hippocampus": (40, 40, 16, 4, 20, 0, 0),
    "adrenalmnist3d": (120, 120, 65, 19, 36, 0, 0),
}


@pytest.mark.parametrize("name", COUNTS)
def test_every_real_dataset_loads_completely(shared_data: Path, name: str) -> None:
    """No row of a good dataset is refused, and none is lost."""
    data = load_dataset(shared_data / name)
    splits = tuple(len(data.split(split)) for split in ("train", "val", "test"))
    n_patients = len({sample.patient for sample in data})
    found = (len(data), n_patients, *splits, len(data.questions), len(data.phrases))
    assert found == COUNTS[name]
    assert data.problems == ()


@pytest.mark.parametrize("name", COUNTS)
def test_every_real_file_decodes(shared_data: Path, name: str) -> None:
    """No good image or mask is rejected, and every one is really decoded."""
    report = check_dataset(shared_data / name)
    n_masks = {"hannover-lungs": 55, "msd-hippocampus": 40}.get(name, 0)
    assert report.problems == ()
    assert report.n_decoded == COUNTS[name][0] + n_masks


def test_ct_series_is_sorted_and_in_hounsfield_units(shared_data: Path) -> None:
    """File names out of order and a lying SliceThickness do not disturb the volume."""
    image = read_image(shared_data / "loose/dicom/ct_b")
    assert image.axes == "xyz"
    assert image.size == (512, 512, 20)
    assert image.spacing_mm == pytest.approx((0.9765625, 0.9765625, 2.0))
    assert image.intensity == "hu"
    assert image.pixels.min() == -1024
    assert image.digest == content_digest(shared_data / "loose/dicom/ct_b")
    assert image.affine is not None
    assert np.all(np.diag(image.affine) > 0)
    assert body_range(image) == (0, 20)
    assert [cut.size for cut in slices(image, n=4)] == [(512, 512)] * 4


def test_las_mask_falls_on_the_organs_of_the_series(shared_data: Path) -> None:
    """A mask in LAS order lands on its image: liver, kidney-adjacent fat and bone have their HU."""
    image = read_image(shared_data / "loose/dicom/ct_b")
    mask = read_mask(shared_data / "loose/dicom/ct_b_seg.nii.gz", like=image)
    spleen, liver, stomach_or_colon_gas, rib = 1, 5, 20, 109
    assert image.pixels[mask == liver].mean() == pytest.approx(89.3, abs=1)
    assert image.pixels[mask == spleen].mean() == pytest.approx(79.6, abs=1)
    assert image.pixels[mask == stomach_or_colon_gas].mean() < -300
    assert image.pixels[mask == rib].mean() > 250
    mirrored = mask[::-1]
    # with left and right exchanged the liver's label would cover spleen, stomach and air
    assert image.pixels[mirrored == liver].std() > 3 * image.pixels[mask == liver].std()


def test_monochrome1_radiograph_is_inverted_and_has_no_spacing(shared_data: Path) -> None:
    """The air around the patient is dark, and a PixelSpacing of 0 is not a spacing."""
    image = read_image(shared_data / "loose/dicom/cxr_mono1_j2k.dcm")
    assert image.size == (1955, 1841)
    assert image.spacing_mm is None
    assert image.intensity == "display"
    assert image.display_range == (0.0, 29999.0)
    rows, columns = image.size
    mediastinum = image.pixels[rows // 2 : rows * 3 // 4, columns * 9 // 20 : columns * 11 // 20]
    right_lung = image.pixels[rows // 3 : rows // 2, columns // 5 : columns // 3]
    assert mediastinum.mean() > right_lung.mean() + 3000


def test_volumes_keep_their_kind_of_intensity(shared_data: Path) -> None:
    """CT is Hounsfield units, MR and a binary shape from CT are not."""
    folder = shared_data / "loose/volumes/totalsegmentator"
    assert read_image(folder / "ct_a.nii.gz", modality="ct").intensity == "hu"
    assert read_image(folder / "mr_c_small.nii.gz", modality="mri").intensity == "arbitrary"
    shapes = load_dataset(shared_data / "adrenalmnist3d")
    shape = shapes.read(shapes[0])
    assert (shape.intensity, shape.display_range) == ("arbitrary", (0.0, 1.0))


def test_small_volume_is_where_the_large_one_has_it(shared_data: Path) -> None:
    """ct_a_small is slices 82 to 111 of ct_a, by content and by affine."""
    folder = shared_data / "loose/volumes/totalsegmentator"
    large = read_image(folder / "ct_a.nii.gz", modality="ct")
    small = read_image(folder / "ct_a_small.nii.gz", modality="ct")
    np.testing.assert_array_equal(large.pixels[:, :, 82:112], small.pixels)


def test_mr_volume_and_mask_are_reoriented_alike(shared_data: Path) -> None:
    """An LPS-ordered MR and its mask both come out in RAS+ order."""
    folder = shared_data / "loose/volumes/totalsegmentator"
    image = read_image(folder / "mr_c_small.nii.gz", modality="mri")
    mask = read_mask(folder / "mr_c_small_seg.nii.gz", like=image)
    assert mask.shape == image.size
    assert image.affine is not None
    assert np.all(np.diag(image.affine)[:3] > 0)
    liver, kidney_right, kidney_left = (mask == value for value in (5, 2, 3))
    for axis in range(3):
        mirrored = np.flip(liver, axis)
        assert image.pixels[mirrored].std() > 3 * image.pixels[liver].std()
    # in RAS+ order the first index grows towards the patient's right
    assert np.argwhere(kidney_right)[:, 0].mean() > np.argwhere(kidney_left)[:, 0].mean()
