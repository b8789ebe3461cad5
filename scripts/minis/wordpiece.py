"""A lower-case WordPiece tokenizer in the file layout of BERT, with a vocabulary learned here.

Ids: ``[PAD]`` 0, 99 unused, ``[UNK]`` 100, ``[CLS]`` 101, ``[SEP]`` 102, ``[MASK]`` 103 as in BERT,
then characters, the same as continuations (``##x``), then learned pieces in the order of merging.
"""

import json
import string
from collections import Counter
from itertools import pairwise
from pathlib import Path

from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import BertTokenizerFast

SPECIALS = {
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
    "pad_token": "[PAD]",
    "sep_token": "[SEP]",
    "unk_token": "[UNK]",
}
RESERVED = ("[PAD]", *(f"[unused{n}]" for n in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CHARACTERS = string.punctuation + string.digits + string.ascii_lowercase
CONTINUED = "##"
N_PIECES = 700


def learn_pieces(texts: list[str], *, n_pieces: int = N_PIECES) -> list[str]:
    """Pieces by joining the most frequent neighbours, again and again; ties to the smaller pair.

    Fewer than `n_pieces` when every word of `texts` has become one piece.
    """
    words = {_spelled(word): n for word, n in _words(texts).items()}
    pieces: list[str] = []
    while len(pieces) < n_pieces:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, n in words.items():
            for pair in pairwise(word):
                pairs[pair] += n
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        pieces.append(_joined(*best))
        words = {_merged(word, best): n for word, n in words.items()}
    return pieces


def _words(texts: list[str]) -> Counter[str]:
    """How often each word occurs, as BERT cuts a text before it looks at pieces."""
    normalizer, cutter = BertNormalizer(lowercase=True), BertPreTokenizer()
    return Counter(
        word
        for text in texts
        for word, _ in cutter.pre_tokenize_str(normalizer.normalize_str(text))
    )


def _spelled(word: str) -> tuple[str, ...]:
    return (word[0], *(CONTINUED + letter for letter in word[1:]))


def _joined(left: str, right: str) -> str:
    return left + right.removeprefix(CONTINUED)


def _merged(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    for piece in word:
        if out and (out[-1], piece) == pair:
            out[-1] = _joined(*pair)
        else:
            out.append(piece)
    return tuple(out)


def vocabulary(texts: list[str], *, n_pieces: int = N_PIECES) -> list[str]:
    """All entries in the order of their ids; every character of `texts` is among them."""
    seen = {letter for word in _words(texts) for letter in word}
    letters = [*CHARACTERS, *sorted(seen - set(CHARACTERS))]
    spelled = [*letters, *(CONTINUED + letter for letter in letters)]
    return list(dict.fromkeys([*RESERVED, *spelled, *learn_pieces(texts, n_pieces=n_pieces)]))


def write_bert_tokenizer(folder: Path, texts: list[str], *, max_length: int) -> BertTokenizerFast:
    """Learn a vocabulary and write the four files of BERT's tokenizer into `folder`.

    Args:
        folder: made if it does not exist.
        texts: what the vocabulary is learned on.
        max_length: longest text in tokens, for ``model_max_length``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = vocabulary(texts)
    tokenizer = BertTokenizerFast(
        vocab={entry: place for place, entry in enumerate(entries)},
        do_lower_case=True,
        model_max_length=max_length,
        **SPECIALS,
    )
    tokenizer.save_pretrained(folder)  # tokenizer.json and tokenizer_config.json
    (folder / "vocab.txt").write_text("\n".join(entries) + "\n", encoding="utf-8")
    text = json.dumps(SPECIALS, indent=2) + "\n"
    (folder / "special_tokens_map.json").write_text(text, encoding="utf-8")
    return tokenizer
