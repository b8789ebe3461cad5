"""The Python interface: what the contract shows works as it is written there."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image as Pillow

import vesalius as vs
from vesalius.api import Settings, choose_tasks, model_sources, user_cache
from vesalius.errors import InputError, UsageError
from vesalius.ranking import paired_differences
from vesalius.records import TASKS, ModelCard

CARD = (
    "format: 1\nname: bars\nmodality: other\nclasses: {low: [low], high: [high]}\npositive: high\n"
)
QUICK = {"n_resamples": 20, "protocols": ("zero-shot", "embedding"), "device": "cpu"}


@pytest.fixture
def bars(tmp_path):
    """A dataset in which the class is the brightness."""
    folder = tmp_path / "bars"
    folder.mkdir()
    (folder / "dataset.yaml").write_text(CARD)
    lines = ["id,patient,split,image,label,caption"]
    for n in range(18):
        grey = 40 + 10 * n
        Pillow.fromarray(np.full((8, 8), grey, dtype=np.uint8)).save(folder / f"{n}.png")
        split = ("train", "val", "test")[n % 3]
        label = "high" if n > 8 else "low"
        lines.append(f"s{n},p{n},{split},{n}.png,{label},{label} number {n}")
    (folder / "samples.csv").write_text("\n".join(lines) + "\n")
    return folder


class Mine:
    """A user's own model, without card, base class or registration."""

    logit_scale = 5.0
    calls = 0

    def encode_images(self, images):
        """Brightness as an angle."""
        Mine.calls += 1
        return self._circle([image.pixels.mean() / 255 for image in images])

    def encode_texts(self, texts):
        """High is bright."""
        return self._circle([0.9 if "high" in text else 0.1 for text in texts])

    def _circle(self, turns):
        angles = np.array(turns) * np.pi / 2
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_a_model_of_ones_own_needs_no_registration(bars, tmp_path):
    """Any object with the methods is evaluated; a perfect one gets a perfect AUROC."""
    result = vs.evaluate(
        models=[Mine()],
        datasets=[bars],
        tasks=["classification", "retrieval"],
        out=tmp_path / "run",
        seed=0,
        settings=Settings(**QUICK, cache=tmp_path / "cache"),
    )
    (auroc,) = [
        row.estimate.value
        for row in result.metrics
        if row.cell.model == "Mine" and row.estimate.metric == "auroc"
    ]
    assert auroc == 1.0
    assert "Mine" in result._repr_markdown_()
    assert result.report().is_file()


def test_the_report_compares_the_models_of_a_run(bars, tmp_path):
    """Two equal models share rank and letter; the page has their paired difference."""
    result = vs.evaluate(
        models=[Mine(), Mine()],
        datasets=[bars],
        tasks="classification",
        out=tmp_path / "run",
        settings=Settings(**{**QUICK, "protocols": ("zero-shot",)}, cache=tmp_path / "cache"),
    )
    (one,) = paired_differences([result.path])
    assert {one.first.model, one.second.model} == {"Mine", "Mine-2"}
    assert one.difference.estimate.value == 0.0
    assert one.difference.estimate.n_resamples == 20
    page = result.report().read_text()
    assert "cannot be told apart" in page
    assert page.count("1=") >= 2
    twice = paired_differences([result.path, result.path])
    assert {(o.first.model, o.second.model) for o in twice} >= {("Mine (run 1)", "Mine-2 (run 1)")}
    for predictions in result.path.glob("predictions/**/*.parquet"):
        predictions.unlink()
    assert paired_differences([result.path]) == ()
    assert "No paired comparison was made" in result.report().read_text()


def test_an_object_without_a_card_is_never_taken_for_an_earlier_one(bars, tmp_path):
    """Its cells are computed anew, because nobody can tell whether its weights changed."""
    before = Mine.calls
    for _ in range(2):
        vs.evaluate(
            models=[Mine()],
            datasets=[vs.load_dataset(bars)],
            tasks="classification",
            out=tmp_path / "run",
            settings=Settings(**{**QUICK, "protocols": ("zero-shot",)}, cache=tmp_path / "cache"),
        )
    assert Mine.calls >= before + 2


def test_a_card_without_weights_is_no_identity(bars, tmp_path):
    """Two objects whose cards name no weights never share features, whatever their names."""
    cards = [ModelCard(name=name, adapter="mine") for name in ("v1", "v2")]
    sources = model_sources([_carded(card) for card in cards], Settings())
    assert len({source.card.fingerprint for source in sources}) == 2
    assert all(source.is_ephemeral for source in sources)
    assert [s.card.name for s in model_sources([Mine(), Mine()], Settings())] == ["Mine", "Mine-2"]


def _carded(card):
    model = Mine()
    model.card = card
    return model


def test_images_can_be_read_and_encoded_by_hand(bars):
    """Load, read, encode: unit rows of float32."""
    model = vs.load_model("mini:clip", device="cpu")
    vectors = model.encode_images([vs.read_image(bars / "0.png")])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_bootstrap_of_any_function_of_rows():
    """The example of the contract: a lambda over row indices, with patients as groups."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80).astype(bool)
    score = y + rng.normal(size=80)
    patients = [f"p{n // 2}" for n in range(80)]
    estimate = vs.bootstrap(
        lambda rows: vs.metrics.auroc(y[rows], score[rows]), groups=patients, seed=0
    )
    assert estimate.low < estimate.value < estimate.high
    assert (estimate.n, estimate.n_patients) == (80, 40)


def test_every_public_name_resolves_and_others_do_not():
    """The lazy root keeps its promises, and a wrong name is an AttributeError."""
    for name in vs.__all__:
        assert getattr(vs, name) is not None
    assert set(vs.__all__) <= set(dir(vs))
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        _ = vs.evalute


def test_importing_the_package_is_light():
    """No torch, no numpy, nothing heavy before a name is used."""
    code = (
        "import sys, vesalius\nheavy = {'torch', 'transformers', 'numpy', 'sklearn', 'pyarrow'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_tasks_by_name_and_protocol():
    """All of a task's protocols by default; a protocol that no chosen task has is refused."""
    assert {task.card.task for task in choose_tasks("all")} == set(TASKS)
    every = [task.card.protocol for task in choose_tasks("retrieval")]
    assert every == ["embedding", "image-embedding", "likelihood"]
    (asked,) = choose_tasks(["retrieval", "retrieval"], ("image-embedding",))
    assert asked.card.protocol == "image-embedding"
    with pytest.raises(UsageError, match="unknown protocol 'knn'"):
        choose_tasks("retrieval", ("knn",))


def test_settings_of_a_protocol_stand_in_brackets():
    """They change the task card; what they can be is checked before anything runs."""
    (asked,) = choose_tasks("generation", ("inversion[judge=mini:clip,side=32]",))
    assert (asked.card.settings["judge"], asked.card.settings["side"]) == ("mini:clip", 32)
    assert len(choose_tasks("all", ("zero-shot", "zero-shot"))) == 2  # of two tasks
    with pytest.raises(InputError, match=r"unknown setting 'sied' \(did you mean 'side'\?\)"):
        choose_tasks("generation", ("inversion[sied=32]",))
    with pytest.raises(InputError, match="setting 'side': expected int, got 'large'"):
        choose_tasks("generation", ("inversion[side=large]",))
    with pytest.raises(UsageError, match="'inversion' is asked for twice"):
        choose_tasks("generation", ("inversion", "inversion[side=32]"))


def test_cache_place_can_be_chosen(monkeypatch, tmp_path):
    """The standard variable moves the cache; without it, it is below the home folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path / "vesalius" / "features"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert user_cache() == tmp_path / "home" / ".cache" / "vesalius" / "features"
