"""Writes ``biovilt.json``: what hi-ml-multimodal 0.2.2 computes for an image network of full size.

Run from the repository's root with the packages of the ``oracle`` extra:
``python tests/models/golden/make_biovilt.py``. Nothing of Vesalius is imported, so the file is an
independent account of the published path from pixels and words to numbers.
"""

import hashlib
import json
import sys
import tempfile
import types
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture

sys.path.insert(0, str(Path(__file__).parents[1]))

from tiny_biovilt import GENUINE_IMAGE, IMAGE_FILE, build_biovilt, scene

TEXTS = ["Large nodule in the left lung.", "no pneumonia", "the heart is enlarged?!"]
PAIRS = [(0, 1), (2, 0)]


def import_oracle() -> types.SimpleNamespace:
    """hi-ml's parts, without readers of files and in spite of a torchvision of another build."""
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    for name in ("SimpleITK", "pydicom", "skimage", "skimage.io"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["skimage"].io = sys.modules["skimage.io"]
    warnings.simplefilter("ignore")
    from health_multimodal.image.data.io import remap_to_uint8
    from health_multimodal.image.data.transforms import create_chest_xray_transform_for_inference
    from health_multimodal.image.model.model import MultiImageModel
    from health_multimodal.text.model.modelling_cxrbert import CXRBertModel
    from health_multimodal.vlp.inference_engine import ImageTextInferenceEngine

    return types.SimpleNamespace(
        keep=library, remap=remap_to_uint8, transform=create_chest_xray_transform_for_inference,
        image_model=MultiImageModel, text_model=CXRBertModel,
        similarity=ImageTextInferenceEngine._get_similarity_map_from_embeddings,
    )  # fmt: skip


def text_rows(oracle: types.SimpleNamespace, folder: Path) -> torch.Tensor:
    """Embeddings as hi-ml's text engine prepares and computes them, its broken tokenizer aside."""
    from health_multimodal.text.model.configuration_cxrbert import CXRBertConfig
    from transformers import BertTokenizer

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for name in ("auto_map", "model_type"):
        del config[name]
    model = oracle.text_model(CXRBertConfig(**config))
    report = model.load_state_dict(
        torch.load(folder / "pytorch_model.bin", weights_only=True), strict=False
    )
    left_over = {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    left_over |= {"bert.embeddings.position_ids"}
    assert not report.missing_keys
    assert set(report.unexpected_keys) <= left_over
    tokenizer = BertTokenizer.from_pretrained(folder, trust_remote_code=False)
    stripped = [text.rstrip("!?.") for text in TEXTS]
    tokens = tokenizer(stripped, padding="longest", return_tensors="pt")
    return model.eval().get_projected_text_embeddings(
        input_ids=tokens.input_ids, attention_mask=tokens.attention_mask
    )


@torch.no_grad()
def main() -> None:
    """Build the checkpoint, run it, write the numbers."""
    oracle = import_oracle()
    with tempfile.TemporaryDirectory() as scratch:
        folder = build_biovilt(Path(scratch) / "biovil-t", GENUINE_IMAGE)
        model = oracle.image_model(
            img_encoder_type="resnet50_multi_image", joint_feature_size=128,
            pretrained_model_path=folder / f"{IMAGE_FILE}.pt",
        ).eval()  # fmt: skip
        texts = text_rows(oracle, folder)
    scenes = [scene(70, 71, 0.0), scene(120, 80, 1.0, colour=True), scene(90, 64, 2.0)]
    transform = oracle.transform(512, 448)
    inputs = [transform(Picture.fromarray(oracle.remap(s)).convert("L")) for s in scenes]
    seen = model(torch.stack(inputs))
    now, before = (torch.stack([inputs[pair[k]] for pair in PAIRS]) for k in (0, 1))
    followed = model(now, before)
    patches = torch.nn.functional.normalize(seen.projected_patch_embeddings, dim=1)
    similarity = oracle.similarity(patches[0].permute(1, 2, 0).contiguous(), texts[:1])

    def unit(rows: torch.Tensor) -> list[list[float]]:
        return torch.nn.functional.normalize(rows, dim=-1).tolist()

    record = {
        "made_with": "hi-ml-multimodal 0.2.2, torchvision 0.28.0",
        "texts": TEXTS,
        "pairs": PAIRS,
        "input_sha256": [
            hashlib.sha256(np.ascontiguousarray(x.numpy()).tobytes()).hexdigest() for x in inputs
        ],
        "images": unit(seen.projected_global_embedding),
        "with_prior": unit(followed.projected_global_embedding),
        "text_rows": unit(texts),
        "similarity": similarity.tolist(),
    }
    target = Path(__file__).with_name("biovilt.json")
    target.write_text(json.dumps(record) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
