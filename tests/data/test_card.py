"""dataset.yaml: every planted mistake is located and explained."""

from pathlib import Path

import pytest
from datasetfolders import CARD

from vesalius.data.card import read_card
from vesalius.data.intensities import WINDOWS
from vesalius.errors import DataError
from vesalius.records import Window


def _card(tmp_path: Path, text: str):
    (tmp_path / "dataset.yaml").write_text(text)
    return read_card(tmp_path)


def test_smallest_card_and_defaults(tmp_path: Path) -> None:
    """Format and name are enough."""
    card = _card(tmp_path, "format: 1\nname: x\n")
    assert (card.name, card.modality, card.classes, card.templates) == ("x", "other", {}, ("{}",))
    assert card.window_hu is None


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("lung", WINDOWS["lung"]),
        ("soft-tissue", Window(40, 400)),
        ("bone", Window(400, 1800)),
        ("brain", Window(40, 80)),
        ("{center: -5, width: 7.5}", Window(-5, 7.5)),
    ],
)
def test_windows(tmp_path: Path, text: str, window: Window) -> None:
    """A window is a preset or two numbers."""
    assert _card(tmp_path, f"format: 1\nname: x\nwindow_hu: {text}\n").window_hu == window


MISTAKES = [
    ("format: 1", "format: 2", "line 1: format"),
    ("format: 1\n", "", "format is required"),
    ("name: little\n", "", "name is required"),
    ("name: little", "name: 12", "line 2: name.*quotes"),
    ("modality: xray", "modality: x-ray", "line 3: .*did you mean 'xray'"),
    ("modality: xray", "modalty: xray", "line 3: unknown field 'modalty' .did you mean 'modality'"),
    ("  normal:", "  no:", "line 5: .*quotes"),
    ('normal: ["no finding"]', "normal: no finding", "line 5: classes.normal"),
    ('normal: ["no finding"]', "normal: []", "line 5: classes.normal"),
    ('normal: ["no finding"]', 'normal: ["ok", 3]', "line 5: classes.normal.1.*quotes"),
    ('normal: ["no finding"]', 'a|b: ["no finding"]', "line 5: classes"),
    ('  normal: ["no finding"]\n', "", "line 4: classes: expected at least two"),
    ("positive: pneumonia", "positive: pneumona", "line 7: .*did you mean 'pneumonia'"),
    ("showing {}", "showing", "line 8: templates: .*{}"),
    ("lung: 1", "lung: 2", "line 9: structures: two structures"),
    ("lung: 1", "lung: 0", "line 9: structures.lung"),
    ("lung: 1", "lung: one", "line 9: structures.lung"),
    ("age: numeric", "age: number", "line 10: tabular.age"),
    ("subgroups: [sex]", "subgroups: sex", "line 11: subgroups"),
    ("subgroups: [sex]", "window_hu: lungs", "line 11: window_hu.*did you mean 'lung'"),
    ("subgroups: [sex]", "window_hu: {center: 1}", "line 11: window_hu.width is required"),
    ("subgroups: [sex]", "window_hu: {center: 1, width: 0}", "line 11: window_hu"),
    ("subgroups: [sex]", "multilabel: yes please", "line 11: multilabel"),
    ("subgroups: [sex]", "structure_prompts: {lungs: [a]}", "line 11: .*did you mean 'lung'"),
    ("subgroups: [sex]", "name: again", "line 11: key 'name' stands twice"),
    ("subgroups: [sex]", "citation: [", "not YAML"),
    ("subgroups: [sex]", "citation: !!python/object/apply:os.system [ls]", "not YAML"),
]


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES)
def test_planted_mistakes(tmp_path: Path, old: str, new: str, message: str) -> None:
    """The message has the line, the field and a hint."""
    assert old in CARD
    with pytest.raises(DataError, match=message) as caught:
        _card(tmp_path, CARD.replace(old, new, 1))
    assert (caught.value.reason, caught.value.where) == ("bad_card", "dataset.yaml")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Two wrong fields are two complaints, not two attempts."""
    text = CARD.replace("format: 1", "format: 3").replace("positive", "positiv")
    with pytest.raises(DataError, match=r"line 1: format.*line 7: unknown field 'positiv'"):
        _card(tmp_path, text)


@pytest.mark.parametrize("text", ["", "- a\n", "hello", "[" * 1000, "? {a: 1}\n: b\n"])
def test_what_is_no_card(tmp_path: Path, text: str) -> None:
    """Empty, list, scalar, deeply nested and strangely keyed files are refused, not crashed on."""
    with pytest.raises(DataError):
        _card(tmp_path, text)


def test_aliases_cannot_blow_up_the_message(tmp_path: Path) -> None:
    """Nine lines of YAML that stand for a billion words are refused in a few hundred letters."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    with pytest.raises(DataError) as caught:
        _card(tmp_path, "format: 1\nname: *a8\n".replace("name", "\n".join(lines) + "\nname"))
    assert len(str(caught.value)) < 3000
