"""Facts of the pictures with outlined structures; how they are read stands in ``outlines``."""

from vesalius.data.recipes import outlines
from vesalius.data.recipes.recipe import Recipe, WebFile
from vesalius.data.recipes.splits import MADE_HERE

_NLM = "https://lhncbc.nlm.nih.gov/LHC-downloads/downloads.html"
_PROMPTS = "class names: the publisher; prompts and templates: Vesalius"
_NO_PATIENTS = "the image; patients are not published"
_TB = {"normal": ("no abnormality",), "tuberculosis": ("tuberculosis",)}
_TB_CITATION = "Jaeger et al. (2014), doi:10.3978/j.issn.2223-4292.2014.11.20"
_CXR = ("chest x-ray showing {}", "findings consistent with {}")
_ISIC_URL = "https://challenge.isic-archive.com/data/#2018"
_ISIC = "https://isic-challenge-data.s3.amazonaws.com/2018"
_ISIC_CITATION = (
    "Codella et al. (2019), ISIC 2018, arXiv:1902.03368; Tschandl et al. (2018), HAM10000, "
    "doi:10.1038/sdata.2018.161"
)
_ISIC_ARCHIVES = ("Training", "Validation", "Test")


def _isic_files(task: str, pictures: str) -> tuple[WebFile, ...]:
    names = [
        f"ISIC2018_{stem}_{part}_{kind}.zip"
        for part in _ISIC_ARCHIVES
        for stem, kind in ((pictures, "Input"), (task, "GroundTruth"))
    ]
    return tuple(WebFile(f"{_ISIC}/{name}", name, unpack=True) for name in names)


RECIPES = (
    Recipe(
        name="montgomery",
        title="Montgomery County chest radiographs with lungs",
        tasks=("segmentation", "classification"),
        modality="xray",
        read=outlines.read_montgomery,
        needs=("CXR_png/MCUCXR_*.png", "ManualMask/leftMask/*.png", "ManualMask/rightMask/*.png"),
        classes=_TB,
        positive="tuberculosis",
        templates=_CXR,
        structures={"left lung": 1, "right lung": 2},
        structure_prompts={"left lung": ("left lung",), "right lung": ("right lung",)},
        prompts_from=_PROMPTS,
        url=_NLM,
        license="free to use; cite the paper and name the source (National Library of Medicine)",
        citation=_TB_CITATION,
        split=MADE_HERE,
        expected={"samples": {"train+val+test": 138}},
        patient=_NO_PATIENTS,
        unverified=("138 radiographs, 58 with tuberculosis: as of memory",),
        size_mb=600,
        steps=("download NLM-MontgomeryCXRSet.zip",
               "put what is in its folder MontgomerySet into the folder"),
    ),
    Recipe(
        name="shenzhen",
        title="Shenzhen Hospital chest radiographs, most of them with lungs",
        tasks=("classification", "segmentation"),
        modality="xray",
        read=outlines.read_shenzhen,
        needs=("CXR_png/CHNCXR_*.png",),
        classes=_TB,
        positive="tuberculosis",
        templates=_CXR,
        structures={"lung": 1},
        structure_prompts={"lung": ("lungs",)},
        prompts_from=_PROMPTS,
        url=_NLM,
        license="free to use; cite the paper and name the source (National Library of Medicine)",
        citation=_TB_CITATION,
        split=MADE_HERE,
        expected={"samples": {"train+val+test": 662}},
        patient=_NO_PATIENTS,
        remarks=("lungs were drawn by others than the publisher, for 566 images (of memory)",),
        size_mb=3600,
        steps=(
            "download NLM-ChinaCXRSet.zip and put what is in its folder ChinaSet_AllFiles into "
            "the folder",
            "for segmentation, put the masks of https://www.kaggle.com/yoctoman/shcxr-lung-mask "
            "into 'mask'",
        ),
    ),
    Recipe(
        name="kvasir-seg",
        title="Kvasir-SEG: polyps in colonoscopy",
        tasks=("segmentation",),
        modality="endoscopy",
        read=outlines.read_kvasir_seg,
        needs=("Kvasir-SEG/images/*.jpg", "Kvasir-SEG/masks/*.jpg"),
        structures={"polyp": 1},
        structure_prompts={"polyp": ("polyp", "colon polyp")},
        prompts_from=_PROMPTS,
        url="https://datasets.simula.no/kvasir-seg/",
        license="free for research and education; commercial use needs permission",
        citation="Jha et al. (2020), Kvasir-SEG, arXiv:1911.07069",
        split=MADE_HERE,
        expected={"samples": {"train+val+test": 1000}},
        patient=_NO_PATIENTS,
        unverified=("1000 images, as of memory", "address of the archive"),
        size_mb=46,
        get=(WebFile("https://datasets.simula.no/downloads/kvasir-seg.zip", "kvasir-seg.zip",
                     unpack=True),),
        steps=("download kvasir-seg.zip and put its folder Kvasir-SEG into the folder",),
    ),
    Recipe(
        name="isic2018-task1",
        title="ISIC 2018 task 1: outlines of skin lesions",
        tasks=("segmentation",),
        modality="dermoscopy",
        read=outlines.read_isic_outlines,
        needs=tuple(f"ISIC2018_Task1{end}/*.*" for part in _ISIC_ARCHIVES
                    for end in (f"-2_{part}_Input", f"_{part}_GroundTruth")),
        folder="isic2018",
        structures={"lesion": 1},
        structure_prompts={"lesion": ("skin lesion", "pigmented lesion")},
        prompts_from=_PROMPTS,
        url=_ISIC_URL,
        license="CC0-1.0 or CC-BY-NC-4.0, by image",
        citation=_ISIC_CITATION,
        split="official",
        expected={"samples": {"train": 2594, "val": 100, "test": 1000}},
        patient=_NO_PATIENTS,
        unverified=("counts, as of memory",),
        size_mb=13500,
        get=_isic_files("Task1", "Task1-2"),
        steps=("unpack the six archives of task 1 side by side in the folder",),
    ),
    Recipe(
        name="isic2018-task3",
        title="ISIC 2018 task 3: seven diagnoses of pigmented skin lesions (HAM10000)",
        tasks=("classification",),
        modality="dermoscopy",
        read=outlines.read_isic_diagnoses,
        needs=tuple(f"ISIC2018_Task3_{part}_{end}" for part in _ISIC_ARCHIVES
                    for end in ("Input/*.jpg", "GroundTruth/*.csv")),
        folder="isic2018",
        classes={
            "MEL": ("melanoma",),
            "NV": ("melanocytic nevus",),
            "BCC": ("basal cell carcinoma",),
            "AKIEC": ("actinic keratosis", "intraepithelial carcinoma"),
            "BKL": ("benign keratosis",),
            "DF": ("dermatofibroma",),
            "VASC": ("vascular lesion",),
        },
        templates=("a dermatoscopic image of {}",),
        prompts_from=_PROMPTS,
        url=_ISIC_URL,
        license="CC-BY-NC-4.0",
        citation=_ISIC_CITATION,
        split="official",
        expected={"samples": {"train": 10015, "val": 193, "test": 1512}},
        patient="the image; several training images show one lesion",
        unverified=("counts, as of memory",),
        size_mb=3300,
        get=_isic_files("Task3", "Task3"),
        steps=("unpack the six archives of task 3 side by side in the folder",),
    ),
    Recipe(
        name="busi",
        title="BUSI: breast ultrasound with outlines of lesions",
        tasks=("classification", "segmentation"),
        modality="ultrasound",
        read=outlines.read_busi,
        needs=("benign/*.png", "malignant/*.png", "normal/*.png"),
        classes={
            "normal": ("no lesion",),
            "benign": ("a benign breast lesion",),
            "malignant": ("a malignant breast lesion", "breast cancer"),
        },
        templates=("breast ultrasound showing {}",),
        structures={"lesion": 1},
        structure_prompts={"lesion": ("breast lesion", "breast mass")},
        prompts_from=_PROMPTS,
        url="https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
        license="CC0-1.0 on one mirror; not stated by the publisher",
        citation="Al-Dhabyani et al. (2020), doi:10.1016/j.dib.2019.104863",
        split=MADE_HERE,
        expected={"samples": {"train+val+test": 780}},
        patient="the image; 600 patients gave 780 images, and which is which is not published",
        remarks=("pictures that stand twice are known; the run lists those that cross splits",),
        size_mb=260,
        steps=("download Dataset_BUSI.zip",
               "put the folders benign, malignant and normal into the folder"),
    ),
)  # fmt: skip
