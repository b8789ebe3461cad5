"""Questions about radiographs, slices, slides and figures.

Layouts, as published:

* VQA-RAD (OSF 89kps): ``VQA_RAD Dataset Public.json``, a list of objects with ``image_name``,
  ``phrase_type`` (``freeform``, ``para``, ``test_freeform``, ``test_para``), ``question``,
  ``answer``, ``answer_type`` (``CLOSED``, ``OPEN``, at times with a blank after it) and
  ``question_type``; pictures in ``VQA_RAD Image Folder``. Lau et al. (2018),
  doi:10.1038/sdata.2018.251.
* ``vqa-rad-hub``, ``path-vqa``: Parquet of the hub with ``image``, ``question``, ``answer``;
  questions answered yes or no are closed. He et al. (2020), arXiv:2003.10286.
* SLAKE: ``train.json``, ``validation.json``, ``test.json`` with ``img_name`` (such as
  ``xmlab0/source.jpg``, below ``imgs``), ``q_lang`` (``en``, ``zh``), ``answer_type`` and
  ``content_type``. Liu et al. (2021), arXiv:2102.09542.
* PMC-VQA, version 1: ``train.csv``, ``test_clean.csv`` with ``Figure_path``, ``Question``,
  ``Choice A`` … ``Choice D`` (each beginning with its letter and a colon) and ``Answer_label``;
  pictures in ``images``. Zhang et al. (2023), arXiv:2305.10415.
* VQA-Med 2019: ``All_QA_Pairs_train.txt`` and ``…_val.txt`` with ``image|question|answer``, test
  references with ``image|category|question|answer``. Ben Abacha et al. (2019), CEUR 2380.
"""

from collections.abc import Iterator

from vesalius.data.recipes.hub_parquet import keep_picture, parquet_rows
from vesalius.data.recipes.questions import Pair, is_yes_no, tables_of
from vesalius.data.recipes.recipe import Recipe, Source, Tables
from vesalius.data.recipes.tabular import csv_rows, json_rows, text_of
from vesalius.records import Split

RAD_JSON = "VQA_RAD Dataset Public.json"
RAD_PICTURES = "VQA_RAD Image Folder"
_RAD_COLUMNS = ("image_name", "phrase_type", "question", "answer", "answer_type", "question_type")
_SLAKE_COLUMNS = ("img_name", "q_lang", "question", "answer", "answer_type", "content_type")
_SLAKE_FILES: tuple[tuple[Split, str], ...] = (
    ("train", "train.json"), ("val", "validation.json"), ("test", "test.json"),
)  # fmt: skip
_PMC_FILES: tuple[tuple[Split, str], ...] = (("train", "train.csv"), ("test", "test_clean.csv"))
_LETTERS = "ABCD"
MED_FILES: tuple[tuple[Split, str, str], ...] = (
    ("train", "ImageClef-2019-VQA-Med-Training/All_QA_Pairs_train.txt", "Train_images"),
    ("val", "ImageClef-2019-VQA-Med-Validation/All_QA_Pairs_val.txt", "Val_images"),
    ("test", "VQAMed2019Test/VQAMed2019_Test_Questions_w_Ref_Answers.txt",
     "VQAMed2019_Test_Images"),
)  # fmt: skip


def read_vqa_rad(_: Recipe, source: Source, /) -> Tables:
    """All pairs; those whose phrase type begins with ``test`` are the official test split."""
    return tables_of(_rad_pairs(source))


def _rad_pairs(source: Source) -> Iterator[Pair]:
    for row in json_rows(source.root / RAD_JSON, source, needed=_RAD_COLUMNS):
        name = str(row["image_name"])
        yield Pair(
            key=name.rpartition(".")[0],
            image=source.link(source.root / RAD_PICTURES / name),
            split="test" if str(row["phrase_type"]).startswith("test") else "train",
            question=str(row["question"]).strip(),
            answer=str(row["answer"]).strip(),
            closed=str(row["answer_type"]).strip().upper() == "CLOSED",
            question_type=str(row["question_type"]).strip(),
        )


def read_hub_pairs(recipe: Recipe, source: Source, /) -> Tables:
    """Pictures inside Parquet files, with one question a row."""
    return tables_of(_hub_pairs(recipe, source))


def _hub_pairs(recipe: Recipe, source: Source) -> Iterator[Pair]:
    splits: list[tuple[Split, str]] = [("train", "train"), ("test", "test")]
    if "val" in recipe.expected["questions"]:
        splits.insert(1, ("val", "validation"))
    for split, file in splits:
        for row in parquet_rows(source, file, needed=("image", "question", "answer")):
            key, image = keep_picture(row["image"]["bytes"], source)
            answer = row["answer"].strip()
            yield Pair(key, image, split, row["question"].strip(), answer, is_yes_no(answer))


def read_slake(recipe: Recipe, source: Source, /) -> Tables:
    """The pairs of one of the two languages."""
    return tables_of(_slake_pairs(recipe.options["language"], source))


def _slake_pairs(language: str, source: Source) -> Iterator[Pair]:
    for split, file in _SLAKE_FILES:
        for row in json_rows(source.root / file, source, needed=_SLAKE_COLUMNS):
            if row["q_lang"] == language:
                yield Pair(
                    key=row["img_name"].partition("/")[0],
                    image=source.link(source.root / "imgs" / row["img_name"]),
                    split=split,
                    question=row["question"].strip(),
                    answer=str(row["answer"]).strip(),
                    closed=row["answer_type"].strip().upper() == "CLOSED",
                    question_type=row["content_type"],
                )


def read_pmc_vqa(_: Recipe, source: Source, /) -> Tables:
    """Questions with four choices; the choice that the label names is the answer."""
    return tables_of(_pmc_pairs(source))


def _pmc_pairs(source: Source) -> Iterator[Pair]:
    columns = ["Figure_path", "Question", "Answer_label", *(f"Choice {one}" for one in _LETTERS)]
    for split, file in _PMC_FILES:
        for row in csv_rows(source.root / file, source, needed=columns):
            choices = [row[f"Choice {one}"].strip() for one in _LETTERS]
            choices = [text.removeprefix(f"{one}:").strip().replace("|", "/")
                       for one, text in zip(_LETTERS, choices, strict=True)]  # fmt: skip
            label = row["Answer_label"].strip()
            if label not in _LETTERS or not label:
                raise source.error(source.root / file, f"Answer_label {label!r} is none of A to D")
            yield Pair(
                key=row["Figure_path"].rpartition(".")[0],
                image=source.link(source.root / "images" / row["Figure_path"]),
                split=split,
                question=row["Question"].strip(),
                answer=choices[_LETTERS.index(label)],
                closed=True,
                choices=tuple(dict.fromkeys(choices)),
            )


def read_vqa_med(_: Recipe, source: Source, /) -> Tables:
    """The pairs of the three folders."""
    return tables_of(_med_pairs(source))


def _med_pairs(source: Source) -> Iterator[Pair]:
    for split, file, pictures in MED_FILES:
        path = source.root / file
        n_cells = 4 if split == "test" else 3
        for number, line in enumerate(text_of(path, source).splitlines(), start=1):
            cells = [cell.strip() for cell in line.split("|", n_cells - 1)]
            if len(cells) != n_cells:
                raise source.error(path, f"line {number}: expected {n_cells} cells between |")
            name, *category, question, answer = cells
            answers = tuple(one.strip() for one in answer.split("#") if one.strip())
            yield Pair(
                key=name,
                image=source.link(path.parent / pictures / f"{name}.jpg"),
                split=split,
                question=question,
                answer=answers[0] if answers else "",
                closed=is_yes_no(answer),
                question_type=category[0] if category else "",
                answers=answers,
            )
