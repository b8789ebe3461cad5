"""A lower-case WordPiece tokenizer in the file layout of BERT, with a vocabulary learned here.

Ids: ``[PAD]`` 0, 99 unused, ``[UNK]`` 100, ``[CLS]`` 101, ``[SEP]`` 102, ``[MASK]`` 103 as in BERT,
then the characters, the same as continuations (``##x``), and the pieces learned, most useful first.
"""

import string

PAD, UNKNOWN, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIALS = {
    "cls_token": CLS,
    "mask_token": MASK,
    "pad_token": PAD,
    "sep_token": SEP,
    "unk_token": UNKNOWN,
}
CHARACTERS = string.ascii_lowercase + string.digits + string.punctuation
RESERVED = (PAD, *(f"[unused{n}]" for n in range(99)), UNKNOWN, CLS, SEP, MASK)
N_PIECES = 700
