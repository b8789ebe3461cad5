"""Inputs and goals of a fusion study: columns, priors, words, patches, questions, pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from small_world import Brightness, squares

from vesalius.data.manifest import Dataset
from vesalius.engine.fusing import prepare_cohort
from vesalius.engine.fusion_slots import Encoders
from vesalius.engine.sources import ModelSource
from vesalius.errors import UsageError
from vesalius.fusion.goals import AnswerClasses, Classes, Partners, Pictures
from vesalius.imaging import display_pixels
from vesalius.records import Question


class Everything(Brightness):
    """Also patches (quarters of the picture), words (their lengths), and priors (differences)."""

    dense_text_aligned = False

    def encode_dense(self, images):
        """Mean grey of each quarter, twice."""
        found = []
        for image in images:
            grey = display_pixels(image).astype(np.float64)
            quarters = grey.reshape(2, 12, 2, 12).mean(axis=(1, 3)) / 255
            found.append(np.stack([quarters, 2 * quarters], axis=2))
        return np.stack(found).astype(np.float32)

    def encode_words(self, texts):
        """One number a word: how many letters it has."""
        return [np.array([[len(w)] for w in text.split()], np.float32) for text in texts]

    def encode_with_prior(self, images, priors):
        """An angle that grows with the difference of mean greys."""
        means = [
            display_pixels(i).mean() - (0 if p is None else display_pixels(p).mean())
            for i, p in zip(images, priors, strict=True)
        ]
        angle = np.array(means) / 255
        self.n_encoded += len(images)
        return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


@pytest.fixture
def encoders() -> tuple[Everything, Encoders]:
    model = Everything("everything")
    return model, Encoders(lambda name: ModelSource(model.card, lambda: model))


def world(folder: Path) -> Dataset:
    """Squares with an earlier study, another image and a second text for some of them."""
    data = squares(folder, n_patients=30)
    (folder / "other").mkdir()
    samples = []
    for i, sample in enumerate(data.samples):
        level = 40 + 5 * i
        Pillow.fromarray(np.full((24, 24), level, np.uint8)).save(folder / f"other/{sample.id}.png")
        extra = dict(sample.extra) | {
            "scan": f"other/{sample.id}.png" if i % 3 else None,
            "history": f"number {i}" if i % 4 else None,
            "outcome": ("no", "yes")[i % 2] if i % 5 else None,
            "dose": float(i),
        }
        prior = folder / f"other/{sample.id}.png" if i % 2 else None
        samples.append(replace(sample, extra=extra, prior_image=prior))
    questions = tuple(
        Question(s.id, "Is it bright?", answer, "closed", (answer,), ("yes", "no"))
        for s in samples
        if (answer := "yes" if s.labels == ("bright",) else "no")
    )
    where = ("here", "there", "nowhere to be found")
    opened = tuple(
        Question(s.id, "Where is it?", where[2 if s.split == "test" and i % 4 == 0 else i % 2],
                 "open")
        for i, s in enumerate(samples)
    )  # fmt: skip
    return replace(
        data, root=folder.resolve(), samples=tuple(samples), questions=questions + opened
    )


def angle_of(level: float) -> list[float]:
    return [np.cos(level / 255 * np.pi / 2), np.sin(level / 255 * np.pi / 2)]


def test_other_columns_name_images_and_texts(tmp_path: Path, encoders) -> None:
    """Files of a column, its words, and what is empty there is missing."""
    data = world(tmp_path / "data")
    names = ["m:image[column=scan]", "m:text[column=history]", "m:prior"]
    cohort = prepare_cohort(data, names, encoders[1]).cohort
    ordered = sorted(data.samples, key=lambda s: s.id)
    scan, history, prior = cohort.slots
    assert scan.present.tolist() == [s.extra["scan"] is not None for s in ordered]
    assert history.present.tolist() == [s.extra["history"] is not None for s in ordered]
    assert prior.present.tolist() == [s.prior_image is not None for s in ordered]
    place = next(i for i, s in enumerate(ordered) if s.extra["scan"] and s.prior_image)
    level = 40 + 5 * data.samples.index(ordered[place])
    np.testing.assert_allclose(scan.values[place], angle_of(level), atol=1e-5)
    np.testing.assert_allclose(prior.values[place], angle_of(level), atol=1e-5)
    assert {slot.space for slot in cohort.slots} == {"m"}


def test_an_image_beside_its_prior_is_encoded_once(tmp_path: Path, encoders) -> None:
    """Also without a prior; the second study takes rows from the cache, a new prior does not."""
    model, _ = encoders
    data = world(tmp_path / "data")
    made = Encoders(lambda name: ModelSource(model.card, lambda: model), tmp_path / "cache")
    names = ["m:with-prior", "m:text"]
    first = prepare_cohort(data, names, made).cohort.slots[0]
    ordered = sorted(data.samples, key=lambda s: s.id)
    for i in (0, 1):
        read = [np.asarray(Pillow.open(p)).mean() for p in (ordered[i].image,)]
        if ordered[i].prior_image is not None:
            read.append(np.asarray(Pillow.open(ordered[i].prior_image)).mean())
        difference = (read[0] - sum(read[1:])) / 255
        expected = [np.cos(difference), np.sin(difference)]
        np.testing.assert_allclose(first.values[i], expected, atol=1e-5)
    before = model.n_encoded
    again = prepare_cohort(data, names, made).cohort.slots[0]
    np.testing.assert_array_equal(first.values, again.values)
    assert model.n_encoded == before
    changed = next(s for s in ordered if s.prior_image is not None)
    Pillow.fromarray(np.full((24, 24), 3, np.uint8)).save(changed.prior_image)
    prepare_cohort(replace(data, _digests={}), names, made)
    assert model.n_encoded == before + 1


def test_patches_and_words_are_tokens(tmp_path: Path, encoders) -> None:
    """Each patch and each word by hand; shorter texts are padded with what is missing."""
    data = world(tmp_path / "data")
    cohort = prepare_cohort(data, ["m:patches", "m:words"], encoders[1]).cohort
    patches, words = cohort.slots
    ordered = sorted(data.samples, key=lambda s: s.id)
    grey = np.asarray(Pillow.open(ordered[4].image)).astype(np.float64)
    quarters = grey.reshape(2, 12, 2, 12).mean(axis=(1, 3)).ravel() / 255
    np.testing.assert_allclose(patches.values[4, :, 0], quarters, atol=1e-6)
    lengths = [len(word) for word in (ordered[4].caption or "").split()]
    np.testing.assert_array_equal(words.values[4, : len(lengths), 0], lengths)
    assert np.isnan(words.values[4, len(lengths) :]).all()
    assert (patches.space, words.space) == ("", "")


def test_words_of_a_column_are_classes(tmp_path: Path, encoders) -> None:
    """In alphabetical order; rows without one take no part, numbers are no classes."""
    data = world(tmp_path / "data")
    names = ["m:image", "m:text"]
    prepared = prepare_cohort(data, names, encoders[1], target="outcome")
    goal = prepared.cohort.goal
    assert isinstance(goal, Classes)
    assert goal.names == ("no", "yes")
    by_id = {s.id: s.extra["outcome"] for s in data.samples if s.extra["outcome"]}
    assert [goal.names[i] for i in goal.labels] == [by_id[key] for key in prepared.keys]
    assert len(prepared.keys) == len(by_id) < len(data.samples)
    with pytest.raises(UsageError, match="target 'dose': expected a column of at most 50"):
        prepare_cohort(data, names, encoders[1], target="dose")


def test_questions_are_rows_of_their_own(tmp_path: Path, encoders) -> None:
    """Closed ones have their choices; open ones the answers of train, others count as unknown."""
    data = world(tmp_path / "data")
    names = ["m:image", "m:question"]
    closed = prepare_cohort(data, names, encoders[1], task="vqa")
    goal = closed.cohort.goal
    assert isinstance(goal, AnswerClasses)
    assert set(goal.names) == {"yes", "no"}
    assert goal.allowed.all()
    assert goal.n_rows == len(data.samples)
    bright = {s.id: s.labels == ("bright",) for s in data.samples}
    answered = [goal.names[i] == "yes" for i in goal.labels]
    assert answered == [bright[key.rpartition("/")[2]] for key in closed.keys]
    opened = prepare_cohort(data, names, encoders[1], task="vqa", target="open").cohort
    assert set(opened.goal.names) == {"here", "there"}
    unknown = opened.goal.labels < 0
    assert unknown.any()
    assert set(opened.split[unknown]) == {"test"}
    with pytest.raises(UsageError, match="target 'half': expected closed or open"):
        prepare_cohort(data, names, encoders[1], task="vqa", target="half")
    with pytest.raises(UsageError, match="m:question: no row of squares has a question; ask"):
        prepare_cohort(data, names, encoders[1])


def test_a_slot_can_be_what_is_found(tmp_path: Path, encoders) -> None:
    """Rows without it take no part; equal partners are the same; it is no input as well."""
    data = world(tmp_path / "data")
    names = ["m:image", "m:text[column=history]"]
    prepared = prepare_cohort(data, names, encoders[1], task="retrieval", target="m:text")
    goal = prepared.cohort.goal
    assert isinstance(goal, Partners)
    word = {s.id: s.labels[0] for s in data.samples}
    found = [word[key] for key in prepared.keys]
    same = goal.same.tolist()
    assert all((a == b) == (x == y) for a, x in zip(found, same, strict=True)
               for b, y in zip(found[:3], same[:3], strict=True))  # fmt: skip
    prior = prepare_cohort(data, names, encoders[1], task="retrieval", target="m:prior")
    assert len(prior.keys) == sum(s.prior_image is not None for s in data.samples)
    for target, message in (
        (None, "retrieval needs --target"),
        ("m:image", "is among the features"),
        ("m:words", "expected MODEL:image"),
    ):
        with pytest.raises(UsageError, match=message):
            prepare_cohort(data, names, encoders[1], task="retrieval", target=target)


def test_pictures_can_be_what_is_drawn(tmp_path: Path, encoders) -> None:
    """Small and grey; a file that cannot be read takes no part and is named."""
    data = world(tmp_path / "data")
    (tmp_path / "data" / "images" / "s0030.png").write_bytes(b"broken")
    names = ["m:text", "m:prior"]
    prepared = prepare_cohort(data, names, encoders[1], task="generation")
    goal = prepared.cohort.goal
    assert isinstance(goal, Pictures)
    assert "s0030" not in prepared.keys
    assert prepared.problems["pictures"] == {"s0030": "unknown_format"}
    assert goal.pictures.shape[1:] == (64, 64)
    first = next(s for s in data.samples if s.id == prepared.keys[0])
    mean = np.asarray(Pillow.open(first.image)).mean()
    assert goal.pictures[0].mean() == pytest.approx(mean, abs=1)
    with pytest.raises(UsageError, match="has no target"):
        prepare_cohort(data, names, encoders[1], task="generation", target="x")


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ("m:image[column=scam]", r"no column 'scam' \(did you mean 'scan'\?\)"),
        ("m:text[column=histories]", r"no column 'histories' \(did you mean 'history'\?\)"),
        ("m:text[column=dose]", "column 'dose' holds numbers; use it under tabular"),
        ("m:image[column=dose]", "no row of squares has such an image: .'bad_value'"),
        ("m:volume[window=lungs]", r"window 'lungs' \(did you mean 'lung'\?\)"),
        ("tabular", "names no columns under `tabular`"),
    ],
)
def test_inputs_that_are_not_there_are_named(
    feature: str, message: str, tmp_path: Path, encoders
) -> None:
    """With what there is."""
    data = world(tmp_path / "data")
    with pytest.raises(UsageError, match=message):
        prepare_cohort(data, [feature, "m:image"], encoders[1])


def test_a_task_that_fusion_has_not_is_refused(tmp_path: Path, encoders) -> None:
    """With those that it has."""
    with pytest.raises(UsageError, match=r"unknown task 'grounding'.*classification, vqa"):
        prepare_cohort(world(tmp_path / "data"), ["m:image"], encoders[1], task="grounding")
