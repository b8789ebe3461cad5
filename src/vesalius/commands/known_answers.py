"""Published numbers that Vesalius should reach on the same weights and images, one by one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vesalius.data.recipes import RECIPES
from vesalius.data.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """One published number and how it is computed again.

    Attributes:
        recipe: the data set, with the prompts of the publication.
        metric: as in ``metrics.csv``, over all test rows.
        tolerance: how far apart the two may lie; wider where the publication leaves something open.
        source: where the number stands.
        doubt: what the publication leaves open, empty if nothing.
    """

    name: str
    model: str
    recipe: Recipe
    task: str
    protocol: str
    metric: str
    expected: float
    tolerance: float
    source: str
    doubt: str = ""


def _with_prompts(
    name: str, recipe: str, classes: Mapping[str, tuple[str, ...]], templates: tuple[str, ...]
) -> Recipe:
    """A recipe with the prompts of a publication, under a name of its own."""
    base = RECIPES[recipe]
    return replace(base, name=name, folder=base.place, classes=classes, templates=templates,
                   prompts_from="the publication of the known answer")  # fmt: skip


_BIOMEDCLIP = "BiomedCLIP, arXiv:2303.00915, supplement"
_BIOMEDCLIP_PCAM = _with_prompts(
    "pcam-biomedclip-prompts",
    "pcam",
    {"normal": ("normal lymph node",), "tumor": ("lymph node metastasis",)},
    ("this is an image of {}", "{} presented in image"),
)
_CARD = "model card of microsoft/BiomedVLP-BioViL-T"
_AVERAGE = "which version of MS-CXR, and how findings were averaged"
_SECOND_HAND = "the number was read at second hand"

_ALL = (
    KnownAnswer(
        "clip-pcam", "clip", RECIPES["pcam"], "classification", "zero-shot", "accuracy[argmax]",
        20380 / 32768, 0.002, "CLIP_benchmark, ViT-B/32 openai on wds/vtab/pcam",
    ),
    KnownAnswer(
        "clip-diabetic-retinopathy", "clip", RECIPES["diabetic-retinopathy"], "classification",
        "zero-shot", "accuracy", 11221 / 42670, 0.005,
        "CLIP_benchmark, ViT-B/32 openai on vtab/diabetic_retinopathy",
        "computed in mixed precision by default, which may turn close scores round",
    ),
    KnownAnswer(
        "biomedclip-pcam", "biomedclip", _BIOMEDCLIP_PCAM, "classification", "zero-shot",
        "accuracy[argmax]", 0.7341, 0.01, _BIOMEDCLIP,
    ),
    KnownAnswer(
        "biomedclip-lc25000-lung", "biomedclip", RECIPES["lc25000-lung"], "classification",
        "zero-shot", "accuracy", 0.6523, 0.02, _BIOMEDCLIP,
        "which images were test, and the exact class words",
    ),
    KnownAnswer(
        "biomedclip-lc25000-colon", "biomedclip", RECIPES["lc25000-colon"], "classification",
        "zero-shot", "accuracy", 0.9298, 0.02, _BIOMEDCLIP,
        "which images were test, and the exact class words",
    ),
    KnownAnswer(
        "biomedclip-rsna", "biomedclip", RECIPES["rsna-pneumonia"], "classification", "zero-shot",
        "accuracy[argmax]", 0.7895, 0.03, _BIOMEDCLIP,
        "which images were test; this is another sample of the same set",
    ),
    KnownAnswer(
        "biovil-t-chestx-det10-auroc", "biovil-t", RECIPES["chestx-det10"], "classification",
        "zero-shot", "macro_auroc", 0.708, 0.03, "reported for BioViL-T on 542 test images",
        f"{_SECOND_HAND}; the prompts are not known",
    ),
    KnownAnswer(
        "biovil-t-chestx-det10-pointing", "biovil-t", RECIPES["chestx-det10"], "grounding",
        "similarity-map", "pointing_game", 0.351, 0.03,
        "reported for BioViL-T on 542 test images", f"{_SECOND_HAND}; the prompts are not known",
    ),
    KnownAnswer(
        "biovil-t-ms-cxr-cnr", "biovil-t", RECIPES["ms-cxr"], "grounding", "similarity-map",
        "cnr[absolute]", 1.33, 0.08, _CARD, _AVERAGE,
    ),
    KnownAnswer(
        "biovil-t-ms-cxr-miou", "biovil-t", RECIPES["ms-cxr"], "grounding", "similarity-map",
        "miou[0.1-0.5]", 0.240, 0.01, _CARD,
        _AVERAGE,
    ),
)  # fmt: skip

KNOWN_ANSWERS: Mapping[str, KnownAnswer] = {answer.name: answer for answer in _ALL}
