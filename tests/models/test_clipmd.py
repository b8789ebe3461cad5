"""ClipMD reads long texts by its own sliding window."""

from pathlib import Path

import numpy as np
import pytest
import tiny_checkpoints as tiny
import torch
from hypothesis import given
from hypothesis import strategies as st

from conftest import TEXTS
from vesalius.models import clip
from vesalius.models.checkpoint import FilePolicy, open_folder
from vesalius.models.clipmd import ClipMd, load, windows
from vesalius.models.conformance import check_adapter
from vesalius.records import Image

LENGTHS = (10, 77, 78, 147, 148, 154, 200, 217, 230)  # in tokens, around one to four windows
START, END = 662, 663


def loaded(folder: Path, **options: str) -> ClipMd:
    checkpoint = open_folder(folder, policy=FilePolicy(allow_pickles=True))
    return load(checkpoint, name="clipmd", options=options, device="cpu")


@pytest.fixture(scope="module")
def clipmd(checkpoints: Path) -> ClipMd:
    """The tiny ClipMD with its default options."""
    return loaded(checkpoints / "clipmd")


def text_of(n_tokens: int) -> str:
    """A text of exactly so many tokens, start and end included; one letter is one token."""
    letters = np.random.default_rng(n_tokens).choice(list("bdfgjkqvw"), n_tokens - 2)
    return " ".join(letters)


def brute_force(model: object, ids: list[int]) -> np.ndarray:
    """The published rule, one token position at a time, by the bare text tower."""
    embeddings, start = [], 0
    while len(ids) - start >= 77 and len(ids) > 77:
        window = torch.tensor([ids[start : start + 77]])
        embeddings.append(features(model, window, torch.ones_like(window)))
        start += 70
    rest = ids[start:]
    padded = torch.tensor([rest + [END] * (77 - len(rest))])
    mask = torch.tensor([[int(i < len(rest)) for i in range(77)]])
    embeddings.append(features(model, padded, mask))
    mean = np.mean(embeddings, axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def features(model: object, ids: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        hidden = model.text_model(input_ids=ids, attention_mask=mask).last_hidden_state  # type: ignore[attr-defined]
        vector = model.text_projection(hidden[0, int(ids[0].argmax())])  # type: ignore[attr-defined]
    return np.asarray(vector)


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("pooling", ["native", "eos"])
def test_adapter_keeps_every_promise(
    pooling: str, fit: str, checkpoints: Path, pictures: list[Image]
) -> None:
    """The promises hold for short and long texts alike."""
    model = loaded(checkpoints / "clipmd", pooling=pooling, fit=fit)
    check_adapter(model, pictures, [*TEXTS, text_of(200)], tolerance=2e-6)


@pytest.mark.parametrize("n_tokens", LENGTHS)
def test_windows_equal_a_brute_force_of_the_published_rule(n_tokens: int, clipmd: ClipMd) -> None:
    """One to four windows, at every edge of the rule."""
    text = text_of(n_tokens)
    ids = clipmd.towers.tokenizer(text)["input_ids"]
    assert len(ids) == n_tokens
    expected = brute_force(clipmd.towers.model, ids)
    np.testing.assert_allclose(clipmd.encode_texts([text])[0], expected, atol=2e-6)


def test_short_texts_are_read_as_clip_reads_them(clipmd: ClipMd, checkpoints: Path) -> None:
    """Below 78 tokens the window rule must not show."""
    folder = open_folder(checkpoints / "clipmd", policy=FilePolicy(allow_pickles=True))
    plain = clip.load(folder, name="clip", options={}, device="cpu")
    np.testing.assert_allclose(clipmd.encode_texts(TEXTS), plain.encode_texts(TEXTS), atol=2e-6)
    long = [text_of(100)]
    assert np.abs(clipmd.encode_texts(long) - plain.encode_texts(long)).max() > 0.01


def test_the_end_of_a_long_text_counts(clipmd: ClipMd) -> None:
    """What CLIP cuts off is what ClipMD was made for."""
    text = text_of(200)
    rows = clipmd.encode_texts([text + " pneumonia", text + " normal"])
    assert np.abs(rows[0] - rows[1]).max() > 0.001


def test_the_first_native_window_is_a_constant(clipmd: ClipMd, checkpoints: Path) -> None:
    """The documented weakness: it is read at the start token; the eos variant reads the text."""
    head = text_of(75).split()
    tail = text_of(60)
    texts = [" ".join([*head, tail]), " ".join([*head[::-1], tail])]
    native, eos = clipmd, loaded(checkpoints / "clipmd", pooling="eos")
    heads = [windows(native.towers.tokenizer(t)["input_ids"], length=77)[0] for t in texts]
    assert heads[0] != heads[1]
    model = native.towers.model
    first = [features(model, torch.tensor([ids]), torch.ones(1, 77)) for ids in heads]
    np.testing.assert_allclose(first[0], first[1], atol=1e-6)
    closed = [torch.tensor([[*ids[:-1], END]]) for ids in heads]
    ended = [features(model, ids, torch.ones(1, 77)) for ids in closed]
    assert np.abs(ended[0] - ended[1]).max() > 0.01
    assert np.abs(eos.encode_texts(texts) - native.encode_texts(texts)).max() > 0.01


def test_the_eos_variant_ends_every_window(checkpoints: Path) -> None:
    """By hand for two windows: the end token stands last in the first, and the mean is of both."""
    model = loaded(checkpoints / "clipmd", pooling="eos")
    text = text_of(100)
    ids = model.towers.tokenizer(text)["input_ids"]
    rest = ids[70:]
    first = features(model.towers.model, torch.tensor([[*ids[:76], END]]), torch.ones(1, 77))
    second = features(model.towers.model, torch.tensor([rest]), torch.ones(1, len(rest)))
    mean = (first + second) / 2
    np.testing.assert_allclose(
        model.encode_texts([text])[0], mean / np.linalg.norm(mean), atol=2e-6
    )
    assert model.card.options == {"fit": "crop", "pooling": "eos"}


@given(n=st.integers(2, 400))
def test_windows_cover_every_token_in_order(n: int) -> None:
    """No token is lost, windows overlap by seven, and the remainder is never empty."""
    parts = windows(range(n), length=77)
    starts = [part[0] for part in parts]
    assert starts == [70 * i for i in range(len(parts))]
    assert all(len(part) == 77 for part in parts[:-1])
    assert 1 <= len(parts[-1]) <= 77
    assert parts[-1][-1] == n - 1
    assert sorted({i for part in parts for i in part}) == list(range(n))


def test_the_repositorys_code_is_not_run(clipmd: ClipMd, checkpoints: Path) -> None:
    """The hub's Python file is broken and under a research licence; it must stay untouched."""
    clipmd.encode_texts(["normal"])
    assert not (checkpoints / "clipmd" / tiny.CANARY).exists()
