"""Which findings a caption affirms."""

import re

from vesalius.data.phantom_plan import KINDS, Kind

# an enlarged heart also goes by the heart alone; every kind by the words that reports use for it
_WORDS: dict[Kind, str] = {
    "nodule": r"nodule",
    "consolidation": r"consolidation|airspace opacity",
    "effusion": r"effusion|pleural fluid",
    "pneumothorax": r"pneumothorax|pleural air|air in the pleural",
    "cardiomegaly": r"cardiomegaly|enlarged",
}
_DENIED = re.compile(r"\b(no|not|without|clear|resolved|history|indication)\b", re.IGNORECASE)


def findings_named(caption: str) -> frozenset[Kind]:
    """Kinds that occur in a sentence of `caption` that does not deny.

    >>> sorted(findings_named("No effusion. Left nodule. The heart is not enlarged."))
    ['nodule']
    """
    sentences = [s for s in re.split(r"[.:]\s*", caption) if s and not _DENIED.search(s)]
    return frozenset(
        kind
        for kind in KINDS
        if any(re.search(_WORDS[kind], sentence, re.IGNORECASE) for sentence in sentences)
    )
