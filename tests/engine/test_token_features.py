"""Words and patches: computed once, kept, bounded, and the same whatever the batch."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from PIL import Image as Pillow
from small_world import Brightness, squares

from vesalius.engine import token_features
from vesalius.engine.features import FeatureReader
from vesalius.engine.progress import no_progress
from vesalius.engine.sources import LazyModel, SlicePolicy, hash_dataset
from vesalius.engine.token_features import PATCHES_A_SIDE, block_means, patch_tokens, word_rows
from vesalius.errors import ModelError
from vesalius.imaging import display_pixels
from vesalius.records import Image, ModelCard
from vesalius.store.features import FeatureStore

TEXTS = ["a bright picture", "dark", "", "a picture that is neither bright nor dark"]


@dataclass
class Tokens:
    """Words are their letters; patches are the grey of twelve by twelve cells."""

    fit: str = "crop"
    n_cells: int = 12
    card: ModelCard = field(default_factory=lambda: ModelCard("tokens", "fake", weights={"a": "1"}))
    calls: list[int] = field(default_factory=list)
    dense_text_aligned: bool = False

    def encode_words(self, texts, /):
        """Number of letters of each word and its place."""
        self.calls.append(len(texts))
        return [
            np.array([[len(w), i] for i, w in enumerate(text.split() or [""])], np.float32)
            for text in texts
        ]

    def with_fit(self, fit, /):
        """The same, seeing all."""
        return replace(self, fit=fit)

    def encode_dense(self, images, /):
        """Mean grey of each cell, and a constant."""
        assert self.fit == "pad"
        self.calls.append(len(images))
        grey = np.stack([display_pixels(i).astype(np.float64) for i in images])
        n, rows, columns = grey.shape
        k = self.n_cells
        means = grey.reshape(n, k, rows // k, k, columns // k).mean(axis=(2, 4))
        return np.stack([means, np.ones_like(means)], axis=-1).astype(np.float32)


@pytest.fixture
def dataset(tmp_path):
    """Twelve pictures of 24 × 24 pixels."""
    return squares(tmp_path / "data", n_patients=10)


def reader_of(model, dataset, cache=None, **options) -> FeatureReader:
    source = hash_dataset(dataset, dataset.samples, progress=no_progress)
    lazy = LazyModel(lambda: model)
    return FeatureReader(lazy, model.card, source, FeatureStore(cache), **options)


def tokens_by_hand(sample) -> np.ndarray:
    """Twelve cells a side make blocks of two by two: 36 means of four pixels square."""
    grey = np.asarray(Pillow.open(sample.image), np.float64)
    means = grey.reshape(6, 4, 6, 4).mean(axis=(1, 3)).ravel()
    return np.stack([means, np.ones(36)], axis=1)


def test_patches_are_block_means_of_the_whole_picture_and_asked_once(dataset, tmp_path) -> None:
    """Values by hand; another reader on the same cache does not even load the model."""
    model = Tokens()
    found = reader_of(model, dataset, tmp_path / "cache").patch_features(dataset.samples)
    assert (found.dtype, found.shape) == (np.float32, (len(dataset.samples), 36, 2))
    expected = np.stack([tokens_by_hand(sample) for sample in dataset.samples])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert sum(model.calls) == len(dataset.samples)
    unloaded = Tokens()
    again = reader_of(unloaded, dataset, tmp_path / "cache")
    np.testing.assert_array_equal(again.patch_features(dataset.samples[::-1]), found[::-1])
    assert again.lazy.loaded is None
    assert again.patch_features([]).shape == (0, 0, 0)


def test_words_are_kept_and_do_not_depend_on_the_batch(dataset, tmp_path) -> None:
    """Batches of two and of four give the direct values; a second call asks nothing."""
    model = Tokens()
    direct = Tokens().encode_words(TEXTS)
    whole = reader_of(model, dataset).word_features(TEXTS)
    small = reader_of(model, dataset, tmp_path / "cache", batch_size=2)
    for words, twos, expected in zip(whole, small.word_features(TEXTS), direct, strict=True):
        np.testing.assert_array_equal(words, expected)
        np.testing.assert_array_equal(twos, expected)
    assert model.calls == [4, 2, 2]
    again = reader_of(model, dataset, tmp_path / "cache").word_features([TEXTS[3], "new", TEXTS[3]])
    np.testing.assert_array_equal(again[0], direct[3])
    np.testing.assert_array_equal(again[2], direct[3])
    assert again[1].tolist() == [[3, 0]]
    assert model.calls == [4, 2, 2, 1]


def test_an_unreadable_image_is_nan_with_a_reason(dataset) -> None:
    """Before hashing or after it, one bad file costs one row, and its shape is known."""
    gone, spoilt = dataset.samples[1], dataset.samples[2]
    gone.image.unlink()
    reader = reader_of(Tokens(), dataset)
    spoilt.image.write_bytes(b"no picture")
    found = reader.patch_features(dataset.samples)
    missing = np.isnan(found).all(axis=(1, 2))
    assert np.flatnonzero(missing).tolist() == [1, 2]
    assert np.isfinite(found[~missing]).all()
    assert set(reader.problems) == {gone.id, spoilt.id}
    alone = reader_of(Tokens(), dataset).patch_features([gone])
    assert (alone.shape, np.isnan(alone).all()) == ((1, 36, 2), True)


def test_changed_bytes_are_another_feature(dataset, tmp_path) -> None:
    """What is kept belongs to content, not to a name."""
    sample = dataset.samples[0]
    before = reader_of(Tokens(), dataset, tmp_path / "cache").patch_features([sample])
    Pillow.fromarray(np.full((24, 24), 9, np.uint8)).save(sample.image)
    after = reader_of(Tokens(), dataset, tmp_path / "cache").patch_features([sample])
    assert abs(before[..., 0] - 9).max() > 1
    np.testing.assert_array_equal(after[..., 0], np.full((1, 36), 9.0))


@pytest.mark.parametrize("kind", ["words", "patches"])
def test_a_damaged_file_is_computed_again(kind, dataset, tmp_path) -> None:
    """A flipped bit costs time, not truth."""

    def ask(model: Tokens) -> list[np.ndarray]:
        reader = reader_of(model, dataset, tmp_path / "cache")
        if kind == "words":
            return reader.word_features(TEXTS)
        return list(reader.patch_features(dataset.samples))

    first = ask(Tokens())
    (path,) = (tmp_path / "cache").rglob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    model = Tokens()
    for one, other in zip(ask(model), first, strict=True):
        np.testing.assert_array_equal(one, other)
    assert sum(model.calls) == len(first)


def test_everything_that_changes_a_feature_changes_its_place(
    dataset, tmp_path, monkeypatch
) -> None:
    """Another model, slice policy or bound does not find what others have kept."""

    def n_computed(*, weights: str = "1", **options: object) -> int:
        model = Tokens(card=ModelCard("tokens", "fake", weights={"a": weights}))
        reader = reader_of(model, dataset, tmp_path / "cache", **options)
        reader.patch_features(dataset.samples[:3])
        return sum(model.calls)

    assert [n_computed(), n_computed()] == [3, 0]
    assert n_computed(weights="2") == 3
    assert n_computed(policy=SlicePolicy(n=3)) == 3
    monkeypatch.setattr("vesalius.engine.features.PATCHES_A_SIDE", 4)
    assert n_computed() == 3


def test_a_model_without_tokens_is_refused_by_name(dataset) -> None:
    """Neither words nor patches are made up."""
    reader = reader_of(Brightness(), dataset)
    with pytest.raises(ModelError, match="brightness gives no vectors of words"):
        reader.word_features(TEXTS)
    with pytest.raises(ModelError, match="brightness has no local embeddings"):
        reader.patch_features(dataset.samples)


def test_patches_of_a_volume_are_means_over_its_slices(dataset, monkeypatch) -> None:
    """Half of each slice is black, half 100, 110, … 170: tokens are 0 and 135, three at once."""
    voxels = np.zeros((24, 24, 8), np.uint8)
    voxels[12:] = 100 + 10 * np.arange(8)
    volume = Image(voxels, "xyz", "display", (0.0, 255.0), spacing_mm=(1.0, 1.0, 1.0))
    model = Tokens()
    reader = reader_of(model, dataset, policy=SlicePolicy(n=8))
    monkeypatch.setattr(token_features, "BATCH", 3)
    reader.read._kept[dataset.samples[0].image] = volume
    found = reader.patch_features(dataset.samples[:1])
    expected = np.tile([135.0] * 3 + [0.0] * 3, 6)  # a greater x lies further left
    np.testing.assert_allclose(found[0, :, 0], expected, atol=1e-4)
    assert model.calls == [3, 3, 2]


def test_grids_of_several_shapes_are_refused(dataset) -> None:
    """An array cannot hold them, and padding would invent patches."""

    class Uneven(Tokens):
        def encode_dense(self, images, /):
            self.n_cells = 3 if display_pixels(images[0]).mean() > 128 else 6
            return super().encode_dense(images)

    with pytest.raises(ModelError, match=r"one shape for all images, got \[\(9, 2\), \(36, 2\)\]"):
        reader_of(Uneven(), dataset, batch_size=1).patch_features(dataset.samples)


@pytest.mark.parametrize(
    ("n", "lengths"),
    [(1, [1]), (7, [1] * 7), (8, [1] * 8), (9, [2, 2, 2, 2, 1]), (14, [2] * 7), (16, [2] * 8),
     (17, [3, 3, 3, 3, 3, 2]), (32, [4] * 8)],
)  # fmt: skip
def test_blocks_are_of_one_length_and_at_most_eight(n: int, lengths: list[int]) -> None:
    """Rows and columns are cut alike, in order; columns of 3 stay as they are."""
    rows = np.arange(n, dtype=np.float32)
    grid = np.broadcast_to(rows[None, :, None, None], (1, n, 3, 1))
    ends = np.cumsum(lengths)
    expected = [rows[end - k : end].mean() for end, k in zip(ends, lengths, strict=True)]
    found = block_means(grid)
    assert (found.dtype, found.shape) == (np.float32, (1, len(lengths), 3, 1))
    assert len(lengths) <= PATCHES_A_SIDE
    np.testing.assert_allclose(found[0, :, 0, 0], expected)
    np.testing.assert_array_equal(block_means(grid.swapaxes(1, 2)), found.swapaxes(1, 2))


def test_tokens_go_row_by_row_from_the_top_left() -> None:
    """A head may know where a token lies by its number."""

    class Ramp(Tokens):
        def encode_dense(self, images, /):
            return np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)

    (tokens,) = patch_tokens(
        Ramp(), [Image(np.zeros((4, 6), np.uint8), "yx", "display", (0.0, 255.0))]
    )
    assert tokens.ravel().tolist() == [0, 1, 2, 3, 4, 5]


def test_words_are_computed_in_halves_where_memory_runs_out() -> None:
    """Four texts that fit only one by one; one that never does is named."""

    class Small(Tokens):
        def encode_words(self, texts, /):
            if len(texts) > 1 or "neither" in texts[0]:
                raise MemoryError
            return super().encode_words(texts)

    assert [one.tolist() for one in word_rows(Small(), TEXTS[:2])] == [
        [[1, 0], [6, 1], [7, 2]], [[4, 0]],
    ]  # fmt: skip
    with pytest.raises(MemoryError, match="1 texts do not fit"):
        word_rows(Small(), TEXTS)


def test_an_encoder_that_loses_a_text_is_refused() -> None:
    """Rows would be taken for another text's."""

    class Loses(Tokens):
        def encode_words(self, texts, /):
            return super().encode_words(texts)[1:]

    with pytest.raises(ModelError, match=r"expected rows for each of 4 texts .* got shapes \["):
        word_rows(Loses(), TEXTS)
