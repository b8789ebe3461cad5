"""Patches of tissue.

* PCam on the hub: Parquet with ``image`` and a true or false ``label``, parts ``train``, ``valid``
  and ``test``. Veeling et al. (2018), arXiv:1806.03962.
* LC25000: ``lung_colon_image_set/lung_image_sets/lung_aca/lungaca1.jpeg`` and the like. Borkowski
  et al. (2019), arXiv:1912.12142.
* Camelyon17-WILDS: ``metadata.csv`` with ``patient``, ``node``, ``x_coord``, ``y_coord``,
  ``tumor``, ``center``, ``split`` and ``patches/patient_004_node_4/patch_patient_004_node_4_x_…``.
  Koh et al. (2021), arXiv:2012.07421.
"""

from vesalius.data.recipes.hub_parquet import keep_picture, parquet_rows
from vesalius.data.recipes.recipe import HubFiles, Recipe, Source, TableRow, Tables, WebFile
from vesalius.data.recipes.tabular import csv_rows
from vesalius.records import Split

_PCAM_PARTS: tuple[tuple[Split, str], ...] = (
    ("train", "train"), ("val", "valid"), ("test", "test"),
)  # fmt: skip
_LC_TOP = "lung_colon_image_set"
_CENTERS: dict[str, Split] = {"0": "train", "3": "train", "4": "train", "1": "val", "2": "test"}
_IN_DISTRIBUTION_VALIDATION = "1"


def read_pcam(recipe: Recipe, source: Source, /) -> Tables:
    """All patches; a picture that stands several times is one file under several rows."""
    normal, tumour = recipe.classes
    rows: list[TableRow] = []
    for split, part in _PCAM_PARTS:
        for number, row in enumerate(parquet_rows(source, part, needed=("image", "label"))):
            _, image = keep_picture(row["image"]["bytes"], source)
            label = tumour if row["label"] else normal
            name = f"{split}-{number:06d}"
            rows.append({"id": name, "split": split, "image": image, "label": label})
    return Tables(rows)


def read_lc25000(recipe: Recipe, source: Source, /) -> Tables:
    """The patches of one organ, all of them test."""
    organ = recipe.options["organ"]
    rows: list[TableRow] = []
    for label in recipe.classes:
        folder = source.root / _LC_TOP / f"{organ}_image_sets" / label
        rows += [
            {"id": path.stem, "split": "test", "image": source.link(path), "label": label}
            for path in sorted(folder.glob("*.jpeg"))
        ]
    return Tables(rows)


def read_camelyon17(recipe: Recipe, source: Source, /) -> Tables:
    """Patches by hospital: three for training, one for validation, one for test."""
    normal, tumour = recipe.classes
    columns = ("patient", "node", "x_coord", "y_coord", "tumor", "center", "split")
    rows: list[TableRow] = []
    for row in csv_rows(source.root / "metadata.csv", source, needed=columns):
        split = _CENTERS[row["center"]]
        if split == "train" and row["split"] == _IN_DISTRIBUTION_VALIDATION:
            continue
        place = f"patient_{row['patient'].zfill(3)}_node_{row['node']}"
        name = f"{place}_x_{row['x_coord']}_y_{row['y_coord']}"
        rows.append(
            {
                "id": name,
                "patient": row["patient"].zfill(3),
                "split": split,
                "image": source.link(source.root / "patches" / place / f"patch_{name}.png"),
                "label": tumour if row["tumor"] == "1" else normal,
                "hospital": row["center"],
            }
        )
    return Tables(rows)


_CLASS_NAMES = "prompts and templates: BiomedCLIP, arXiv:2303.00915, supplement"
_LC = {
    "lung": (
        {
            "lung_aca": ("lung adenocarcinoma",),
            "lung_n": ("normal lung tissue",),
            "lung_scc": ("lung squamous cell carcinoma",),
        },
        ("this is an image of {}", "{} presented in image"),
        15000,
    ),
    "colon": (
        {"colon_aca": ("colon adenocarcinoma",), "colon_n": ("normal colonic tissue",)},
        ("a photo of {}", "{} presented in image"),
        10000,
    ),
}

RECIPES = (
    Recipe(
        name="pcam",
        title="PatchCamelyon: metastases in lymph node patches",
        tasks=("classification",),
        modality="pathology",
        read=read_pcam,
        needs=("data/train-*.parquet", "data/valid-*.parquet", "data/test-*.parquet"),
        classes={
            "normal": ("lymph node",),
            "tumor": ("lymph node containing metastatic tumor tissue",),
        },
        positive="tumor",
        templates=("a histopathology slide showing {}", "histopathology image of {}"),
        prompts_from="prompts and templates: CLIP_benchmark, for its known answer",
        url="https://huggingface.co/datasets/1aurent/PatchCamelyon",
        license="CC0-1.0",
        citation="Veeling et al. (2018), PCam, arXiv:1806.03962",
        split="official, by slide",
        expected={"samples": {"train": 262144, "val": 32768, "test": 32768}},
        patient="the patch; slides are not named in this form",
        remarks=("patches of one slide stand in one split, but count as separate patients",),
        size_mb=7640,
        get=(HubFiles("1aurent/PatchCamelyon", ("data/*.parquet",)),),
        steps=("put the Parquet files of the repository into the folder 'data'",),
    ),
    *(
        Recipe(
            name=f"lc25000-{organ}",
            title=f"LC25000: {organ} tissue",
            tasks=("classification",),
            modality="pathology",
            read=read_lc25000,
            needs=tuple(f"{_LC_TOP}/{organ}_image_sets/{label}/*.jpeg" for label in classes),
            folder="lc25000",
            options={"organ": organ},
            classes=classes,
            templates=templates,
            prompts_from=f"{_CLASS_NAMES}; class words: Vesalius",
            url="https://github.com/tampapath/lung_colon_image_set",
            license="not stated by the publisher",
            citation="Borkowski et al. (2019), LC25000, arXiv:1912.12142",
            split="all test: copies made by rotation and flipping cannot be kept in one split",
            expected={"samples": {"test": count}},
            patient="the patch; patients are not published",
            unverified=("the publisher's class words in the published answer",),
            remarks=("25 000 patches were made from 1250 by augmentation; no independence",),
            size_mb=1900,
            steps=("unpack LC25000.zip in the folder, so that lung_colon_image_set lies in it",),
        )
        for organ, (classes, templates, count) in _LC.items()
    ),
    Recipe(
        name="camelyon17-wilds",
        title="Camelyon17-WILDS: metastases in patches of five hospitals",
        tasks=("classification",),
        modality="pathology",
        read=read_camelyon17,
        needs=("metadata.csv", "patches"),
        folder="camelyon17_v1.0",
        classes={
            "normal": ("normal lymph node",),
            "tumor": ("lymph node metastasis",),
        },
        positive="tumor",
        templates=("this is an image of {}", "{} presented in image"),
        prompts_from=_CLASS_NAMES,
        subgroups=("hospital",),
        url="https://wilds.stanford.edu/datasets/#camelyon17",
        license="CC0-1.0",
        citation="Koh et al. (2021), WILDS, arXiv:2012.07421; Bandi et al. (2018), "
        "doi:10.1109/TMI.2018.2867350",
        split="official, by hospital: 0, 3 and 4 train, 1 val, 2 test",
        expected={"samples": {"train": 302436, "val": 34904, "test": 85054}},
        patient="patient of the table",
        has_patients=True,
        unverified=("counts, as of memory", "address of the archive"),
        remarks=(
            "the validation part of the training hospitals is not loaded: it shares patients",
        ),
        size_mb=10700,
        get=(WebFile("https://worksheets.codalab.org/rest/bundles/"
                     "0xe45e15f39fb54e9d9e919556af67aabe/contents/blob/",
                     "camelyon17_v1.0.tar.gz", unpack=True),),
        steps=("put metadata.csv and the folder patches of camelyon17_v1.0 into the folder",),
    ),
)  # fmt: skip
