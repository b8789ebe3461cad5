"""All eight miniatures at every task that real images support, in 2D and 3D.

What they score means nothing. That no cell fails, that none is left without an outcome, that what
is missing says why, and that masks and boxes land in the original pixels, does.
"""

import nibabel as nib
import numpy as np
import pytest
from PIL import Image as Pillow

from vesalius.api import Settings, evaluate
from vesalius.catalog import miniatures
from vesalius.data.manifest import load_dataset
from vesalius.data.slices import slice_positions
from vesalius.records import TASKS, Done, Failed
from vesalius.store.runs import read_predictions
from vesalius.tasks import default_protocols

pytestmark = pytest.mark.realdata
MODELS = tuple(miniatures())
DUAL = {"mini:clip", "mini:pubmedclip", "mini:clipmd", "mini:biomedclip", "mini:biovil-t"}
LIMITS = {  # image generation is fitted on eight train images at least
    "nih-cxr": 9,
    "hannover-lungs": 6,
    "vqa-rad": 4,
    "medpix-captions": 6,
    "msd-hippocampus": 3,
    "adrenalmnist3d": 9,
}
FILLED = {
    "nih-cxr": {"classification", "retrieval", "grounding", "generation"},
    "hannover-lungs": {"segmentation", "grounding"},
    "vqa-rad": {"vqa"},
    "medpix-captions": {"classification", "retrieval"},
    "msd-hippocampus": {"segmentation"},
    "adrenalmnist3d": {"classification", "retrieval", "generation"},
}


@pytest.fixture(
    scope="module", params=[pytest.param(n, marks=pytest.mark.xdist_group(n)) for n in LIMITS]
)
def done(request, shared_data, tmp_path_factory):
    """A small run of everything on one dataset, without controls."""
    out = tmp_path_factory.mktemp(request.param) / "run"
    settings = Settings(
        limit=LIMITS[request.param], n_resamples=50, controls=False, device="cpu",
        cache=out.parent / "cache",
    )  # fmt: skip
    folder = shared_data / request.param
    result = evaluate(models=MODELS, datasets=[folder], out=out, settings=settings)
    return request.param, result, load_dataset(folder)


def test_every_place_of_the_matrix_has_an_outcome(done):
    """48 places, each protocol of each; nothing fails, nothing is silent."""
    name, result, _ = done
    failed = [(o.cell, o.error) for o in result.outcomes if isinstance(o, Failed)]
    assert not failed
    found = {(o.cell.model, o.cell.task, o.cell.protocol) for o in result.outcomes}
    assert found == {(m, t, p) for m in MODELS for t in TASKS for p in default_protocols(t)}
    filled = {o.cell.task for o in result.outcomes if isinstance(o, Done)}
    assert filled == FILLED[name]
    assert all(o.reason for o in result.outcomes if not isinstance(o, Done))


def test_every_model_has_a_number_wherever_the_data_allow_it(done):
    """A family without any number at a task would be a gap in the matrix."""
    name, result, data = done
    for task in FILLED[name]:
        models = {
            o.cell.model for o in result.outcomes if isinstance(o, Done) and o.cell.task == task
        }
        out_of_domain = {"mini:biovil-t"} if data.card.modality not in ("xray", "other") else set()
        assert models >= set(MODELS) - out_of_domain, (name, task)


def test_kept_masks_have_the_size_of_their_images(done):
    """Masks of volumes lie where the volume lies."""
    _, result, data = done
    sizes = {s.id: data.read(s) for s in data if s.split == "test"}
    n_seen = 0
    for outcome in result.outcomes:
        if not (isinstance(outcome, Done) and outcome.cell.task == "segmentation"):
            continue
        table = read_predictions(result.path, outcome.cell)
        for place, sample in list(zip(table["map"], table["id"], strict=True))[:4]:
            image = sizes[sample]
            n_seen += 1
            if image.is_volume:
                stored = nib.load(result.path / place)
                assert stored.shape == image.size
                np.testing.assert_allclose(stored.affine, image.affine, atol=1e-4)
            else:
                with Pillow.open(result.path / place) as stored:
                    assert stored.size == image.size[::-1]
    has_masks = bool(data.card.structures)
    assert (n_seen > 0) == has_masks


def test_volumes_are_seen_through_all_their_slices(done):
    """Slices lie inside the volume, ascending, and are at most sixteen."""
    _, _, data = done
    image = data.read(next(s for s in data if s.split == "test"))
    if image.is_volume:
        positions = slice_positions(image, n=16)
        assert list(positions) == sorted(set(positions))
        assert positions[0] >= 0
        assert positions[-1] < image.size[2]
        assert len(positions) <= 16
