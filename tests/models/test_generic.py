"""Any dual encoder of transformers by one adapter, and nothing that is not one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_checkpoints as tiny
import torch
from PIL import Image as PILImage

from conftest import TEXTS
from vesalius.errors import InputError, ModelError
from vesalius.models import clip
from vesalius.models.checkpoint import FilePolicy, open_folder
from vesalius.models.conformance import check_adapter
from vesalius.models.generic import HfDualEncoder, load
from vesalius.records import Image

Copy = Callable[[str], Path]
ALLOW = FilePolicy(allow_pickles=True)


def loaded(folder: Path, **options: str) -> HfDualEncoder:
    return load(open_folder(folder, policy=ALLOW), name="x", options=options, device="cpu")


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_adapter_keeps_every_promise(
    name: str, fit: str, checkpoints: Path, pictures: list[Image]
) -> None:
    """Two architectures, one adapter, the same promises."""
    model = loaded(checkpoints / name, fit=fit)
    check_adapter(model, pictures, TEXTS, tolerance=2e-6)
    assert model.card.adapter == "generic"
    assert model.card.options == {"fit": fit}


def test_siglip_scores_equal_the_models_own_logits(
    checkpoints: Path, pictures: list[Image]
) -> None:
    """Full-length padding, scale and bias: the sigmoid of the score is the match probability."""
    from transformers import AutoTokenizer, SiglipImageProcessorPil, SiglipModel

    folder = checkpoints / "siglip"
    model = SiglipModel.from_pretrained(folder, dtype=torch.float32)
    tokens = AutoTokenizer.from_pretrained(folder)(
        list(TEXTS), padding="max_length", max_length=16, truncation=True, return_tensors="pt"
    )
    pil = [PILImage.fromarray(image.pixels).convert("RGB") for image in pictures]
    pixels = SiglipImageProcessorPil.from_pretrained(folder)(images=pil, return_tensors="pt")
    with torch.no_grad():
        logits = model(input_ids=tokens["input_ids"], **pixels).logits_per_image.numpy()
    adapter = loaded(folder)
    assert adapter.logit_bias == -10
    np.testing.assert_allclose(adapter.score_texts(pictures, TEXTS), logits, atol=1e-4)


def test_a_clip_gives_the_same_by_either_adapter(checkpoints: Path, pictures: list[Image]) -> None:
    """The generic path is no second truth."""
    own = clip.load(
        open_folder(checkpoints / "clip", policy=ALLOW), name="clip", options={}, device="cpu"
    )
    generic = loaded(checkpoints / "clip")
    assert (generic.logit_scale, generic.logit_bias) == (own.logit_scale, 0.0)
    np.testing.assert_allclose(
        generic.score_texts(pictures, TEXTS), own.score_texts(pictures, TEXTS), atol=1e-4
    )


def test_a_temperature_is_the_inverse_of_a_scale() -> None:
    """ALIGN stores what cosines are divided by."""

    class Align(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.temperature = torch.nn.Parameter(torch.tensor(0.05))

    from vesalius.records import ModelCard

    adapter = HfDualEncoder(ModelCard("align", "generic"), Align(), None, None, "crop")
    assert adapter.logit_scale == pytest.approx(20)


def test_a_model_without_both_towers_is_refused(tmp_path: Path) -> None:
    """A language model has no place here; the message says what has."""
    folder = tiny.build_language_model(tmp_path / "gpt2")
    with pytest.raises(ModelError, match=r"model_type 'gpt2' has not one tower.*align.*clip"):
        loaded(folder)


def test_a_nearly_right_architecture_is_suggested(copy_of: Copy) -> None:
    """A typing error in a configuration is answered with the nearest name."""
    folder = copy_of("siglip")
    tiny.write_json(folder / "config.json", {"model_type": "siglib"})
    with pytest.raises(ModelError, match="did you mean 'siglip'"):
        loaded(folder)


def test_an_unknown_option_is_refused(checkpoints: Path) -> None:
    """The generic adapter has no window rule."""
    with pytest.raises(InputError, match="generic: unknown option 'pooling'; it has fit"):
        loaded(checkpoints / "siglip", pooling="eos")
