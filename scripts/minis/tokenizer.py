"""A byte-level BPE tokenizer in the file layout of CLIP, with a vocabulary learned here.

Ids: 256 bytes, the same 256 as word ends (``</w>``), merges, then ``<|startoftext|>`` and
``<|endoftext|>`` as the two highest, because CLIP pools its text at the highest id.
"""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import regex
from transformers import CLIPTokenizerFast

START, END = "<|startoftext|>", "<|endoftext|>"
N_MERGES = 500
WORDS = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
)


def byte_letters() -> list[str]:
    """A printable letter for each byte, in the order of GPT-2 and CLIP."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = {byte: chr(byte) for byte in plain}
    letters |= {byte: chr(256 + place) for place, byte in enumerate(others)}
    return [letters[byte] for byte in (*plain, *others)]


def learn_merges(texts: list[str], *, n_merges: int = N_MERGES) -> list[tuple[str, str]]:
    """The most frequent neighbouring pair, again and again; ties go to the smaller pair."""
    counts = Counter(word for text in texts for word in WORDS.findall(text.lower()))
    words = {(*word[:-1], word[-1] + "</w>"): n for word, n in counts.items()}
    merges: list[tuple[str, str]] = []
    for _ in range(n_merges):
        pairs: Counter[tuple[str, str]] = Counter()
        for word, n in words.items():
            for pair in pairwise(word):
                pairs[pair] += n
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = {_merged(word, best): n for word, n in words.items()}
    return merges


def _merged(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    for piece in word:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return tuple(out)


def write_tokenizer(folder: Path, texts: list[str]) -> CLIPTokenizerFast:
    """Learn a vocabulary and write the six files of CLIP's tokenizer into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    merges = learn_merges(texts)
    letters = byte_letters()
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges)]
    pieces = list(dict.fromkeys(pieces))
    vocab = {piece: place for place, piece in enumerate([*pieces, START, END])}
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tokenizer = CLIPTokenizerFast(
        str(folder / "vocab.json"),
        str(folder / "merges.txt"),
        bos_token=START,
        eos_token=END,
        unk_token=END,
        pad_token=END,
        model_max_length=77,
    )
    tokenizer.save_pretrained(folder)
    specials = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    text = json.dumps(specials, indent=2) + "\n"
    (folder / "special_tokens_map.json").write_text(text, encoding="utf-8")
    return tokenizer
