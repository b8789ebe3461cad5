"""A Unigram tokenizer in the file layout of T5, with a vocabulary counted here.

Ids: ``<pad>`` 0, ``</s>`` 1, ``<unk>`` 2, then words, punctuation and characters, the hundred
sentinels in reverse order, and ``<image>`` last, as in the repositories
of BLIP-2 with FLAN-T5. Case is kept.
"""

import json
import math
import re
import string
from collections import Counter
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerBase

SPACE = "▁"  # what the published tokenizer writes for a space
IMAGE = "<image>"
NAMES = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
SENTINELS = [f"<extra_id_{n}>" for n in range(100)]
CHARACTERS = string.ascii_letters + string.digits + string.punctuation
N_WORDS = 420
_PUNCTUATION = re.compile(r"[^\w]+|\w+")


def entries(texts: list[str]) -> list[tuple[str, float]]:
    """Pieces with their log-probabilities; every printable ASCII character is among them."""
    counts: Counter[str] = Counter()
    for text in texts:
        for word in text.split():
            first, *rest = _PUNCTUATION.findall(word)
            counts[SPACE + first] += 1
            counts.update(rest)
    total = sum(counts.values())
    kept = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:N_WORDS]
    found = [(token, 0.0) for token in ("<pad>", "</s>", "<unk>")]
    found += [(piece, math.log(n / total)) for piece, n in kept]
    known = {piece for piece, _ in found}
    # rarer than any piece, so that characters are only for what is not a piece
    found += [(letter, -20.0) for letter in (SPACE, *CHARACTERS) if letter not in known]
    return found + [(sentinel, 0.0) for sentinel in reversed(SENTINELS)]


def write_t5_tokenizer(folder: Path, texts: list[str]) -> PreTrainedTokenizerBase:
    """Count a vocabulary and write the tokenizer files into `folder`, which must exist."""
    vocabulary = entries(texts)
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    specials = [*NAMES.values(), *SENTINELS, IMAGE]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in specials])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    settings = {
        "additional_special_tokens": SENTINELS,
        "extra_ids": len(SENTINELS),
        "model_max_length": 512,
        "processor_class": "Blip2Processor",
        "tokenizer_class": "T5Tokenizer",
    }
    _write(folder / "added_tokens.json", {IMAGE: len(vocabulary)})
    _write(folder / "special_tokens_map.json", NAMES | {"additional_special_tokens": SENTINELS})
    _write(folder / "tokenizer_config.json", NAMES | settings)
    return AutoTokenizer.from_pretrained(folder)


def _write(path: Path, value: dict[str, object]) -> None:
    path.write_text(json.dumps(value) + "\n", encoding="utf-8")
