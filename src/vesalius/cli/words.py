"""Names that the shell offers, written down so that completing a word imports no table of them.

A test holds each against the table that it stands for.
"""

_FLAT = (
    "pathmnist", "chestmnist", "dermamnist", "octmnist", "pneumoniamnist", "retinamnist",
    "breastmnist", "bloodmnist", "tissuemnist", "organamnist", "organcmnist", "organsmnist",
)  # fmt: skip
_SOLID = (
    "organmnist3d", "nodulemnist3d", "adrenalmnist3d", "fracturemnist3d", "vesselmnist3d",
    "synapsemnist3d",
)  # fmt: skip
RECIPES = (
    *(name + size for name in _FLAT for size in ("", "_64", "_128", "_224")),
    *(name + size for name in _SOLID for size in ("", "_64")),
    "vqa-rad", "vqa-rad-hub", "path-vqa", "slake", "slake-zh", "pmc-vqa", "vqa-med-2019",
    "rocov2", "open-i",
    "chestxray14", "chestx-det10", "rsna-pneumonia", "siim-pneumothorax", "chexpert-5x200",
    "ms-cxr",
    "montgomery", "shenzhen", "kvasir-seg", "isic2018-task1", "isic2018-task3", "busi",
    "msd-braintumour", "msd-heart", "msd-liver", "msd-hippocampus", "msd-prostate", "msd-lung",
    "msd-pancreas", "msd-hepaticvessel", "msd-spleen", "msd-colon", "totalsegmentator",
    "amos-ct", "amos-mri", "ct-rate",
    "pcam", "lc25000-lung", "lc25000-colon", "camelyon17-wilds",
    "diabetic-retinopathy",
)  # fmt: skip
"""Names of `vesalius.data.recipes.RECIPES`, in its order."""

HEADS = (
    "concat", "late-average", "late-stacking", "product-of-experts", "cca", "gap-shift", "sum",
    "gated", "moe", "product", "film", "low-rank-bilinear", "tensor", "cross-attention",
    "bottleneck",
)  # fmt: skip
"""Names of `vesalius.fusion.heads.HEADS`, in its order."""

KINDS = ("image", "volume", "prior", "with-prior", "patches", "text", "words", "question")
"""What a model gives a fusion study: `vesalius.engine.fusion_names.KINDS`."""

KNOWN_ANSWERS = (
    "clip-pcam", "clip-diabetic-retinopathy", "biomedclip-pcam", "biomedclip-lc25000-lung",
    "biomedclip-lc25000-colon", "biomedclip-rsna", "biovil-t-chestx-det10-auroc",
    "biovil-t-chestx-det10-pointing", "biovil-t-ms-cxr-cnr", "biovil-t-ms-cxr-miou",
)  # fmt: skip
"""Names of `vesalius.commands.known_answers.KNOWN_ANSWERS`, in its order."""

FORMATS = ("html", "csv", "latex", "markdown")
"""What `vesalius report` writes."""

DEVICES = ("auto", "cpu", "cuda")
