"""Attribution maps of the CLIP family: the block computed twice is the block of the model."""

from math import log
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import TEXTS
from vesalius.capabilities import Attributor
from vesalius.catalog import MODELS, load_model
from vesalius.models.maps import class_token_attention, class_token_map
from vesalius.models.preprocessing import model_input
from vesalius.records import Image


def test_attention_and_map_by_hand() -> None:
    """One head, a class token and two patches, a text along the first axis."""
    query = torch.tensor([[[4.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]])
    key = torch.tensor([[[0.0, 0, 0, 0], [log(2) / 2, 0, 0, 0], [log(3) / 2, 0, 0, 0]]])
    attention = class_token_attention(query, key)
    np.testing.assert_allclose(attention.numpy(), [[[1 / 6, 2 / 6, 3 / 6]]], rtol=1e-6)
    values = torch.tensor([[0.0, 6.0], [3.0, 0.0], [0.0, 4.0]])
    text = np.array([1, 0], np.float32)
    found = class_token_map(attention, lambda a: (a[0] @ values)[0], text, grid=(1, 2))
    # embedding (1, 3), cosine gradient (0.9, -0.3) / √10; patches 2.7 and -1.2 over √10
    np.testing.assert_allclose(found, [[2.7 / np.sqrt(10) / 3, 0]], rtol=1e-5)
    assert found.dtype == np.float32


@pytest.mark.parametrize("name", ["clip", "pubmedclip", "clipmd"])
def test_maps_equal_those_of_the_eager_model(
    name: str, checkpoints: Path, pictures: list[Image]
) -> None:
    """Transformers' own attention weights and their gradient, hooked out of the last block."""
    model = load_model(name, source=checkpoints / name, device="cpu", allow_pickle_weights=True)
    assert isinstance(model, Attributor)
    assert "attribute" in MODELS[name].capabilities
    found = [model.attribute(image, TEXTS[0]) for image in pictures]
    clip = model.towers.model
    clip.set_attn_implementation("eager")
    words = torch.from_numpy(model.encode_texts(TEXTS[:1])[0])
    for image, grid in zip(pictures, found, strict=True):
        seen: list[torch.Tensor] = []

        def remember(_: object, __: object, out: tuple[torch.Tensor, torch.Tensor]) -> None:
            out[1].retain_grad()
            seen.append(out[1])  # noqa: B023 - the hook lives for one round

        hook = clip.vision_model.encoder.layers[-1].self_attn.register_forward_hook(remember)
        rows = clip.get_image_features(**model_input([image], model.towers.processor, fit="crop"))
        (torch.nn.functional.normalize(rows.pooler_output[0], dim=-1) @ words).backward()
        hook.remove()
        weights = (seen[0] * seen[0].grad).clamp(min=0)[0].mean(0)[0, 1:].detach().numpy()
        assert (grid.shape, grid.dtype) == ((4, 4), np.float32)
        assert weights.max() > 0
        np.testing.assert_allclose(grid.ravel(), weights, atol=1e-4 * weights.max(), rtol=0)


def test_maps_depend_on_the_text(checkpoints: Path, pictures: list[Image]) -> None:
    """A map of the image alone would explain nothing; two calls agree to the last bit."""
    model = load_model("clip", source=checkpoints / "clip-safe", device="cpu")
    one, other = (model.attribute(pictures[0], text) for text in TEXTS[:2])
    assert np.abs(one - other).max() > 0.05 * one.max() > 0
    np.testing.assert_array_equal(one, model.attribute(pictures[0], TEXTS[0]))
