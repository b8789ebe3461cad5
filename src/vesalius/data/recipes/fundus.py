"""Photographs of the back of the eye.

* Diabetic retinopathy as VTAB has it, in the tar shards of CLIP_benchmark: ``classnames.txt``,
  ``test/0.tar`` and so on with ``s0000000.cls`` (0 to 4) and ``s0000000.webp``, and the same
  below ``train``. The images are those of the Kaggle competition of 2015, cropped to the eye and
  freed of their local average. Zhai et al. (2019), arXiv:1910.04867.
"""

from vesalius.data.recipes.hub_shards import (
    keep_shard_picture,
    require_all_shards,
    shard_files,
    shard_samples,
)
from vesalius.data.recipes.recipe import HubFiles, Recipe, Source, TableRow, Tables
from vesalius.data.recipes.tabular import text_of
from vesalius.records import Split

_SPLITS: tuple[Split, ...] = ("train", "test")
_NAMES = "classnames.txt"
_REPO = "clip-benchmark/wds_vtab-diabetic_retinopathy"


def read_diabetic_retinopathy(recipe: Recipe, source: Source, /) -> Tables:
    """The test photographs, and those for training if they are there."""
    classes = tuple(recipe.classes)
    names = tuple(filter(None, map(str.strip, text_of(source.root / _NAMES, source).splitlines())))
    if names != classes:  # the shards hold numbers only
        raise source.error(source.root / _NAMES, f"expected {classes}, got {names}")
    if shard_files("train", source):
        require_all_shards("train", source)  # test is counted afterwards, as `expected` says
    rows: list[TableRow] = []
    for split in _SPLITS:
        for path in shard_files(split, source):
            for sample in shard_samples(path, source):
                image = keep_shard_picture(sample, split, source)
                known = sample.label < len(classes)
                label = classes[sample.label] if known else f"label {sample.label}"
                name = f"{split}-{sample.key}"
                rows.append({"id": name, "split": split, "image": image, "label": label})
    return Tables(rows)


RECIPES = (
    Recipe(
        name="diabetic-retinopathy",
        title="Diabetic retinopathy: five grades in fundus photographs, as VTAB has them",
        tasks=("classification",),
        modality="fundus",
        read=read_diabetic_retinopathy,
        # the last is there so that training shards that come later are seen
        needs=(_NAMES, "test/*.tar", "*/*.tar"),
        classes={
            f"{grade} diabetic retinopathy": (f"{grade} diabetic retinopathy",)
            for grade in ("no", "mild", "moderate", "severe", "proliferative")
        },
        templates=("a retinal image with {}",),
        prompts_from="class names, prompts and template: CLIP_benchmark, for its known answer",
        url=f"https://huggingface.co/datasets/{_REPO}",
        license="terms of the Kaggle competition; this copy states none",
        citation=(
            "Kaggle and EyePACS (2015), https://www.kaggle.com/c/diabetic-retinopathy-detection; "
            "Zhai et al. (2019), VTAB, arXiv:1910.04867"
        ),
        split="official: test is what the competition kept for its private ranking",
        expected={"samples": {"test": 42670}},
        patient="the photograph; both eyes of a person are there, but names are not",
        unverified=(
            "42 670 photographs: of the form in TensorFlow Datasets that this copy was made from",
            "terms of the competition",
            "lossless WebP in this copy, as its tool makes by default",
            "number and size of the shards",
        ),
        remarks=(
            "photographs are cropped to the eye and their local average is taken away; they look "
            "unlike ordinary fundus photographs",
        ),
        size_mb=12300,
        get=(
            HubFiles(
                _REPO,
                (_NAMES, "test/*.tar", "test/nshards.txt"),
                revision="95099a42d579451ad5a9b112fb733224c68b7a9a",
            ),
        ),
        steps=(
            "put classnames.txt and the folder 'test' of the repository into the folder",
            "for training, put the folder 'train' beside it, all of its shards and nshards.txt",
        ),
    ),
)
