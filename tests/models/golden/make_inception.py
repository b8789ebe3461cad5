"""Writes ``inception.json``: the 2048 features by torchvision's Inception-v3, changed for FID.

Run from the repository's root with the packages of the ``oracle`` extra:
``python tests/models/golden/make_inception.py``. Nothing of Vesalius is imported. The changes are
those that the weights of 2015 need: means without the border, a maximum in the last block.
"""

import json
import sys
from pathlib import Path
from unittest.mock import patch

import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1]))

from inception_weights import drawn, scenes

EVERY = 16  # the rest is as good; the file stays small


def main() -> None:
    """Build, fill, run, write."""
    library = torch.library.Library("torchvision", "DEF")  # which a CPU build of torch cannot load
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision.models import inception_v3

    network = inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
    shapes = {
        name: tuple(tensor.shape)
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    network.load_state_dict(drawn(shapes), strict=False)
    network.eval()
    network.fc = torch.nn.Identity()
    network.transform_input = False
    record = {"shapes": shapes, "every": EVERY}
    record["features"] = [[float(f"{x:.7g}") for x in features(network, p)] for p in scenes()]
    text = json.dumps(record, separators=(",", ":"))
    Path(__file__).with_name("inception.json").write_text(text + "\n", encoding="utf-8")


def features(network: torch.nn.Module, pixels) -> list[float]:
    """Features of one picture, every sixteenth."""
    colour = torch.from_numpy(pixels if pixels.ndim == 3 else pixels[:, :, None].repeat(3, 2))
    scaled = colour.permute(2, 0, 1)[None].float() / 255
    shown = 2 * functional.interpolate(scaled, (299, 299), mode="bilinear") - 1
    average, last = functional.avg_pool2d, network.Mixed_7c

    def without_border(x, kernel_size, stride, padding):
        return average(x, kernel_size, stride, padding, count_include_pad=False)

    def largest(x, kernel_size, stride, padding):
        return functional.max_pool2d(x, kernel_size, stride, padding)

    usual = last.forward

    def with_largest(x):
        with patch.object(functional, "avg_pool2d", largest):
            return usual(x)

    last.forward = with_largest
    with torch.inference_mode(), patch.object(functional, "avg_pool2d", without_border):
        found = network(shown)[0].tolist()
    last.forward = usual
    return found[::EVERY]


if __name__ == "__main__":
    main()
