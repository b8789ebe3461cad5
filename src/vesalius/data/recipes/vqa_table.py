"""Facts of the data sets of questions; how they are read stands in ``vqa``."""

from vesalius.data.recipes import vqa
from vesalius.data.recipes.recipe import HubFiles, Recipe, WebFile

_TASKS = ("vqa",)
_OSF = "https://files.osf.io/v1/resources/89kps/providers/osfstorage/?zip="
_RAD_OVERLAP = (
    "the authors split questions, not images, so most test images were seen in training with "
    "other questions"
)
_RAD_TRAINING = {"smolvlm": "The Cauldron, which it was trained on, has VQA-RAD in it"}
_RAD_CITATION = "Lau et al. (2018), VQA-RAD, doi:10.1038/sdata.2018.251"
_SLAKE_ENGLISH = {"train": 4919, "val": 1053, "test": 1061}
_MEDICAL_WEB = "figures of PubMed Central articles, which PMC-15M is made of, too"

RECIPES = (
    Recipe(
        name="vqa-rad",
        title="VQA-RAD: clinicians' questions about radiology images, as the authors publish it",
        tasks=_TASKS,
        modality="other",
        read=vqa.read_vqa_rad,
        needs=(vqa.RAD_JSON, f"{vqa.RAD_PICTURES}/*.jpg"),
        url="https://osf.io/89kps/",
        license="CC0-1.0",
        citation=_RAD_CITATION,
        split="official: phrase types that begin with test",
        expected={"questions": {"train": 1797, "test": 451}},
        patient="the image; patients are not published",
        split_overlap=_RAD_OVERLAP,
        overlap=_RAD_TRAINING,
        unverified=("that the OSF archive holds the two names at its top",),
        remarks=("3 training triplets stand twice, and one stands in training and test",),
        size_mb=35,
        get=(WebFile(_OSF, "vqa-rad.zip", unpack=True),),
        steps=(
            "download all files of https://osf.io/89kps/",
            f"put '{vqa.RAD_JSON}' and the folder '{vqa.RAD_PICTURES}' side by side",
        ),
    ),
    Recipe(
        name="vqa-rad-hub",
        title="VQA-RAD without repeated triplets, as most papers since 2023 use it",
        tasks=_TASKS,
        modality="other",
        read=vqa.read_hub_pairs,
        needs=("data/train-*.parquet", "data/test-*.parquet"),
        url="https://huggingface.co/datasets/flaviagiammarino/vqa-rad",
        license="CC0-1.0",
        citation=_RAD_CITATION,
        split="official; four repeated triplets were taken out of train",
        expected={
            "questions": {"train": 1793, "test": 451},
            "samples": {"train": 313, "test": 203},
        },
        patient="the image; patients are not published",
        split_overlap=_RAD_OVERLAP,
        overlap=_RAD_TRAINING,
        unverified=("313 train images",),
        remarks=("questions are closed where the answer is yes or no",),
        size_mb=35,
        get=(HubFiles("flaviagiammarino/vqa-rad", ("data/*.parquet",)),),
        steps=("put the Parquet files of the repository into the folder 'data'",),
    ),
    Recipe(
        name="path-vqa",
        title="PathVQA: questions about pathology figures of textbooks",
        tasks=_TASKS,
        modality="pathology",
        read=vqa.read_hub_pairs,
        needs=("data/train-*.parquet", "data/validation-*.parquet", "data/test-*.parquet"),
        url="https://huggingface.co/datasets/flaviagiammarino/path-vqa",
        license="MIT; the figures belong to their publishers",
        citation="He et al. (2020), PathVQA, arXiv:2003.10286",
        split="official",
        expected={"questions": {"train": 19654, "val": 6259, "test": 6719}},
        patient="the image; patients are not published",
        unverified=("the last digits of the counts: 19.7, 6.26 and 6.72 thousand were seen",),
        remarks=("questions are closed where the answer is yes or no",),
        size_mb=785,
        get=(HubFiles("flaviagiammarino/path-vqa", ("data/*.parquet",)),),
        steps=("put the Parquet files of the repository into the folder 'data'",),
    ),
    *(
        Recipe(
            name=name,
            title=f"SLAKE: questions about radiology images, {title}",
            tasks=_TASKS,
            modality="other",
            read=vqa.read_slake,
            needs=("train.json", "validation.json", "test.json", "imgs/*/source.jpg"),
            folder="slake",
            options={"language": language},
            url="https://huggingface.co/datasets/BoKelvin/SLAKE",
            license="CC-BY-4.0",
            citation="Liu et al. (2021), SLAKE, arXiv:2102.09542",
            split="official; the original archive calls validation.json validate.json",
            expected={"questions": counts} if counts else {},
            patient="the image; patients are not published",
            unverified=notes,
            size_mb=216,
            get=(HubFiles("BoKelvin/SLAKE", ("*.json", "imgs.zip"), unpack=("imgs.zip",)),),
            steps=(
                "put train.json, validation.json and test.json into the folder",
                "unpack imgs.zip there, so that imgs/xmlab0/source.jpg exists",
            ),
        )
        for name, title, language, counts, notes in (
            ("slake", "English", "en", _SLAKE_ENGLISH,
             ("that imgs.zip holds the folder imgs",)),
            ("slake-zh", "Chinese", "zh", {},
             ("counts of the Chinese part: unknown", "that imgs.zip holds the folder imgs")),
        )
    ),
    Recipe(
        name="pmc-vqa",
        title="PMC-VQA version 1: questions with four choices about figures of articles",
        tasks=_TASKS,
        modality="other",
        read=vqa.read_pmc_vqa,
        needs=("train.csv", "test_clean.csv", "images/*.jpg"),
        url="https://huggingface.co/datasets/xmcmic/PMC-VQA",
        license="CC-BY-SA; as of memory",
        citation="Zhang et al. (2023), PMC-VQA, arXiv:2305.10415",
        split="official train, and the test part that was checked by hand (test_clean)",
        expected={"questions": {"test": 2000}},
        patient="the figure; patients are not published",
        split_overlap="figures of one article may stand in train and test",
        overlap={"biomedclip": _MEDICAL_WEB},
        unverified=(
            "2000 test questions", "number of train questions: unknown", "the licence",
            "that images.zip holds the folder images",
        ),
        size_mb=18900,
        get=(HubFiles("xmcmic/PMC-VQA", ("train.csv", "test_clean.csv", "images.zip"),
                      unpack=("images.zip",)),),
        steps=(
            "put train.csv and test_clean.csv into the folder",
            "unpack images.zip there, so that the pictures lie in 'images'",
        ),
    ),
    Recipe(
        name="vqa-med-2019",
        title="VQA-Med 2019: modality, plane, organ system and abnormality of MedPix images",
        tasks=_TASKS,
        modality="other",
        read=vqa.read_vqa_med,
        needs=tuple(f"{file.partition('/')[0]}/{pattern}" for _, file, pictures in vqa.MED_FILES
                    for pattern in (file.partition("/")[2], f"{pictures}/*.jpg")),
        url="https://github.com/abachaa/VQA-Med-2019",
        license="CC-BY-4.0; as of memory",
        citation="Ben Abacha et al. (2019), VQA-Med 2019, CEUR-WS 2380",
        split="official",
        expected={"questions": {"train": 12792, "val": 2000, "test": 500}},
        patient="the image; patients are not published",
        unverified=("counts and licence, as of memory", "# between accepted answers"),
        remarks=("train and validation questions have no category",),
        get=(),
        steps=(
            "download the archives of Zenodo record 10499039",
            "unpack them side by side: ImageClef-2019-VQA-Med-Training, "
            "ImageClef-2019-VQA-Med-Validation, VQAMed2019Test",
            "unpack VQAMed2019Test/VQAMed2019_Test_Images.zip where it lies",
        ),
    ),
)  # fmt: skip
