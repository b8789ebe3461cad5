"""What the terminal says about models: the list, missing weights, and whether one is genuine."""

import json
import os
import re
import resource
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from vesalius.capabilities import AnswerScores
from vesalius.catalog import MODELS, describe, load_model, parse_model
from vesalius.cli import app
from vesalius.models.request import Expected, ModelRequest, is_on_disk
from vesalius.models.verification import ANSWERS, Check, standard_image, verify
from vesalius.records import Image, ModelCard


def call(*arguments: str) -> tuple[int, str]:
    """Exit code and output of a command in this process."""
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    return done.exit_code, done.output


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights on this machine."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


RUN = """
import sys
from vesalius.cli import main
sys.argv = ["vesalius", *sys.argv[1:]]
try:
    main()
finally:
    heavy = {"torch", "transformers", "sklearn", "scipy", "huggingface_hub"} & set(sys.modules)
    sys.stderr.write(f"heavy: {sorted(heavy)}")
"""


@pytest.mark.parametrize("name", [*MODELS, "smolvlm[image_splitting=true]"])
def test_missing_weights_name_the_command_in_under_a_second(name: str, tmp_path: Path) -> None:
    """Of processor time, so that a busy machine cannot fail it; nothing heavy is imported."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", RUN, "run", "--model", name, "--data", "x", "--out", "run"],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60,
        env={**os.environ, "COVERAGE_PROCESS_START": ""},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 2
    plain = name.partition("[")[0]
    assert f"run `vesalius fetch {plain}` on a connected machine" in done.stderr
    assert f"models--{MODELS[plain].repo.replace('/', '--')}" in done.stderr
    assert done.stderr.endswith("heavy: []")
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1
    assert not (tmp_path / "run").exists()


def test_the_list_as_json_has_everything_a_program_needs() -> None:
    """Eight genuine models with capabilities, licence, pin, size and whether they are here."""
    code, output = call("models", "--json")
    assert code == 0
    rows = {row["name"]: row for row in json.loads(output)}
    assert [name for name in rows if ":" not in name] == list(MODELS)
    for name, entry in MODELS.items():
        row = rows[name]
        assert row["capabilities"] == list(entry.capabilities)
        assert (row["revision"], row["size_mb"]) == (entry.revision, entry.size_mb)
        assert row["parameters"] == entry.expected.parameters > 1e8
        assert row["on_disk"] is False
        assert "fit" in row["options"]
    assert rows["clipmd"]["license"].endswith("(research only)")
    assert rows["mini:clip"]["on_disk"] is True
    assert rows["mini:clip"]["parameters"] is None


def test_the_list_fits_a_terminal_of_80_columns() -> None:
    """No line is cut, and every letter of the table is explained."""
    done = subprocess.run(
        [sys.executable, "-m", "vesalius", "models"],
        capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip
    output = done.stdout
    assert max(len(line) for line in output.splitlines()) <= 80
    assert "…" not in output
    for name in MODELS:
        assert name in output
    assert "15.8 GB" in output
    legend = output[output.index("Can: ") :]
    assert all(re.search(rf"\b{letter}\b", legend) for letter in "ITWDPSAGM")


def test_being_on_disk_is_seen_without_hashing(tmp_path: Path) -> None:
    """Complete folders count, damaged ones do not."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "clip"}')
    request = parse_model(f"clip={folder}")
    assert not is_on_disk(request)
    (folder / "model.safetensors").write_bytes(b"x" * 100)
    assert is_on_disk(request)
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    assert not is_on_disk(request)


def test_verify_prints_every_model_and_fails_if_one_does() -> None:
    """A missing model does not hide the others, and brackets are shown as they are."""
    code, output = call("verify", "clip", "mini:clip[fit=pad]")
    assert code == 1
    assert "clip: openai/clip-vit-base-patch32: not found in the cache" in output
    assert "mini:clip[fit=pad]: loaded strictly" in output
    for words in ("model.safetensors", "parameters", "fingerprint", "logit scale", "cosine of"):
        assert words in output


def test_verify_fails_with_the_reason_when_a_model_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 1, what came and what was expected."""
    entry = replace(MODELS["clip"], capabilities=("generate",))
    monkeypatch.setattr(
        "vesalius.commands.verifying.parse_model",
        lambda name, **_: replace(parse_model(name), entry=entry),
    )
    code, output = call("verify", "mini:clip")
    assert code == 1
    assert "mini:clip: capabilities is encode_images" in output
    assert "but declared: generate" in output
    assert "loaded strictly" not in output


def published(**expected: object) -> ModelRequest:
    """The genuine CLIP with other expectations."""
    entry = replace(MODELS["clip"], expected=Expected(**expected), pickles=frozenset({"a" * 64}))  # type: ignore[arg-type]
    return ModelRequest("clip", entry, "hub", entry.repo)


def wrong(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if check.passed is False]


def test_published_weights_are_held_to_what_is_known() -> None:
    """Pins, parameters within a thousandth and the logit scale, each on its own."""
    model = load_model("mini:clip", device="cpu")
    weights = {"model.safetensors": "b" * 64, "pytorch_model.bin": "a" * 64}
    card = replace(model.card, weights=weights, revision=MODELS["clip"].revision, miniature=False)
    n, scale = model.n_parameters, model.logit_scale
    good = published(parameters=round(n * 1.0009), logit_scale=scale * 1.0009)
    assert wrong(verify(model, card, good)) == []
    cases = [
        (published(parameters=round(n * 1.002)), card, "parameters"),
        (published(logit_scale=scale * 1.01), card, "logit scale"),
        (published(safetensors={"model.safetensors": "c" * 64}), card, "model.safetensors"),
        (good, replace(card, weights={"pytorch_model.bin": "c" * 64}), "pytorch_model.bin"),
        (good, replace(card, revision="0" * 40), "revision"),
    ]
    for request, identity, name in cases:
        assert wrong(verify(model, identity, request)) == [name]
    as_folder = replace(published(parameters=1), kind="folder")
    assert wrong(verify(model, card, as_folder)) == []  # a fine-tuned model may be another


@dataclass
class Talker:
    """A generator without embeddings."""

    log_likelihood: float = -1.0

    def score_answers(self, image: Image, prompt: str, candidates: list[str], /) -> AnswerScores:
        """The same for all."""
        n = len(candidates)
        return AnswerScores(np.full(n, self.log_likelihood), np.ones(n, int))

    def generate(self, images: list[Image], prompts: list[str], /) -> list[str]:
        """Always yes."""
        return ["yes"] * len(images)


def test_generators_are_verified_by_their_answers() -> None:
    """No text embedding is asked of what has none; a NaN is wrong."""
    entry = replace(MODELS["git"], capabilities=("score_answers", "generate"))
    request = ModelRequest("git", entry, "folder", "x")
    checks = verify(Talker(), ModelCard("git", "git"), request)
    assert wrong(checks) == []
    values = {check.name: check.value for check in checks}
    assert values["answer to 'Is this a chest x-ray?'"] == "'yes'"
    assert [v for k, v in values.items() if "log-likelihood" in k] == ["-1.000000"] * len(ANSWERS)
    assert len(wrong(verify(Talker(float("nan")), ModelCard("git", "git"), request))) == 2


def test_research_only_is_part_of_what_identifies_a_model() -> None:
    """The genuine ClipMD; its miniature is free."""
    card = replace(describe(parse_model("mini:clipmd")), miniature=False)
    licences = [
        {c.name: c.value for c in verify(Talker(), identity, parse_model("clipmd"))}["licence"]
        for identity in (card, replace(card, miniature=True))
    ]
    assert ["FOR RESEARCH ONLY" in licence for licence in licences] == [True, False]


def test_the_test_image_is_the_same_everywhere() -> None:
    """Numbers of two machines can be compared only for equal pixels."""
    pixels = standard_image().pixels
    assert (pixels.shape, pixels.dtype) == ((240, 320), np.uint8)
    assert (int(pixels[100, 200]), int(pixels[0, 0]), int(pixels[239, 319])) == (230, 40, 160)
