"""Sizes of BiomedCLIP's networks come from its configuration, and from nothing else."""

from collections.abc import Mapping

import pytest
import tiny_biomedclip as tiny
import tiny_checkpoints
import torch

from vesalius.errors import ModelError
from vesalius.models.biomedclip_network import network
from vesalius.models.biomedclip_sizes import sizes_of

GENUINE = {
    "model_cfg": {
        "embed_dim": 512,
        "vision_cfg": {
            "timm_model_name": "vit_base_patch16_224", "timm_model_pretrained": False,
            "timm_pool": "", "timm_proj": "linear", "image_size": 224,
        },
        "text_cfg": {
            "hf_model_name": tiny.TEXT_REPO, "hf_tokenizer_name": tiny.TEXT_REPO,
            "hf_proj_type": "mlp", "hf_pooler_type": "cls_last_hidden_state_pooler",
            "context_length": 256,
        },
    },
    "preprocess_cfg": {"mean": tiny_checkpoints.MEAN, "std": tiny_checkpoints.STD},
}  # fmt: skip


def test_genuine_sizes_need_no_extra_keys() -> None:
    """The published file names its architectures only; 195.9 million parameters, on no memory."""
    with torch.device("meta"):
        built = network(GENUINE)
    assert sum(parameter.numel() for parameter in built.parameters()) == 195_902_721
    assert built.visual.trunk.last.attn.heads == 12
    shapes = {name: tuple(value.shape) for name, value in built.state_dict().items()}
    assert shapes["text.proj.0.weight"] == (640, 768)
    assert shapes["visual.trunk.pos_embed"] == (1, 197, 768)
    assert shapes["text.transformer.embeddings.word_embeddings.weight"] == (30522, 768)


def changed(section: str, values: Mapping[str, object]) -> dict[str, object]:
    """The genuine configuration with other values in a section of ``model_cfg``."""
    model = GENUINE["model_cfg"]
    return {**GENUINE, "model_cfg": {**model, section: {**model[section], **values}}}  # type: ignore[dict-item]


def test_names_of_old_revisions_are_understood() -> None:
    """Before November 2023 two keys had other names."""
    text = {"proj": "mlp", "pooler_type": "cls_last_hidden_state_pooler", "context_length": 256}
    model = {**GENUINE["model_cfg"], "text_cfg": text}
    assert sizes_of({**GENUINE, "model_cfg": model}) == sizes_of(GENUINE)


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("text_cfg", {"hf_proj_type": "linear"}, "hf_proj_type is 'linear'.*'mlp' only"),
        ("text_cfg", {"pooler_type": "mean_pooler"}, "pooler_type is 'mean_pooler'"),
        ("text_cfg", {"heads": 7}, "width is 768, which is not a multiple of 7"),
        ("vision_cfg", {"timm_pool": "avg"}, "timm_pool is 'avg'"),
        ("vision_cfg", {"image_size": [224, 224]}, "image_size: expected a positive number"),
        ("vision_cfg", {"image_size": 225}, "image_size is 225"),
    ],
)
def test_another_kind_of_network_is_refused(
    section: str, values: dict[str, object], message: str
) -> None:
    """What is not computed here must not be loaded as if it were."""
    with pytest.raises(ModelError, match=message):
        sizes_of(changed(section, values))
