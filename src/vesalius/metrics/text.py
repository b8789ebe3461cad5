"""Free-text answers: one reference answer against one predicted answer.

Conventions. A pair without a reference answer has no value (NaN); an empty prediction is wrong (0).
Exact match and token overlap compare *normalised* answers (`normalise_answer`); BLEU, ROUGE-L and
METEOR compare lower-case words. Every value lies in [0, 1], higher is better. For answers of one or
two words exact match and token F1 are the ones to read: METEOR gives 0.5 to a correct single word.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Shaped
from sacrebleu.metrics.bleu import BLEU

from vesalius.errors import InputError
from vesalius.metrics.weighted import ratio, sums

NAN = float("nan")
MAX_ORDER = 4
BLEU_SETTINGS = "nrefs:1|case:lc|eff:yes|tok:13a|smooth:exp"

_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)
_DIGITS = {word: str(number) for number, word in enumerate(_NUMBERS.split())}
_ARTICLES = frozenset(("a", "an", "the"))
_WORD = re.compile(r"[^\W_]+")
_APOSTROPHES = re.compile(r"(?<=\w)['’](?=\w)")
# a point between digits is decimal, a hyphen before a digit is a minus: both carry meaning
_MEANING = re.compile(r"(?<=\d)\.(?=\d)|(?<![^\s(])-(?=\d)")


def normalise_answer(text: str) -> str:
    """The answer without what does not change it: case, punctuation, articles, spacing, numerals.

    Unicode is brought to one form (NFKC), number words up to twenty become digits, punctuation
    becomes a space except for the decimal point and the minus sign, an apostrophe inside a word
    vanishes. Symbols such as + and > stay. Articles go unless they are the last word, which is a
    name ("hepatitis A").

    Source: Rajpurkar et al. (2016), doi:10.18653/v1/D16-1264 (case, punctuation, articles, spaces);
    Antol et al. (2015), doi:10.1109/ICCV.2015.279 (number words).

    >>> normalise_answer("The lungs: two nodules, 1.5 cm.")
    'lungs 2 nodules 1.5 cm'
    """
    plain = unicodedata.normalize("NFKC", text).casefold().replace("−", "-")
    plain = _APOSTROPHES.sub("", plain)
    kept = {match.start() for match in _MEANING.finditer(plain)}
    spaced = "".join(
        " " if i not in kept and unicodedata.category(c).startswith("P") else c
        for i, c in enumerate(plain)
    )
    words = [_DIGITS.get(word, word) for word in spaced.split()]
    return " ".join(w for i, w in enumerate(words, 1) if w not in _ARTICLES or i == len(words))


def yes_no(text: str) -> Literal["yes", "no", "ambiguous", "unparsed"]:
    """What a closed question was answered, by whole words: "nodule" and "normal" hold no "no".

    Both words make the answer ambiguous, neither leaves it unparsed; both count as wrong.
    """
    found = {"yes", "no"} & set(_WORD.findall(text.casefold()))
    if len(found) == 2:
        return "ambiguous"
    return "yes" if "yes" in found else "no" if "no" in found else "unparsed"


def exact_match(reference: str, prediction: str) -> float:
    """1 when both answers are the same characters, apart from spaces around them, else 0.

    NaN without reference.
    """
    return float(reference.strip() == prediction.strip()) if reference.strip() else NAN


def exact_match_normalised(reference: str, prediction: str) -> float:
    """1 when both answers are the same after `normalise_answer`, else 0.

    NaN without reference.

    Source: as `normalise_answer`.
    """
    wanted = normalise_answer(reference)
    return float(wanted == normalise_answer(prediction)) if wanted else NAN


def token_f1(reference: str, prediction: str) -> float:
    """Harmonic mean of the shares of normalised words that the two answers have in common.

    A word counts as often as it stands in both. NaN without reference.

    Source: Rajpurkar et al. (2016), doi:10.18653/v1/D16-1264.

    >>> token_f1("left lower lobe", "lower left lung")
    0.6666666666666666
    """
    wanted, given = _normalised_words(reference, prediction)
    n_common = (wanted & given).total()
    return 2 * n_common / (wanted.total() + given.total()) if wanted else NAN


def token_recall(reference: str, prediction: str) -> float:
    """Share of the reference's normalised words that the prediction holds.

    A word counts as often as it stands in both. A prediction loses nothing by what it adds: read
    it beside `token_f1`. NaN without reference.

    Source: as `token_f1`.
    """
    wanted, given = _normalised_words(reference, prediction)
    return (wanted & given).total() / wanted.total() if wanted else NAN


def _normalised_words(reference: str, prediction: str) -> tuple[Counter[str], Counter[str]]:
    return Counter(normalise_answer(reference).split()), Counter(
        normalise_answer(prediction).split()
    )


def words(text: str) -> list[str]:
    """Lower-case runs of letters and digits, of any script; what ROUGE-L and METEOR compare."""
    return _WORD.findall(text.lower())


def rouge_l(reference: str, prediction: str) -> float:
    """Harmonic mean of the shares of words in the longest common subsequence; no stemming.

    NaN without reference.

    Source: Lin (2004), https://aclanthology.org/W04-1013, with β = 1.

    >>> rouge_l("small left effusion", "left effusion")
    0.8
    """
    wanted, given = words(reference), words(prediction)
    if not wanted:
        return NAN
    return 2 * _common_subsequence(wanted, given) / (len(wanted) + len(given))


def _common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    longest = [0] * (len(second) + 1)
    for word in first:
        diagonal = 0
        for place, other in enumerate(second, start=1):
            above = longest[place]
            longest[place] = diagonal + 1 if word == other else max(above, longest[place - 1])
            diagonal = above
    return longest[-1]


class NoSynonyms:
    """Stands where METEOR asks WordNet: no word has a synonym, and nothing is downloaded."""

    def synsets(self, word: str) -> list[object]:
        """No set of synonyms for any word."""
        del word
        return []


def meteor(reference: str, prediction: str) -> float:
    """METEOR of 2007 by nltk: words matched exactly, then by Porter stem; no synonyms.

    The harmonic mean of word precision and recall (recall counts nine times as much), lowered by
    up to half for the number of pieces in which the matched words come. A correct answer of one
    word is one piece and gets 0.5. Not comparable with METEOR 1.5. NaN without reference.

    Source: Lavie and Agarwal (2007), https://aclanthology.org/W07-0734.
    """
    wanted, given = words(reference), words(prediction)
    if not wanted:
        return NAN
    score, stemmer = _meteor()
    return float(score(wanted, given, stemmer=stemmer, wordnet=NoSynonyms()))


@cache
def _meteor() -> tuple[Callable[..., float], object]:
    # nltk takes more than a second to load, which only those who measure METEOR should wait for
    from nltk.stem.porter import PorterStemmer
    from nltk.translate.meteor_score import single_meteor_score

    return single_meteor_score, PorterStemmer()


@cache
def _bleu() -> BLEU:
    return BLEU(lowercase=True, effective_order=True, max_ngram_order=MAX_ORDER)


def bleu_signature() -> str:
    """What sacrebleu was told and which version it is, to be printed beside a BLEU."""
    bleu = _bleu()
    bleu.sentence_score("a", ["a"])  # the number of references is known after the first score
    return str(bleu.get_signature())


def bleu_statistics(
    references: Sequence[str], predictions: Sequence[str]
) -> Int[np.ndarray, "n 10"]:
    """Per pair: n-grams in common and n-grams predicted for n = 1…4, words predicted and wanted.

    BLEU is a quotient of sums of these. A pair without reference has zeros: it has no part in them.

    Raises:
        InputError: if there is not one prediction per reference.
    """
    _check_pairs(references, predictions)
    statistics = np.zeros((len(references), 2 * MAX_ORDER + 2), dtype=np.int64)
    for row, (reference, prediction) in enumerate(zip(references, predictions, strict=True)):
        if reference.strip():
            score = _bleu().sentence_score(prediction, [reference])
            statistics[row] = [*score.counts, *score.totals, score.sys_len, score.ref_len]
    return statistics


def bleu(statistics: Int[np.ndarray, "n 10"], *, order: int) -> float:
    """Geometric mean of the n-gram precisions up to `order` over all pairs, times brevity penalty.

    Takes the rows of `bleu_statistics`: counts are summed over the pairs first. Orders that no
    prediction is long enough for are left out; a precision of 0 is smoothed, one after the other
    by 1/2, 1/4, … of a match. NaN without any reference, 0 without any common word.

    Source: Papineni et al. (2002), doi:10.3115/1073083.1073135; Post (2018),
    doi:10.18653/v1/W18-6319 (sacrebleu, settings in `BLEU_SETTINGS`).
    """
    return float(bleu_batched(statistics, weights=np.ones((1, len(statistics))), order=order)[0])


def bleu_batched(
    statistics: Int[np.ndarray, "n 10"], *, weights: Shaped[np.ndarray, "b n"], order: int
) -> Float[np.ndarray, " b"]:
    """`bleu` for every row of `weights`.

    Raises:
        InputError: if `order` is not 1, 2, 3 or 4.
    """
    if not 1 <= order <= MAX_ORDER:
        raise InputError(f"order must be 1 to {MAX_ORDER}, got {order}")
    total = sums(weights, statistics.astype(np.float64))
    matched, predicted = total[:, :order], total[:, MAX_ORDER : MAX_ORDER + order]
    n_given, n_wanted = total[:, -2], total[:, -1]
    some = predicted > 0
    smoothed = 0.5 ** np.cumsum(some & (matched == 0), axis=1)
    precision = np.where(matched > 0, matched, smoothed) / np.maximum(predicted, 1)
    logarithm = np.where(some, np.log(precision), 0.0).sum(axis=1) / np.maximum(1, some.sum(axis=1))
    shortfall = ratio(n_wanted, np.where(n_given > 0, n_given, 1.0))
    value = np.exp(logarithm + np.minimum(0.0, 1 - shortfall))
    value = np.where(matched[:, 0] > 0, value, 0.0)
    return np.where(n_wanted > 0, value, NAN)


def answer_values(
    references: Sequence[str], predictions: Sequence[str]
) -> Mapping[str, Float[np.ndarray, " n"]]:
    """All values of all pairs but BLEU, under the names of the aggregates in `METRICS`.

    The aggregate is the mean over the pairs with a reference.

    Raises:
        InputError: if there is not one prediction per reference.
    """
    _check_pairs(references, predictions)
    metrics = {
        "exact_match": exact_match,
        "exact_match[normalised]": exact_match_normalised,
        "token_f1": token_f1,
        "token_recall": token_recall,
        "rouge_l": rouge_l,
        "meteor[nltk-2007]": meteor,
    }
    pairs = list(zip(references, predictions, strict=True))
    return {
        name: np.array([metric(r, p) for r, p in pairs], dtype=np.float64)
        for name, metric in metrics.items()
    }


def _check_pairs(references: Sequence[str], predictions: Sequence[str]) -> None:
    if len(references) != len(predictions):
        raise InputError(
            f"expected one prediction per reference, got {len(predictions)} for {len(references)}"
        )
