"""The ledger: who declares which public images as training data, and what is not known."""

import json
from dataclasses import asdict

import pytest
from small_world import Brightness, squares

from vesalius.engine import Grid, ModelSource, run
from vesalius.engine.leakage import COLLECTIONS, collections_of, declared_by, ledger_rows
from vesalius.models.published import PUBLISHED
from vesalius.records import DatasetCard, ModelCard, RunSpec
from vesalius.tasks import make_task

DECLARED, ABSENT, UNKNOWN = "declared as training data", "not declared", "unknown"
REPOS = {entry.name: entry.repo for entry in PUBLISHED}


def published(name):
    """Card of a published model as run.json has it."""
    return asdict(ModelCard(name=name, adapter=name, source=REPOS[name]))


def dataset(name, citation=""):
    """Card of a dataset as run.json has it."""
    return asdict(DatasetCard(name=name, citation=citation))


def verdict(model, card):
    """The verdict of one model on one dataset."""
    ((row,)) = ledger_rows({"m": model}, {"d": card})
    return row["verdict"]


@pytest.mark.parametrize(
    ("model", "name", "expected"),
    [
        ("pubmedclip", "roco", DECLARED),
        ("clipmd", "my-ROCOv2-subset", DECLARED),
        ("biovil-t", "MIMIC-CXR", DECLARED),
        ("biovil-t", "ms-cxr", DECLARED),  # boxes on images of MIMIC-CXR
        ("smolvlm", "vqa-rad", DECLARED),  # a part of The Cauldron
        ("smolvlm", "medpix-captions", UNKNOWN),  # where VQA-RAD took its images from
        ("biomedclip", "roco", UNKNOWN),  # both are figures of PubMed Central
        ("biomedclip", "vqa-rad", ABSENT),
        ("blip2", "vqa-rad", ABSENT),  # COCO stands in The Cauldron too, which links nothing
        ("clip", "nih-cxr", ABSENT),
        ("pubmedclip", "broccoli", ABSENT),  # names are whole words
    ],
)
def test_verdict_follows_what_is_declared(model, name, expected):
    """Sets, their parts and common sources are told apart; nothing is guessed from letters."""
    assert verdict(published(model), dataset(name)) == expected


def test_a_citation_names_a_dataset_too():
    """A folder of any name is found by what it cites."""
    renamed = dataset("ward 7", "Lau et al., VQA-RAD, Scientific Data 2018")
    assert collections_of(renamed) == ("vqa-rad",)
    assert verdict(published("smolvlm"), renamed) == DECLARED


def test_weights_from_a_folder_are_unknown_unless_their_hash_is_published():
    """A copied checkpoint is recognised; another one is not given the published one's record."""
    card = ModelCard(name="copy", adapter="biovil-t", source="local")
    assert declared_by(asdict(card)) is None
    assert verdict(asdict(card), dataset("mimic-cxr")) == UNKNOWN
    (entry,) = (entry for entry in PUBLISHED if entry.name == "biovil-t")
    known = asdict(card) | {"weights": {"w.bin": min(entry.pickles)}}
    assert verdict(known, dataset("mimic-cxr")) == DECLARED


def test_a_miniature_is_marked_on_the_cohort_it_was_trained_on_only():
    """The demo's cohort has another seed than the one of the miniatures."""
    mini = asdict(ModelCard(name="mini:clip", adapter="clip", source="embedded", miniature=True))
    citation = "Vesalius synthetic chest cohort, seed {}; no patient was imaged"
    assert verdict(mini, dataset("phantom", citation.format(0))) == ABSENT
    assert verdict(mini, dataset("phantom", citation.format(1000))) == DECLARED
    assert verdict(mini, dataset("phantom", citation.format(10001))) == ABSENT


def test_every_published_model_declares_sets_that_the_ledger_knows():
    """A model added without its training data would be silently clean."""
    for entry in PUBLISHED:
        assert entry.trained_on, entry.name
        assert set(entry.trained_on) <= set(COLLECTIONS), entry.name
    wholes = {key for one in COLLECTIONS.values() for key in one.part_of}
    assert wholes <= set(COLLECTIONS)


def test_a_run_says_what_its_models_declare(tmp_path):
    """run.json has one row per model and dataset, also for a model of the user's own."""
    model = Brightness()
    grid = Grid(
        [ModelSource(model.card, lambda: model)],
        [squares(tmp_path / "data", n_patients=40)],
        [make_task("retrieval", "image-embedding")],
    )
    run(grid, RunSpec(models=(), datasets=(), n_resamples=10, controls=False), out=tmp_path / "run")
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    row = {"model": "brightness", "dataset": "squares", "declared": [], "verdict": UNKNOWN}
    assert info["ledger"] == [row]
