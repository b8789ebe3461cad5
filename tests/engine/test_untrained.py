"""The control of an encoder that learnt nothing: with weights a number, without them a reason."""

from pathlib import Path

import numpy as np
import torch
from small_world import Brightness, squares
from torch import nn

from vesalius.engine import Grid, ModelSource, run
from vesalius.imaging import display_pixels
from vesalius.records import Done, ModelCard, NotApplicable, RunSpec
from vesalius.store.runs import read_predictions
from vesalius.tasks import make_task

INVERSION = make_task("generation", "inversion", {"side": 16, "judge": "mini:clip"})
SPEC = RunSpec(models=("linear",), datasets=("squares",), n_resamples=50)


class Linear:
    """Sees the upper quarter of a picture only: its weights are zero elsewhere."""

    def __init__(self) -> None:
        self.card = ModelCard(name="linear", adapter="fake", weights={"layer": "1"})
        self.layer = nn.Linear(24 * 24, 6, bias=False)
        self.n_encoded = 0
        with torch.no_grad():
            self.layer.weight.zero_()
            self.layer.weight[:, :144] = torch.eye(6, 144)

    def encode_images(self, images):
        """Unit rows."""
        self.n_encoded += len(images)
        pixels = np.stack([display_pixels(image).reshape(-1) for image in images]) / 255
        with torch.no_grad():
            rows = self.layer(torch.tensor(pixels, dtype=torch.float32)).numpy() + 1e-3
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_an_untrained_network_is_a_control_of_inversion(tmp_path: Path) -> None:
    """Both embeddings are kept apart in the cache, and the weights are back afterwards."""
    data, model = squares(tmp_path / "data", n_patients=30), Linear()
    weights = model.layer.weight.detach().clone()
    sources = [ModelSource(model.card, lambda: model)]
    done = run(
        Grid(sources, [data], [INVERSION]), SPEC, out=tmp_path / "run", cache=tmp_path / "cache"
    )
    outcomes = {o.cell.model: o for o in done.outcomes}
    cells = [outcomes[name] for name in ("linear", "control:random-weights(linear)")]
    assert all(isinstance(o, Done) for o in cells)
    own, untrained = (read_predictions(done.path, o.cell) for o in cells)
    assert (own["key"] == untrained["key"]).all()
    assert (own["ssim"] != untrained["ssim"]).any()
    assert torch.equal(model.layer.weight, weights)
    n_encoded = model.n_encoded
    assert n_encoded == 2 * len(data.samples)  # by the trained and by the untrained network
    run(Grid(sources, [data], [INVERSION]), SPEC, out=tmp_path / "two", cache=tmp_path / "cache")
    assert model.n_encoded == n_encoded


def test_without_weights_the_control_has_a_reason(tmp_path: Path) -> None:
    """A model that is no network of torch; its own cell is done."""
    data, model = squares(tmp_path / "data", n_patients=30), Brightness()
    sources = [ModelSource(model.card, lambda: model)]
    done = run(Grid(sources, [data], [INVERSION]), SPEC, out=tmp_path / "run", cache=None)
    outcomes = {o.cell.model: o for o in done.outcomes}
    control = outcomes["control:random-weights(brightness)"]
    assert isinstance(control, NotApplicable)
    assert control.reason == "brightness has no weights here that could be shuffled"
    assert isinstance(outcomes["brightness"], Done)
