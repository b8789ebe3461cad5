"""Controls of what lies in places: patches, maps and free text."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from task_fakes import cohort, view_of

from vesalius.errors import InputError
from vesalius.placement import Patches, Placement
from vesalius.records import Geometry, ModelCard
from vesalius.tasks.controls import MODEL_FREE, control_view, donors, gibberish
from vesalius.tasks.grey import instead
from vesalius.views import ModelView

FRAME = Geometry(0.0, 0.0, 4.0, 4.0)


@dataclass(frozen=True)
class Seer:
    """Sees the mean grey of a picture, in every one of four patches."""

    card: ModelCard = field(default_factory=lambda: ModelCard("seer", "fake"))
    dense_text_aligned: bool = False

    def encode_dense(self, images, /) -> np.ndarray:
        """The mean, four times."""
        return np.stack([np.full((2, 2, 1), i.pixels.mean(), np.float32) for i in images])

    def attribute(self, image, text: str, /) -> np.ndarray:
        """The mean times the length of the text."""
        return np.full((2, 2), image.pixels.mean() * len(text), np.float32)

    def generate(self, images, prompts, /) -> list[str]:
        """The mean and the question."""
        return [f"{i.pixels.mean():g} {p}" for i, p in zip(images, prompts, strict=True)]


def _seeing(n_grids: int = 1) -> tuple[ModelView, object]:
    data, rows = cohort()
    place = {s.id: float(i) for i, s in enumerate(data.samples)}

    def patches(value: float, *tail: int) -> Patches:
        positions = tuple(range(n_grids)) if n_grids > 1 else ()
        size = (4, 4, n_grids) if n_grids > 1 else (4, 4)
        placement = Placement(size, (FRAME,) * n_grids, positions)
        return Patches(np.full((n_grids, 2, 2, *tail), value, np.float32), placement)

    view = replace(
        view_of(rows, Seer()),
        dense=lambda s: patches(place[s.id], 1),
        attribution=lambda s, text: patches(place[s.id] * len(text)),
        answer=lambda s, prompt: f"{place[s.id]:g} {prompt}",
    )
    return view, data


def test_a_blank_image_gives_the_patches_of_grey_in_the_place_of_the_sample() -> None:
    """The placement stays, so that the map lies over the sample; the values are those of 127."""
    view, data = _seeing()
    blank = control_view("blank-image", view, data)
    sample = data.samples[3]
    found = blank.dense(sample)
    assert found.placement == view.dense(sample).placement
    np.testing.assert_array_equal(found.values, np.full((1, 2, 2, 1), 127.0))
    np.testing.assert_array_equal(blank.attribution(sample, "ab").values, np.full((1, 2, 2), 254.0))
    assert blank.answer(sample, "why?") == "127 why?"


def test_blank_slices_fill_a_volume() -> None:
    """One grey picture stands for every slice."""
    view, data = _seeing(n_grids=5)
    found = control_view("blank-image", view, data).dense(data.samples[0])
    assert found.values.shape == (5, 2, 2, 1)
    assert (found.values == 127).all()


def test_shuffled_images_bring_the_patches_of_the_donor() -> None:
    """Values of another sample in one's own place."""
    view, data = _seeing()
    shuffled = control_view("shuffled-images", view, data)
    donor = donors(data)
    for sample in data.samples[:4]:
        assert shuffled.answer(sample, "q") == view.answer(donor[sample.id], "q")
        np.testing.assert_array_equal(
            shuffled.dense(sample).values, view.dense(donor[sample.id]).values
        )
        assert shuffled.attribution(sample, "x").values[0, 0, 0] == float(
            view.answer(donor[sample.id], "").strip()
        )


def test_a_donor_with_other_slices_is_taken_by_relative_height() -> None:
    """Four places, two grids: each of the two fills its half. Two places, four grids: 2 and 4."""
    four = Placement((4, 4, 4), (FRAME,) * 4, (0, 1, 2, 3))
    two = Placement((4, 4, 2), (FRAME,) * 2, (0, 1))
    values = np.arange(4, dtype=np.float32)[:, None, None]
    assert instead(four, values[:2]).values.ravel().tolist() == [0, 0, 1, 1]
    assert instead(two, values).values.ravel().tolist() == [1, 3]


def test_an_unreadable_sample_or_donor_has_no_patches() -> None:
    """None goes through every control."""
    view, data = _seeing()
    lost = data.samples[0]
    partial = replace(
        view,
        dense=lambda s: None if s.id == lost.id else view.dense(s),
        attribution=lambda s, text: None if s.id == lost.id else view.attribution(s, text),
    )
    (taker,) = [s for s in data.samples if donors(data)[s.id].id == lost.id]
    for name, sample in (
        ("blank-image", lost),
        ("shuffled-images", lost),
        ("shuffled-images", taker),
    ):
        controlled = control_view(name, partial, data)
        assert controlled.dense(sample) is None
        assert controlled.attribution(sample, "x") is None


def test_gibberish_changes_the_text_of_maps_and_questions() -> None:
    """The image stays, the words go."""
    view, data = _seeing()
    nonsense = gibberish("lung nodule", seed=data.seed)
    controlled = control_view("gibberish-prompt", view, data)
    sample = data.samples[2]
    assert controlled.answer(sample, "lung nodule") == view.answer(sample, nonsense)
    np.testing.assert_array_equal(
        controlled.attribution(sample, "lung nodule").values,
        view.attribution(sample, nonsense).values,
    )


@pytest.mark.parametrize("name", [*MODEL_FREE, "blank-image", "shuffled-images"])
def test_controls_keep_no_files(name: str) -> None:
    """The run folder holds masks of models only, while reference masks stay readable."""
    view, data = _seeing()
    store = replace(view.store, keep=lambda *_: "kept", mask=lambda _: np.ones((4, 4), np.uint8))
    controlled = control_view(name, replace(view, store=store), data)
    assert controlled.store.keep("mask", np.ones((2, 2), bool), data.samples[0]) == ""
    assert controlled.store.mask(data.samples[0]).all()


def test_a_blank_answer_needs_a_writer() -> None:
    """A dual encoder has no text to blank."""
    data, rows = cohort()
    with pytest.raises(InputError, match="writes no text"):
        control_view("blank-image", view_of(rows), data).answer(data.samples[0], "why?")
