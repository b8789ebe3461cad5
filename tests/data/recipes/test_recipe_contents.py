"""What stands in the rows and masks that recipes make, against values worked out by hand."""

import json
import os
from dataclasses import replace

import layouts_chest
import layouts_outlines
import layouts_volumes
import layouts_vqa
import numpy as np
import pytest
from PIL import Image as Pillow
from published import text

from vesalius.data.manifest import Dataset
from vesalius.data.opening import load_dataset, read_dataset, recipe_of
from vesalius.data.recipes import RECIPES
from vesalius.data.recipes.conformance import check_recipe
from vesalius.data.recipes.masks_out import relative_runs
from vesalius.data.recipes.prepare import prepare, prepared_root
from vesalius.engine.leakage import ledger_rows
from vesalius.errors import DataError, InputError
from vesalius.models.published import PUBLISHED

ALL = {
    **layouts_chest.LAYOUTS, **layouts_outlines.LAYOUTS, **layouts_vqa.LAYOUTS,
    **layouts_volumes.LAYOUTS,
}  # fmt: skip


@pytest.fixture(autouse=True)
def private(tmp_path, monkeypatch):
    """No test touches the user's own data and caches."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("VESALIUS_DATA", str(tmp_path / "data"))


@pytest.fixture
def read(tmp_path):
    """Build a miniature copy and read it."""

    def build(name: str) -> Dataset:
        folder = tmp_path / "published" / name
        folder.mkdir(parents=True)
        ALL[name].build(folder)
        return read_dataset(f"{name}={folder}")

    return build


def mask(data: Dataset, name: str) -> np.ndarray:
    """The label map of a sample."""
    sample = next(one for one in data if one.id == name)
    found = data.read_mask(sample, like=data.read(sample))
    assert found is not None
    return found


def test_boxes_of_chestxray14_go_from_corner_and_size_to_corners(read):
    """x, y, w, h = 5.5, 4, 10, 12.25; the spelling Infiltrate finds the class Infiltration."""
    data = read("chestxray14")
    (first, _) = data.phrases
    assert (first.phrase, first.box) == ("infiltration", (5.5, 4.0, 15.5, 16.25))
    assert [one.labels for one in data][1] == ()
    assert data[1].labelled
    assert data[0].extra == {"sex": "M", "view": "PA"}


def test_negative_images_of_rsna_have_an_absent_phrase(read):
    """No box of zeros, and one phrase with two boxes where two rows say so."""
    data = read("rsna-pneumonia")
    negative = {one.id for one in data if one.labels == ("no pneumonia",)}
    assert {one.box for one in data.phrases if one.id in negative} == {None}
    boxes = [one.box for one in data.phrases if one.id not in negative]
    assert set(boxes) == {(2.0, 3.0, 12.0, 15.0)}
    assert len(boxes) == len(data) - len(negative) + 1


def test_run_lengths_of_siim_are_relative_and_go_down_columns(read):
    """2050 pixels are skipped: column 2, rows 2–13; 1012 more: column 3, rows 2–13."""
    data = read("siim-pneumothorax")
    positive = [one for one in data if one.labels == ("pneumothorax",)]
    rows, columns = np.nonzero(mask(data, positive[-1].id))
    assert set(columns) == {2, 3}
    assert (rows.min(), rows.max(), len(rows)) == (2, 13, 24)
    negative = next(one for one in data if one.labels == ("no pneumothorax",))
    assert not mask(data, negative.id).any()
    first = next(one for one in positive if one.id.endswith(".1"))
    assert mask(data, first.id).sum() == 24 + 100  # two rows of one image are one mask


def test_runs_that_leave_the_picture_are_refused():
    """A truncated or foreign code must not become a mask."""
    with pytest.raises(ValueError, match="leaves 6 pixels"):
        relative_runs(["5 2"], (3, 2))
    with pytest.raises(ValueError, match=r"longer|shorter"):
        relative_runs(["1 2 3"], (3, 2))


def test_left_and_right_lungs_of_montgomery_keep_their_sides(read):
    """The left mask is value 1 and lies on the right of the picture, as radiographs are shown."""
    data = read("montgomery")
    labels = mask(data, data[0].id)
    assert set(np.nonzero(labels == 1)[1]) == set(range(16, 22))
    assert set(np.nonzero(labels == 2)[1]) == set(range(6))


def test_jpeg_masks_and_several_masks_become_clean_label_maps(read):
    """No value between 0 and 1 survives, two masks of one picture are united, normal is empty."""
    assert set(np.unique(mask(read("kvasir-seg"), "cju0qk1"))) <= {0, 1}
    data = read("busi")
    sizes = {one.id: int(mask(data, one.id).sum()) for one in data}
    benign = [size for name, size in sizes.items() if name.startswith("benign")]
    assert sorted(set(benign)) == [48, 96]
    assert {size for name, size in sizes.items() if name.startswith("normal")} == {0}


def test_channels_and_files_of_volumes_become_one_map(read):
    """Of a four-dimensional image one channel; of ten organ files one map with ten values."""
    prostate = read("msd-prostate")
    image = prostate.read(prostate[0])
    assert image.size == (12, 10, 8)
    assert image.spacing_mm == (1.5, 1.5, 2.0)
    total = read("totalsegmentator")
    assert set(np.unique(mask(total, "s0000"))) == {0, 10}  # later files lie on top here


def test_answers_and_types_of_vqa_rad_are_the_publishers(read):
    """A trailing blank, a number as answer and the official split."""
    data = read("vqa-rad")
    asked = {(one.id, one.question): one for one in data.questions}
    assert asked["test-synpic1", "Is this an MRI?"].type == "closed"
    assert asked["train-synpic3", "How many masses?"].answer == "3"
    assert {one.id for one in data} == {
        "train-synpic1", "train-synpic2", "train-synpic3", "test-synpic1", "test-synpic4",
    }  # fmt: skip


def test_choices_of_pmc_vqa_lose_their_letters(read):
    """The answer is the text of the labelled choice, so that it is among the choices."""
    (asked, *_) = read("pmc-vqa").questions
    assert asked.choices == ("Cyst", "A cyst, large", "Mass", "Bone")
    assert asked.answer == "A cyst, large"
    assert asked.type == "closed"


def test_alternatives_of_vqa_med_are_all_accepted(read):
    """axial#transverse are two right answers."""
    asked = {one.question: one for one in read("vqa-med-2019").questions}
    assert asked["which plane?"].answers == ("axial", "transverse")
    assert asked["which plane?"].question_type == "plane"


def test_one_language_of_slake_at_a_time(read):
    """The folder is shared, the questions are not."""
    assert {one.question for one in read("slake-zh").questions} == {"图中包含肺吗?"}


def test_a_prepared_folder_is_used_again_until_a_source_file_changes(read, tmp_path):
    """Same files, same folder; another time of a table, another folder; nothing half-made stays."""
    read("chexpert-5x200")
    root = tmp_path / "published" / "chexpert-5x200"
    first = prepare(RECIPES["chexpert-5x200"], root)
    before = (first / "samples.jsonl").stat().st_mtime_ns
    assert prepare(RECIPES["chexpert-5x200"], root) == first
    assert (first / "samples.jsonl").stat().st_mtime_ns == before
    os.utime(root / "chexpert_5x200.csv", (1, 1))
    assert prepare(RECIPES["chexpert-5x200"], root) != first
    newer = replace(RECIPES["chexpert-5x200"], version=2)
    assert prepare(newer, root) not in (first, prepare(RECIPES["chexpert-5x200"], root))
    assert list(prepared_root().glob(".*")) == []


def test_a_layout_that_is_not_as_described_is_named_and_leaves_nothing(tmp_path):
    """A missing column and a strange cell: both say which file or recipe, and what was expected."""
    root = tmp_path / "det"
    layouts_chest.LAYOUTS["chestx-det10"].build(root)
    text(root / "train.json", json.dumps([{"file_name": "1.png", "syms": []}]))
    with pytest.raises(DataError, match=r"train.json: no column 'boxes'; there are: file_name"):
        read_dataset(f"chestx-det10={root}")
    text(root / "train.json", json.dumps([{"file_name": 1, "syms": [], "boxes": []}]))
    with pytest.raises(DataError, match="not laid out as chestx-det10 describes them"):
        read_dataset(f"chestx-det10={root}")
    assert list(prepared_root().glob("*")) == []
    assert list(prepared_root().glob(".*")) == []


def test_a_missing_picture_is_a_refused_row_and_a_count_that_does_not_fit(tmp_path):
    """Half a data set must not pass as the whole."""
    root = tmp_path / "cx"
    layouts_chest.LAYOUTS["chexpert-5x200"].build(root)
    next(root.glob("**/view1_frontal.jpg")).unlink()
    with pytest.raises(DataError, match=r"n_loaded = 4; 1 rows refused.*no such file") as caught:
        load_dataset(f"chexpert-5x200={root}")
    assert caught.value.reason == "count_mismatch"


def test_an_undeclared_overlap_of_patients_is_an_error(tmp_path, monkeypatch):
    """Only what a recipe declares is let pass; here the declaration is taken away."""
    root = tmp_path / "rad"
    ALL["vqa-rad"].build(root)
    name = f"vqa-rad={root}"
    assert load_dataset(name, allow_partial=True).card.name == "vqa-rad"
    monkeypatch.setitem(RECIPES, "vqa-rad", replace(RECIPES["vqa-rad"], split_overlap=""))
    with pytest.raises(DataError, match="patient 'synpic1' is in test") as caught:
        load_dataset(name, allow_partial=True)
    assert caught.value.reason == "patient_overlap"


def test_a_picture_outside_the_published_folder_is_refused(tmp_path):
    """A link in somebody's archive does not reach the rest of the disk."""
    root = tmp_path / "cx"
    layouts_chest.LAYOUTS["chexpert-5x200"].build(root)
    outside = tmp_path / "private.png"
    Pillow.fromarray(np.zeros((4, 4), np.uint8)).save(outside)
    path = next(root.glob("**/view1_frontal.jpg"))
    path.unlink()
    path.symlink_to(outside)
    reasons = {one.reason for one in read_dataset(f"chexpert-5x200={root}").problems}
    assert reasons == {"path_escapes", "count_mismatch"}


def test_names_are_told_from_folders_and_misspelt_ones_get_a_hint(tmp_path):
    """What is neither names the nearest recipe; what is not on disk says how to get it."""
    with pytest.raises(DataError, match=r"did you mean 'vqa-rad'"):
        recipe_of("vqa-rd")
    with pytest.raises(DataError, match=r"vqa-rad is not on disk: expected .*`vesalius fetch"):
        load_dataset("vqa-rad")
    folder = tmp_path / "pcam"
    text(folder / "dataset.yaml", "format: 1\nname: mine\n")
    assert recipe_of(folder) is None


def test_the_ledger_and_the_recipes_agree_about_training_data():
    """Declared there is said here, and nothing is said here that the ledger calls undeclared."""
    models = {one.name: {"miniature": False, "weights": {}, "source": one.repo}
              for one in PUBLISHED}  # fmt: skip
    sets = {one.name: {"name": one.name, "citation": one.citation} for one in RECIPES.values()}
    for row in ledger_rows(models, sets):
        said = row["model"] in RECIPES[row["dataset"]].overlap
        declared = row["verdict"] == "declared as training data"
        assert said or not declared, row
        assert not said or row["verdict"] != "not declared", row


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"citation": "somebody"}, "neither DOI"),
        ({"modality": "x-ray"}, "unknown modality"),
        ({"expected": {"samples": {"tests": 3}}}, "expected samples tests"),
        ({"expected": {}}, "does not say that it is unknown"),
        ({"license": ""}, "license is empty"),
        ({"positive": "tb"}, "positive 'tb'"),
        ({"structure_prompts": {}}, "prompt for every structure"),
    ],
)
def test_a_recipe_that_breaks_a_rule_is_found(change, words):
    """The conformance check itself can fail."""
    with pytest.raises(InputError, match=words):
        check_recipe(replace(RECIPES["montgomery"], **change))
