"""What MedMNIST v2 states of its 18 subsets: class names, counts, MD5 of every size file.

Source: ``medmnist/info.py`` of the publisher's package, version 3.0.2 (records on Zenodo 10519652).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Subset:
    """One subset.

    Attributes:
        labels: class names in the order of the label values; prompts in brackets where the name
            alone would say too little.
        counts: images in train, val and test.
        md5: size in pixels → MD5 of its file.
    """

    title: str
    modality: str
    seen_as: str
    labels: Mapping[str, str]
    counts: tuple[int, int, int]
    md5: Mapping[int, str]
    positive: str | None = None
    multilabel: bool = False
    license: str = "CC-BY-4.0"
    notes: tuple[str, ...] = field(default=())


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_ORGANS = {
    "bladder": "urinary bladder",
    "femur-left": "left femur",
    "femur-right": "right femur",
    "heart": "heart",
    "kidney-left": "left kidney",
    "kidney-right": "right kidney",
    "liver": "liver",
    "lung-left": "left lung",
    "lung-right": "right lung",
    "pancreas": "pancreas",
    "spleen": "spleen",
}
_ORGANS_3D = ("liver", "kidney-right", "kidney-left", "femur-right", "femur-left", "bladder",
              "heart", "lung-right", "lung-left", "spleen", "pancreas")  # fmt: skip
_SIZES = (28, 64, 128, 224)


def _md5(*digests: str) -> dict[int, str]:
    return dict(zip(_SIZES, digests, strict=False))


SUBSETS: Mapping[str, Subset] = {
    "pathmnist": Subset(
        "colorectal tissue patches", "pathology", "a histopathology image of {}",
        _same("adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle",
              "normal colon mucosa", "cancer-associated stroma",
              "colorectal adenocarcinoma epithelium"),
        (89996, 10004, 7180),
        _md5("a8b06965200029087d5bd730944a56c1", "55aa9c1e0525abe5a6b9d8343a507616",
             "ac42d08fb904d92c244187169d1fd1d9", "2c51a510bcdc9cf8ddb2af93af1eadec"),
    ),
    "chestmnist": Subset(
        "chest radiographs, 14 findings", "xray", "a chest x-ray showing {}",
        _same("atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule",
              "pneumonia", "pneumothorax", "consolidation", "edema", "emphysema", "fibrosis",
              "pleural", "hernia") | {"pleural": "pleural thickening"},
        (78468, 11219, 22433),
        _md5("02c8a6516a18b556561a56cbdd36c4a8", "9de6cd0b934ebb5b7426cfba5efbae16",
             "db107e5590b27930b62dbaf558aebee3", "45bd33e6f06c3e8cdb481c74a89152aa"),
        multilabel=True,
        notes=("labels were mined from reports, and are noisy",),
    ),
    "dermamnist": Subset(
        "pigmented skin lesions", "dermoscopy", "a dermatoscopic image of {}",
        _same("actinic keratoses and intraepithelial carcinoma", "basal cell carcinoma",
              "benign keratosis-like lesions", "dermatofibroma", "melanoma", "melanocytic nevi",
              "vascular lesions"),
        (7007, 1003, 2005),
        _md5("0744692d530f8e62ec473284d019b0c7", "b70a2f5635c6199aeaa28c31d7202e1f",
             "2defd784463fa5243564e855ed717de1", "8974907d8e169bef5f5b96bc506ae45d"),
        license="CC-BY-NC-4.0",
    ),
    "octmnist": Subset(
        "optical coherence tomography of the retina", "other",
        "an optical coherence tomography image of the retina showing {}",
        _same("choroidal neovascularization", "diabetic macular edema", "drusen")
        | {"normal": "no abnormality"},
        (97477, 10832, 1000),
        _md5("c68d92d5b585d8d81f7112f81e2d0842", "e229e9440236b774d9f0dfef9d07bdaf",
             "0a97e76651ace45c5d943ee3f65b63ae", "abc493b6d529d5de7569faaef2773ba3"),
    ),
    "pneumoniamnist": Subset(
        "chest radiographs of children", "xray", "a chest x-ray showing {}",
        {"normal": "no abnormality", "pneumonia": "pneumonia"},
        (4708, 524, 624),
        _md5("28209eda62fecd6e6a2d98b1501bb15f", "8f4eceb4ccffa70c672198ea285246c6",
             "05b46931834c231683c68f40c47b2971", "d6a3c71de1b945ea11211b03746c1fe1"),
        positive="pneumonia",
    ),
    "retinamnist": Subset(
        "fundus photographs, five grades", "fundus", "a retinal fundus photograph with {}",
        {
            "0": "no diabetic retinopathy",
            "1": "mild non-proliferative diabetic retinopathy",
            "2": "moderate non-proliferative diabetic retinopathy",
            "3": "severe non-proliferative diabetic retinopathy",
            "4": "proliferative diabetic retinopathy",
        },
        (1080, 120, 400),
        _md5("bd4c0672f1bba3e3a89f0e4e876791e4", "afda852cc34dcda56f86ad2b2457dbcc",
             "e48e916a24454daf90583d4e6efb1a18", "eae7e3b6f3fcbda4ae613ebdcbe35348"),
        notes=("the five grades are ordered; accuracy does not know that",),
    ),
    "breastmnist": Subset(
        "breast ultrasound", "ultrasound", "a breast ultrasound image showing {}",
        {"malignant": "a malignant tumour", "normal, benign": "normal tissue or a benign lesion"},
        (546, 78, 156),
        _md5("750601b1f35ba3300ea97c75c52ff8f6", "742edef2a1fd1524b2efff4bd7ba9364",
             "363e4b3f8d712e9b5de15470a2aaadf1", "b56378a6eefa9fed602bb16d192d4c8b"),
        positive="malignant",
        notes=("the publisher counts 'normal, benign' as positive; here malignant is",),
    ),
    "bloodmnist": Subset(
        "single blood cells", "pathology", "a microscopy image of a single {}",
        _same("basophil", "eosinophil", "erythroblast")
        | {
            "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)":
                "immature granulocyte",
        }
        | _same("lymphocyte", "monocyte", "neutrophil", "platelet"),
        (11959, 1712, 3421),
        _md5("7053d0359d879ad8a5505303e11de1dc", "2b94928a2ae4916078ca51e05b6b800b",
             "adace1e0ed228fccda1f39692059dd4c", "b718ff6835fcbdb22ba9eacccd7b2601"),
    ),
    "tissuemnist": Subset(
        "cells of the human kidney cortex", "other", "a fluorescence microscopy image of {}",
        {
            "Collecting Duct, Connecting Tubule": "collecting duct or connecting tubule",
            "Distal Convoluted Tubule": "distal convoluted tubule",
            "Glomerular endothelial cells": "glomerular endothelial cells",
            "Interstitial endothelial cells": "interstitial endothelial cells",
            "Leukocytes": "leukocytes",
            "Podocytes": "podocytes",
            "Proximal Tubule Segments": "proximal tubule segments",
            "Thick Ascending Limb": "thick ascending limb",
        },
        (165466, 23640, 47280),
        _md5("ebe78ee8b05294063de985d821c1c34b", "123ece2eba09d0aa5d698fda57103344",
             "61b955355d7425a89687b06cca3ce0c2", "b077128c4a949f0a4eb01517f9037b9c"),
    ),
    "organamnist": Subset(
        "abdominal CT, axial", "ct", "an axial CT image of the {}", _ORGANS,
        (34561, 6491, 17778),
        _md5("68e3f8846a6bd62f0c9bf841c0d9eacc", "2dcccc29b88e6da5a01161ef20cda288",
             "eeae80d0a227a8d099027e1b3cfd3b60", "50747347e05c87dd3aaf92c49f9f3170"),
    ),
    "organcmnist": Subset(
        "abdominal CT, coronal", "ct", "a coronal CT image of the {}", _ORGANS,
        (12975, 2392, 8216),
        _md5("b9ceb9546e10131b32923c5bbeaea2b1", "3ce34a8724ea6f548e6db4744d03b6a9",
             "773c1f009daa3fe5d9a2a201b2a7ed94", "050f5e875dc056f6768abf94ec9995d1"),
    ),
    "organsmnist": Subset(
        "abdominal CT, sagittal", "ct", "a sagittal CT image of the {}", _ORGANS,
        (13932, 2452, 8827),
        _md5("9ab87b696fb54e2a387ebe992d6ed5f1", "53a6d115339d874c25e309a994ff46d3",
             "ded0c5fa01a95dc4978b956f613e9b8e", "b354719e553fbbb2513d5533f52a4cb1"),
    ),
    "organmnist3d": Subset(
        "abdominal CT organs, volumes", "ct", "a CT image of the {}",
        {name: _ORGANS[name] for name in _ORGANS_3D},
        (971, 161, 610),
        _md5("a0c5a1ff56af4f155c46d46fbb45a2fe", "58a2205adf14a9d0a189cb06dc78bf10"),
    ),
    "nodulemnist3d": Subset(
        "lung nodules, volumes", "ct", "a CT image of a {}",
        {"benign": "benign lung nodule", "malignant": "malignant lung nodule"},
        (1158, 165, 310),
        _md5("8755a7e9e05a4d9ce80a24c3e7a256f3", "c47c5b7d457bf6332200d2ea6d64ecd8"),
        positive="malignant",
    ),
    "adrenalmnist3d": Subset(
        "shapes of adrenal glands, volumes", "other", "the shape of an adrenal gland, {}",
        {"normal": "normal", "hyperplasia": "enlarged by hyperplasia"},
        (1188, 98, 298),
        _md5("bbd3c5a5576322bc4cdfea780653b1ce", "17721accfe9fb005146a47d33bc54b2f"),
        positive="hyperplasia",
        notes=("the volumes are shapes made from masks, not images",),
    ),
    "fracturemnist3d": Subset(
        "rib fractures, volumes", "ct", "a CT image of a {}",
        _same("buckle rib fracture", "nondisplaced rib fracture", "displaced rib fracture"),
        (1027, 103, 240),
        _md5("6aa7b0143a6b42da40027a9dda61302f", "f01d7e6316aedf4210da0da5b7437b42"),
    ),
    "vesselmnist3d": Subset(
        "shapes of brain vessels, volumes", "other", "the shape of a brain {}",
        {"vessel": "vessel without aneurysm", "aneurysm": "vessel with an aneurysm"},
        (1335, 191, 382),
        _md5("b41fd4f7e7e2feedddb201585ecafa1b", "6bb274a8846e1097066dcd64e2c4520f"),
        positive="aneurysm",
        notes=("the volumes are shapes made from meshes, not images",),
    ),
    "synapsemnist3d": Subset(
        "synapses, volumes", "other", "an electron microscopy image of an {}",
        _same("inhibitory synapse", "excitatory synapse"),
        (1230, 177, 352),
        _md5("1235b78a3cd6280881dd7850a78eadb6", "43bd14ebf3af9d3dd072446fedc14d5e"),
        positive="excitatory synapse",
    ),
}  # fmt: skip
