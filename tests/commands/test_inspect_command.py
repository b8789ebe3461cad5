"""`vesalius inspect` as a user meets it."""

import json
import sys

import pytest
from typer.testing import CliRunner

from vesalius.catalog import MODELS
from vesalius.cli import app, main


@pytest.fixture(autouse=True)
def private_places(tmp_path, monkeypatch):
    """No weights and no features of the user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


def call(*arguments):
    """Run the command in this process at 80 columns."""
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)], env={"COLUMNS": "80"})


def test_all_eight_without_weights_as_json():
    """The whole catalog can be analysed before anything was downloaded; only JSON is printed."""
    done = call("all", "--json")
    assert done.exit_code == 0, done.output
    cards = json.loads(done.stdout)["models"]
    assert [card["name"] for card in cards] == list(MODELS)
    assert not any(card["on_disk"] or card["miniature"] for card in cards)
    assert all(card["architecture"]["parameters"] > 1e8 for card in cards)


def test_a_miniature_is_measured_and_drawn(tmp_path):
    """Table, timings and page."""
    page = tmp_path / "cards.html"
    done = call("mini:clip", "--device", "cpu", "--batch-sizes", "1", "--out", page)
    assert done.exit_code == 0, done.output
    assert "miniature, not the genuine model" in done.stdout
    assert "encode_images" in done.stdout
    assert '<svg class="diagram"' in page.read_text()


def test_a_wrong_batch_size_is_refused(capsys, monkeypatch):
    """One line that says what was expected."""
    monkeypatch.setattr(sys, "argv", ["vesalius", "inspect", "clip", "--batch-sizes", "1,x"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "--batch-sizes: expected numbers such as 1,2,4,8, got '1,x'" in capsys.readouterr().err
