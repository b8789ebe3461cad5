"""Architecture cards from names: published, miniature and broken models; geometry on data."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from small_world import squares

import vesalius
from vesalius.engine.geometry import similarity_of
from vesalius.engine.inspection import InspectionPlan, inspect_model, inspect_models
from vesalius.errors import InputError, ModelError, WeightsMissingError
from vesalius.models.architecture import SCHEMA

STILL = InspectionPlan(device="cpu", measure=False)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No genuine weights are on disk."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


def test_a_model_without_weights_has_the_published_architecture() -> None:
    """Parameters and operations are known; what needs weights says that they are missing."""
    card = inspect_model("clip", plan=STILL)
    assert card.architecture.parameters == 151_277_313
    assert not card.on_disk
    assert not card.miniature
    assert card.missing == "run `vesalius fetch clip` on a connected machine"
    assert (card.measurement, card.geometry, card.weight_bytes) == (None, None, None)
    assert card.not_measured == card.no_geometry == "the weights are not on disk"


def test_a_miniature_is_marked_and_never_takes_the_genuine_name() -> None:
    """Licence, data, source and size are the miniature's own."""
    card = inspect_model("mini:clip", plan=STILL)
    assert card.miniature
    assert (card.source, card.training_data) == ("embedded", "synthetic cohort")
    assert card.architecture.parameters < 5_000_000
    assert card.weight_bytes is not None
    assert card.weight_bytes > 100_000
    assert card.not_measured == "measuring was switched off"


def test_measuring_counts_the_loaded_parameters() -> None:
    """The drawn network is the one that runs."""
    plan = InspectionPlan(device="cpu", batch_sizes=(1,), budget_s=0.0)
    card = inspect_model("mini:clip", plan=plan)
    assert card.loaded_parameters == card.architecture.parameters
    assert card.measurement is not None
    assert {t.operation for t in card.measurement.timings} == {"encode_images", "encode_texts"}
    assert card.not_measured == ""


def test_geometry_and_similarity_on_a_dataset(tmp_path: Path) -> None:
    """Every quantity has a value or a reason; models are compared on the same samples."""
    plan = InspectionPlan(device="cpu", measure=False, data=squares(tmp_path / "d"), limit=20)
    found = inspect_models(["mini:clip", "mini:pubmedclip", "clip"], plan=plan)
    first, _, missing = found.cards
    assert first.geometry is not None
    assert (first.geometry.n_samples, first.geometry.n_pairs) == (20, 20)
    values = {e.metric: e.value for e in first.geometry.estimates}
    assert values.keys() == {
        "uniformity[image]", "mean_cosine[image]", "effective_rank[image]", "uniformity[text]",
        "mean_cosine[text]", "effective_rank[text]", "modality_gap", "alignment",
    }  # fmt: skip
    assert all(math.isfinite(value) for value in values.values())
    assert missing.geometry is None
    (alike,) = found.similarities
    assert alike.models == ("mini:clip", "mini:pubmedclip")
    table = np.array(alike.values)
    assert np.diag(table) == pytest.approx(1)
    assert table == pytest.approx(table.T)


def test_without_captions_the_text_quantities_say_so(tmp_path: Path) -> None:
    """Undefined is NaN with a reason."""
    data = squares(tmp_path / "d")
    table = data.root / "samples.csv"
    rows = [line.split(",") for line in table.read_text().splitlines()]
    table.write_text("\n".join(",".join([*row[:5], *row[6:]]) for row in rows))
    plan = InspectionPlan(
        device="cpu", measure=False, data=vesalius.load_dataset(data.root), limit=5
    )
    geometry = inspect_model("mini:clip", plan=plan).geometry
    assert geometry is not None
    assert geometry.n_pairs == 0
    gap = next(e for e in geometry.estimates if e.metric == "modality_gap")
    assert math.isnan(gap.value)
    assert gap.reason == "no sample has both a readable image and a caption"


def test_similarity_leaves_out_what_one_model_could_not_embed() -> None:
    """A sample that is NaN for one model is used for none; too few samples give a reason."""
    rows = np.random.default_rng(0).normal(size=(6, 3))
    holes = rows.copy()
    holes[0] = np.nan
    found = similarity_of({"a": rows, "b": holes}, dataset="d")
    assert found.n_samples == 5
    assert found.values[0][1] == pytest.approx(1)
    few = similarity_of({"a": rows[:4], "b": holes[:4]}, dataset="d")
    assert math.isnan(few.values[0][1])
    assert few.reason == "fewer than four samples, or embeddings without spread"


def test_json_keeps_its_names() -> None:
    """Programs that read the JSON of one version can read that of the next."""
    record = json.loads(json.dumps(inspect_models(["clip"], plan=STILL).json(), allow_nan=False))
    assert record.keys() == {"schema", "models", "similarities"}
    assert record["schema"] == SCHEMA == 1
    (card,) = record["models"]
    assert card.keys() == {
        "schema", "name", "source", "license", "training_data", "miniature", "architecture",
        "identity", "missing", "loaded_parameters", "weight_bytes", "measurement",
        "not_measured", "geometry", "no_geometry", "on_disk",
    }  # fmt: skip
    made = card["architecture"]
    assert made.keys() == {
        "adapter", "fusion", "embedding_dims", "tokenizer", "preprocessing", "towers",
        "other_parameters", "blocks", "links", "parameters",
    }  # fmt: skip
    tower = made["towers"][0]
    assert tower.keys() == {
        "name", "role", "kind", "parameters", "passes", "depth", "width", "heads", "patch",
        "input_size", "context", "vocabulary",
    }  # fmt: skip
    assert tower["passes"] == [
        {"input": "one image of 224 × 224 px", "flops": 8817623040, "n_tokens": 50}
    ]
    assert (tower["depth"], tower["context"]) == (12, None)


def test_what_cannot_be_inspected_is_an_error(tmp_path: Path) -> None:
    """Missing folders, unknown repositories, broken files and senseless settings are named."""
    with pytest.raises(WeightsMissingError, match="no such folder"):
        inspect_model(f"clip={tmp_path / 'nowhere'}", plan=STILL)
    with pytest.raises(WeightsMissingError, match="not found in the cache"):
        inspect_model("hf:someone/something", plan=STILL)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "clip"}')
    (broken / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(ModelError, match="a Git LFS pointer"):
        inspect_model(f"clip={broken}", plan=STILL)
    with pytest.raises(InputError, match="batch sizes and limit must be positive"):
        inspect_model("clip", plan=InspectionPlan(batch_sizes=(0,)))
