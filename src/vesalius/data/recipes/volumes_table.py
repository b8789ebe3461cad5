"""Facts of the sets of volumes; how they are read stands in ``volumes``."""

from dataclasses import dataclass

from vesalius.data.recipes import volumes
from vesalius.data.recipes.recipe import HubFiles, Recipe, WebFile
from vesalius.data.recipes.splits import MADE_HERE, VAL_MADE_HERE

_PROMPTS = "structure names: the publisher; prompts: Vesalius"
_MSD = "https://msd-for-monai.s3-us-west-2.amazonaws.com"


def _same(*names: str) -> dict[str, tuple[str, ...]]:
    return {name: (name.replace("_", " ").lower(),) for name in names}


@dataclass(frozen=True, slots=True)
class _Task:
    """One task of the Decathlon; structures in the order of their label values from 1."""

    modality: str
    structures: tuple[str, ...]
    n: int
    md5: str
    size_mb: float | None = None
    channel: int | None = None
    window: str | None = None


_TASKS = {
    "Task01_BrainTumour": _Task(
        "mri", ("edema", "non-enhancing tumor", "enhancing tumour"), 484,
        "240a19d752f0d9e9101544901065d872", 7100, 0),
    "Task02_Heart": _Task("mri", ("left atrium",), 20, "06ee59366e1e5124267b774dbd654057", 435),
    "Task03_Liver": _Task("ct", ("liver", "cancer"), 131, "a90ec6c4aa7f6a3d087205e23d4e6397",
                          27000, None, "soft-tissue"),
    "Task04_Hippocampus": _Task("mri", ("Anterior", "Posterior"), 260,
                                "9d24dba78a72977dbd1d2e110310f31b", 27),
    "Task05_Prostate": _Task("mri", ("PZ", "TZ"), 32, "35138f08b1efaef89d7424d2bcc928db", 229, 0),
    "Task06_Lung": _Task("ct", ("cancer",), 63, "8afd997733c7fc0432f71255ba4e52dc", 8500, None,
                         "lung"),
    "Task07_Pancreas": _Task("ct", ("pancreas", "cancer"), 281,
                             "4f7080cfca169fa8066d17ce6eb061e4", 11400, None, "soft-tissue"),
    "Task08_HepaticVessel": _Task("ct", ("Vessel", "Tumour"), 303,
                                  "641d79e80ec66453921d997fbf12a29c", 8700, None, "soft-tissue"),
    "Task09_Spleen": _Task("ct", ("spleen",), 41, "410d4a301da4e5b2f6f86ec3ddba524e", 1500, None,
                           "soft-tissue"),
    "Task10_Colon": _Task("ct", ("colon cancer primaries",), 126,
                          "bad7a188931dc2f6acf72b08eb6202d0", 5800, None, "soft-tissue"),
}  # fmt: skip
_SAID = {
    "Task01_BrainTumour": ("edema around a brain tumour", "non-enhancing brain tumour",
                           "enhancing brain tumour"),
    "Task03_Liver": ("liver", "liver tumour"),
    "Task04_Hippocampus": ("anterior hippocampus", "posterior hippocampus"),
    "Task05_Prostate": ("peripheral zone of the prostate", "transition zone of the prostate"),
    "Task06_Lung": ("lung tumour",),
    "Task07_Pancreas": ("pancreas", "pancreatic tumour"),
    "Task08_HepaticVessel": ("hepatic vessel", "liver tumour"),
    "Task10_Colon": ("colon cancer",),
}  # fmt: skip


def _decathlon(task: str, facts: _Task) -> Recipe:
    number, _, name = task.removeprefix("Task").partition("_")
    said = _SAID.get(task, facts.structures)
    options: dict[str, str | int] = {"task": task}
    remarks: tuple[str, ...] = ()
    if facts.channel is not None:
        options["channel"] = facts.channel
        remarks = (f"only the first channel ({'FLAIR' if number == '01' else 'T2'}) is shown",)
    return Recipe(
        name=f"msd-{name.lower()}",
        title=f"Medical Segmentation Decathlon, task {int(number)}: {name}",
        tasks=("segmentation",),
        modality=facts.modality,
        dimensions=3,
        read=volumes.read_decathlon,
        needs=(f"{task}/dataset.json", f"{task}/imagesTr/*.nii.gz", f"{task}/labelsTr/*.nii.gz"),
        folder="msd",
        options=options,
        structures={name: value for value, name in enumerate(facts.structures, start=1)},
        structure_prompts={n: (text,) for n, text in zip(facts.structures, said, strict=True)},
        window_hu=facts.window,
        prompts_from=_PROMPTS,
        url="https://medicaldecathlon.com",
        license="CC-BY-SA-4.0",
        citation="Antonelli et al. (2022), doi:10.1038/s41467-022-30695-9",
        split=MADE_HERE,
        expected={"samples": {"train+val+test": facts.n}},
        patient="the volume; one per patient by the paper",
        hidden="labels of imagesTs are not published; those volumes are not loaded",
        unverified=("the count is that of dataset.json, as of memory",),
        remarks=remarks,
        size_mb=facts.size_mb,
        get=(WebFile(f"{_MSD}/{task}.tar", f"{task}.tar", md5=facts.md5, unpack=True),),
        steps=(f"unpack {task}.tar in the folder",),
    )


_AMOS = (
    "spleen", "right kidney", "left kidney", "gallbladder", "esophagus", "liver", "stomach",
    "aorta", "inferior vena cava", "pancreas", "right adrenal gland", "left adrenal gland",
    "duodenum", "bladder", "prostate or uterus",
)  # fmt: skip
_TOTAL = (
    "liver", "spleen", "kidney_left", "kidney_right", "stomach", "pancreas", "gallbladder",
    "aorta", "urinary_bladder", "heart",
)  # fmt: skip
_CT_RATE = (
    "Medical material", "Arterial wall calcification", "Cardiomegaly", "Pericardial effusion",
    "Coronary artery wall calcification", "Hiatal hernia", "Lymphadenopathy", "Emphysema",
    "Atelectasis", "Lung nodule", "Lung opacity", "Pulmonary fibrotic sequela",
    "Pleural effusion", "Mosaic attenuation pattern", "Peribronchial thickening",
    "Consolidation", "Bronchiectasis", "Interlobular septal thickening",
)  # fmt: skip

RECIPES = (
    *(_decathlon(task, facts) for task, facts in _TASKS.items()),
    Recipe(
        name="totalsegmentator",
        title="TotalSegmentator version 2, ten organs of its 117 structures",
        tasks=("segmentation",),
        modality="ct",
        dimensions=3,
        read=volumes.read_totalsegmentator,
        needs=("meta.csv", "s*/ct.nii.gz"),
        structures={name: value for value, name in enumerate(_TOTAL, start=1)},
        structure_prompts=_same(*_TOTAL),
        window_hu="soft-tissue",
        prompts_from=_PROMPTS,
        url="https://zenodo.org/records/10047292",
        license="CC-BY-4.0",
        citation="Wasserthal et al. (2023), doi:10.1148/ryai.230024",
        split="official, in meta.csv",
        expected={"samples": {"train": 1082, "val": 57, "test": 89}},
        patient="the volume; one per patient by the paper",
        unverified=("counts, as of memory",),
        size_mb=23600,
        get=(WebFile("https://zenodo.org/records/10047292/files/Totalsegmentator_dataset_v201.zip"
                     "?download=1", "Totalsegmentator_dataset_v201.zip", unpack=True),),
        steps=("unpack Totalsegmentator_dataset_v201.zip in the folder",),
    ),
    *(
        Recipe(
            name=f"amos-{modality}",
            title=f"AMOS 2022: fifteen abdominal organs, {modality.upper()}",
            tasks=("segmentation",),
            modality=modality,
            dimensions=3,
            read=volumes.read_amos,
            needs=("imagesTr/*.nii.gz", "labelsTr/*.nii.gz", "imagesVa/*.nii.gz",
                   "labelsVa/*.nii.gz"),
            folder="amos22",
            structures={name: value for value, name in enumerate(_AMOS, start=1)},
            structure_prompts=_same(*_AMOS),
            window_hu="soft-tissue" if modality == "ct" else None,
            prompts_from=_PROMPTS,
            url="https://zenodo.org/records/7262581",
            license="CC-BY-4.0",
            citation="Ji et al. (2022), AMOS, arXiv:2206.08023",
            split=f"official validation part as test; {VAL_MADE_HERE}",
            expected={"samples": counts},
            patient="the volume; patients are not published",
            hidden="labels of the official test part are not published; it is not loaded",
            unverified=("counts, as of memory",),
            size_mb=24000,
            steps=("unpack amos22.zip and put imagesTr, labelsTr, imagesVa and labelsVa into the "
                   "folder",),
        )
        for modality, counts in (
            ("ct", {"train+val": 200, "test": 100}), ("mri", {"train+val": 40, "test": 20}),
        )
    ),
    Recipe(
        name="ct-rate",
        title="CT-RATE, validation part: chest CT with 18 findings and reports",
        tasks=("classification", "retrieval"),
        modality="ct",
        dimensions=3,
        read=volumes.read_ct_rate,
        needs=("dataset/multi_abnormality_labels/valid_predicted_labels.csv",
               "dataset/radiology_text_reports/validation_reports.csv",
               "dataset/valid/*/*/*.nii.gz"),
        classes=_same(*_CT_RATE),
        multilabel=True,
        templates=("chest CT showing {}",),
        window_hu="lung",
        prompts_from="class names: the publisher; prompts and template: Vesalius",
        url="https://huggingface.co/datasets/ibrahimhamamci/CT-RATE",
        license="CC-BY-NC-SA-4.0",
        credentials="the conditions of the repository must be accepted with a hub account",
        citation="Hamamci et al. (2024), CT-RATE, arXiv:2403.17834",
        split="official validation part as test; protocols that fit something are n/a",
        expected={"samples": {"test": 3039}},
        patient="number in the name of the volume",
        has_patients=True,
        unverified=("3039 volumes, as of memory",),
        remarks=("labels come from a text classifier run on the reports",
                 "several reconstructions of one scan are rows of their own"),
        size_mb=None,
        get=(HubFiles("ibrahimhamamci/CT-RATE",
                      ("dataset/multi_abnormality_labels/valid_predicted_labels.csv",
                       "dataset/radiology_text_reports/validation_reports.csv",
                       "dataset/valid/*.nii.gz")),),
        steps=("accept the conditions at the repository and log in with `hf auth login`",
               "put its folder 'dataset' into the folder, at least the validation part"),
    ),
)  # fmt: skip
