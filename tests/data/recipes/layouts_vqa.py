"""Questions: JSON, CSV, text and Parquet as their publishers write them."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from published import Layout, encoded, picture, text


def _rad(root: Path) -> None:
    rows = [
        ("synpic1.jpg", "freeform", "Is there a mass?", "Yes", "CLOSED", "PRES"),
        ("synpic2.jpg", "para", "Where is the mass?", "left lung", "OPEN", "POS"),
        ("synpic3.jpg", "freeform", "How many masses?", 3, "OPEN", "COUNT"),
        ("synpic1.jpg", "test_freeform", "Is this an MRI?", "no", "CLOSED ", "MODALITY"),
        ("synpic4.jpg", "test_para", "Where is the effusion?", "right", "OPEN", "POS"),
    ]
    records = [
        {
            "qid": number, "phrase_type": phrase, "qid_linked_id": "x", "image_case_url": "",
            "image_name": image, "image_organ": "CHEST", "evaluation": "not evaluated",
            "question": question, "question_rephrase": "NULL", "question_relation": "NULL",
            "question_frame": "NULL", "question_type": kind, "answer": answer,
            "answer_type": answer_type,
        }
        for number, (image, phrase, question, answer, answer_type, kind) in enumerate(rows)
    ]  # fmt: skip
    text(root / "VQA_RAD Dataset Public.json", json.dumps(records, indent=1))
    for number in range(1, 6):  # one picture is asked nothing about
        picture(root / "VQA_RAD Image Folder" / f"synpic{number}.jpg", number)


def _hub(root: Path, rows: dict[str, list[tuple[int, str, str]]]) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    (root / "data").mkdir(parents=True)
    for split, asked in rows.items():
        table = pa.table(
            {
                "image": pa.array(
                    [{"bytes": encoded(seed), "path": None} for seed, *_ in asked], kind
                ),
                "question": [question for _, question, _ in asked],
                "answer": [answer for *_, answer in asked],
            }
        )
        name = f"{split}-00000-of-00001-eb8844602202be60.parquet"
        pq.write_table(table, root / "data" / name)


_TRAIN = [(1, "is there a mass?", "yes"), (1, "where is it?", "left lung"), (2, "a mass?", "no")]
_TEST = [(1, "is this an mri?", "no"), (3, "what is shown?", "effusion")]


def _slake(root: Path) -> None:
    for number, (file, image) in enumerate(
        [("train", "xmlab0"), ("validation", "xmlab1"), ("test", "xmlab2")]
    ):
        rows = []
        for language, question, answer in (
            ("en", "Does the picture contain lung?", "Yes"), ("zh", "图中包含肺吗?", "是"),
            ("en", "What is the modality?", "X-Ray"),
        ):  # fmt: skip
            rows.append(
                {
                    "img_id": number, "img_name": f"{image}/source.jpg", "question": question,
                    "answer": answer, "q_lang": language, "location": "Lung",
                    "modality": "X-Ray", "answer_type": "CLOSED" if answer != "X-Ray" else "OPEN",
                    "base_type": "vqa", "content_type": "Organ", "triple": ["vhead", "_", "_"],
                    "qid": len(rows),
                }
            )  # fmt: skip
        text(root / f"{file}.json", json.dumps(rows, ensure_ascii=False))
        picture(root / "imgs" / image / "source.jpg", number)


def _pmc(root: Path) -> None:
    head = "Figure_path,Question,Answer,Choice A,Choice B,Choice C,Choice D,Answer_label\n"
    rows = '{0},What is shown?,"A cyst, large"," A:Cyst "," B:A cyst, large",C:Mass,D:Bone,B\n'
    text(root / "train.csv", head + rows.format("PMC1_F1.jpg") + rows.format("PMC2_F1.jpg"))
    text(root / "test_clean.csv", head + rows.format("PMC3_F1.jpg"))
    for number in (1, 2, 3):
        picture(root / "images" / f"PMC{number}_F1.jpg", number)


def _med(root: Path) -> None:
    train = root / "ImageClef-2019-VQA-Med-Training"
    val = root / "ImageClef-2019-VQA-Med-Validation"
    test = root / "VQAMed2019Test"
    text(train / "All_QA_Pairs_train.txt",
         "synpic41148|what kind of image is this?|cta - ct angiography\n"
         "synpic41148|is this a t1 weighted image?|no\n")  # fmt: skip
    text(val / "All_QA_Pairs_val.txt", "synpic371|what plane is seen?|axial\n")
    text(test / "VQAMed2019_Test_Questions_w_Ref_Answers.txt",
         "synpic54082|modality|is this an mri?|yes\n"
         "synpic54082|plane|which plane?|axial#transverse\n")  # fmt: skip
    picture(train / "Train_images" / "synpic41148.jpg", 1)
    picture(val / "Val_images" / "synpic371.jpg", 2)
    picture(test / "VQAMed2019_Test_Images" / "synpic54082.jpg", 3)


def _vqa(build: object, counts: dict[str, int], **more: object) -> Layout:
    return Layout(build, {"questions": counts}, "vqa", "ranked-candidates", **more)  # type: ignore[arg-type]


LAYOUTS = {
    "vqa-rad": _vqa(_rad, {"train": 3, "test": 2}, columns={"id": "train-synpic1"},
                    note="1 images stand in several official splits"),
    "vqa-rad-hub": _vqa(lambda root: _hub(root, {"train": _TRAIN, "test": _TEST}),
                        {"train": 3, "test": 2}, note="1 images stand in several"),
    "path-vqa": _vqa(
        lambda root: _hub(root, {"train": _TRAIN, "validation": [(5, "where?", "liver")],
                                 "test": [(7, "is it necrosis?", "yes")]}),
        {"train": 3, "val": 1, "test": 1}),
    "slake": _vqa(_slake, {"train": 2, "val": 2, "test": 2}, columns={"id": "train-xmlab0"}),
    "slake-zh": _vqa(_slake, {"train": 1, "val": 1, "test": 1}),
    "pmc-vqa": _vqa(_pmc, {"train": 2, "test": 1}, columns={"id": "train-PMC1_F1"}),
    "vqa-med-2019": _vqa(_med, {"train": 2, "val": 1, "test": 2}),
}  # fmt: skip
