"""Last hidden states of words, by all adapters, against the bare networks and tokenizers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from test_clipmd import END, START, loaded, text_of

from vesalius import load_model
from vesalius.capabilities import WordEncoder
from vesalius.catalog import miniatures
from vesalius.models import clip, generic
from vesalius.models.checkpoint import FilePolicy, open_folder
from vesalius.models.language import Reading, encode_words, word_places

TEXTS = ["chest x-ray with a large effusion", "normal", "", "no nodule " * 300]
ALLOW = FilePolicy(allow_pickles=True)
GENERATORS = ["mini:git", "mini:blip2", "mini:smolvlm"]


@pytest.mark.parametrize("name", miniatures())
def test_texts_do_not_depend_on_each_other(name: str) -> None:
    """Neither padding nor a neighbour is read; empty and over-long texts have rows as well."""
    model = load_model(name)
    assert isinstance(model, WordEncoder)
    words = model.encode_words(TEXTS)
    assert {array.dtype for array in words} == {np.dtype(np.float32)}
    assert len(words[2]) == 1
    assert len(words[0]) > len(words[1]) >= 1
    for text, together in zip(TEXTS, words, strict=True):
        (alone,) = model.encode_words([text])
        np.testing.assert_allclose(alone, together, atol=2e-5)
    assert model.encode_words([]) == []


@pytest.mark.parametrize("name", GENERATORS)
def test_the_mean_of_words_is_the_language_embedding(name: str) -> None:
    """Two ways to the same states: normalised means are the rows of `encode_language`."""
    model = load_model(name)
    texts = [TEXTS[0], TEXTS[1], TEXTS[3]]
    means = np.stack([words.mean(axis=0) for words in model.encode_words(texts)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(means, model.encode_language(texts), atol=2e-6)


def test_the_end_token_of_clip_leads_to_its_embedding() -> None:
    """States are those before the projection: projected and normalised they are the embedding."""
    model = load_model("mini:clip")
    (end,) = model.encode_words([""])[0]
    weight = model.towers.model.text_projection.weight.detach().numpy()
    projected = weight @ end
    np.testing.assert_allclose(
        projected / np.linalg.norm(projected), model.encode_texts([""])[0], atol=1e-6
    )


@pytest.mark.parametrize("name", ["mini:biomedclip", "mini:biovil-t"])
def test_words_of_bert_are_its_last_hidden_states(name: str) -> None:
    """By hand: [CLS], words, [SEP] through the bare network; the full stop ends BioViL-T's text."""
    model = load_model(name)
    text = "a large effusion"
    bert = model.network.text.transformer if name == "mini:biomedclip" else model.text_network.bert
    ids = torch.tensor([model.tokenizer(text)["input_ids"]])
    with torch.no_grad():
        states = bert(input_ids=ids).last_hidden_state[0].numpy()
    plain, stopped = model.encode_words([text, f"{text}."])
    np.testing.assert_allclose(plain, states[1:-1], atol=2e-6)
    assert len(stopped) == len(plain) + (name == "mini:biomedclip")


def test_clip_gives_the_same_words_by_either_adapter(checkpoints: Path) -> None:
    """The generic path is no second truth."""
    folder = open_folder(checkpoints / "clip", policy=ALLOW)
    own = clip.load(folder, name="clip", options={}, device="cpu")
    other = generic.load(folder, name="clip", options={}, device="cpu")
    for mine, found in zip(own.encode_words(TEXTS), other.encode_words(TEXTS), strict=True):
        np.testing.assert_allclose(found, mine, atol=2e-6)


def test_words_of_siglip_are_read_at_full_length(checkpoints: Path) -> None:
    """It was trained on padded texts without a mask, so its padding is read, but is no word."""
    from transformers import AutoTokenizer, SiglipModel

    folder = checkpoints / "siglip"
    model = generic.load(open_folder(folder), name="x", options={}, device="cpu")
    tokens = AutoTokenizer.from_pretrained(folder)(
        ["normal lung"], padding="max_length", max_length=16, return_tensors="pt"
    )
    bare = SiglipModel.from_pretrained(folder, dtype=torch.float32).text_model
    with torch.no_grad():
        states = bare(input_ids=tokens["input_ids"]).last_hidden_state[0].numpy()
    n_words = int((tokens["input_ids"] != 1).sum())
    (words,) = model.encode_words(["normal lung"])
    np.testing.assert_allclose(words, states[:n_words], atol=2e-6)


@pytest.mark.parametrize("pooling", ["native", "eos"])
def test_every_word_of_a_long_text_counts_once_in_clipmd(pooling: str, checkpoints: Path) -> None:
    """Positions 0–76 are the first window's, 77–146 the second's; an end token makes room."""
    model = loaded(checkpoints / "clipmd", pooling=pooling)
    text = text_of(150)
    ids = model.towers.tokenizer(text)["input_ids"]
    read = {}
    for start in (140, 70, 0):  # the earliest window is written last
        window = ids[start : start + 77]
        with torch.no_grad():
            tower = model.towers.model.text_model
            states = tower(input_ids=torch.tensor([window])).last_hidden_state[0]
        kept = len(window) - (pooling == "eos" and len(window) == 77)
        read |= {start + place: states[place].numpy() for place in range(kept)}
    (words,) = model.encode_words([text])
    assert (ids[0], ids[-1]) == (START, END)
    assert len(words) == 148
    np.testing.assert_allclose(words, np.stack([read[i] for i in range(1, 149)]), atol=2e-6)


def test_short_texts_of_clipmd_are_those_of_clip(checkpoints: Path) -> None:
    """One window is the whole text."""
    plain = clip.load(
        open_folder(checkpoints / "clipmd", policy=ALLOW), name="clip", options={}, device="cpu"
    )
    texts = ["", "normal lung", text_of(77)]
    found = loaded(checkpoints / "clipmd").encode_words(texts)
    for mine, other in zip(found, plain.encode_words(texts), strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-6)


def test_special_tokens_are_no_words() -> None:
    """Start 1, end 2 and unknown 3 are left out; without a word the end token stands in."""

    class Tokenizer:
        all_special_ids = (1, 2, 3)
        eos_token_id = 2

        def __call__(self, texts: list[str], **_: object) -> dict[str, list[list[int]]]:
            rows = {"two": [1, 7, 3, 8, 2], "none": [1, 3, 2], "": []}
            return {"input_ids": [rows[text] for text in texts]}

    def states(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        assert (ids[mask == 0] == 0).all()
        return torch.stack([ids, torch.arange(ids.shape[1]).expand(ids.shape)], dim=-1)

    found = encode_words(["two", "none", ""], Reading(states, Tokenizer(), 9, "cpu"))
    assert [array.tolist() for array in found] == [[[7, 1], [8, 3]], [[2, 2]], [[2, 0]]]
    assert word_places([4, 5], {1}) == [0, 1]
