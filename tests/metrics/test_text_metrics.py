"""Answers: normalisation, values by hand, agreement with sacrebleu, rouge-score and brute force."""

from collections.abc import Callable
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.stem.porter import PorterStemmer
from rouge_score import tokenize
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU

from vesalius.errors import InputError
from vesalius.metrics import text as t
from vesalius.metrics.table import METRICS

REFERENCE, PREDICTION = "the left lower lobe", "Left lobe."
# words: left lower lobe / left lobe; METEOR sees four and two, matched in two pieces
_METEOR_MEAN = 10 * 1 * 0.5 / (0.5 + 9 * 1)
BY_HAND = {
    "exact_match": 0.0,
    "exact_match[normalised]": 0.0,
    "token_f1": 2 * 2 / 5,
    "token_recall": 2 / 3,
    "rouge_l": 2 * 2 / 6,
    "meteor[nltk-2007]": _METEOR_MEAN * (1 - 0.5 * (2 / 2) ** 3),
    # 13a makes three words of "left lobe ."; of them two, and no pair, are in the reference
    "bleu1[sacrebleu]": 2 / 3 * np.exp(1 - 4 / 3),
    "bleu2[sacrebleu]": np.sqrt(2 / 3 * 0.5 / 2) * np.exp(1 - 4 / 3),
    "bleu3[sacrebleu]": np.cbrt(2 / 3 * 0.5 / 2 * 0.25 / 1) * np.exp(1 - 4 / 3),
    "bleu4[sacrebleu]": np.cbrt(2 / 3 * 0.5 / 2 * 0.25 / 1) * np.exp(1 - 4 / 3),
}


def _values(references: list[str], predictions: list[str]) -> dict[str, float]:
    columns = dict(t.answer_values(references, predictions))
    statistics = t.bleu_statistics(references, predictions)
    columns |= {f"bleu{order}[sacrebleu]": statistics for order in (1, 2, 3, 4)}
    return {name: METRICS[name].function(column) for name, column in columns.items()}


@pytest.mark.parametrize("name", BY_HAND)
def test_value_by_hand(name: str) -> None:
    """A partly right answer gives the values worked out on paper."""
    assert _values([REFERENCE], [PREDICTION])[name] == pytest.approx(BY_HAND[name], abs=1e-12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  The LUNGS are clear. ", "lungs are clear"),
        ("two nodules; Twelve ribs", "2 nodules 12 ribs"),
        ("1.5 cm", "1.5 cm"),
        ("-5 HU (−20)", "-5 hu -20"),
        ("T2-weighted, left/right", "t2 weighted left right"),
        ("Parkinson's disease", "parkinsons disease"),
        ("hepatitis A", "hepatitis a"),
        ("a pneumothorax", "pneumothorax"),
        ("ER+", "er+"),
        ("５ ㎛", "5 μm"),
        ("肺炎。", "肺炎"),
        (" ?! ", ""),
    ],
)
def test_normalised_answers(text: str, expected: str) -> None:
    """What does not change an answer goes; numbers, signs and letters that do change it stay."""
    assert t.normalise_answer(text) == expected


@given(text=st.text(max_size=30))
def test_normalising_twice_changes_nothing(text: str) -> None:
    """A normalised answer is its own normal form but for an article that then stands last."""
    once = t.normalise_answer(text)
    assert t.exact_match_normalised("x " + text, "x " + text) == 1
    assert once == " ".join(once.split())
    assert not set(once.split()[:-1]) & {"a", "an", "the"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes, there is a nodule", "yes"),
        ("nodule", "unparsed"),
        ("normal", "unparsed"),
        ("unknown", "unparsed"),
        ("No.", "no"),
        ("", "unparsed"),
    ],
)
def test_yes_and_no_are_words(text: str, expected: str) -> None:
    """Defect 2: "nodule" and "normal" contain no "no"."""
    assert t.yes_no(text) == expected


def test_yes_and_no_together_are_ambiguous() -> None:
    """Defect 3: an answer with both words is neither."""
    assert t.yes_no("Yes and no") == "ambiguous"
    assert t.yes_no("no, yes") == "ambiguous"


@pytest.mark.parametrize("name", [n for n in BY_HAND if n != "exact_match"])
def test_empty_answers(name: str) -> None:
    """Defect 1: an empty prediction is wrong, not a crash; without reference there is no value."""
    assert _values([REFERENCE], [""])[name] == 0
    assert np.isnan(_values([""], ["left"])[name])
    assert _values(["", REFERENCE], ["left", REFERENCE])[name] == pytest.approx(
        _values([REFERENCE], [REFERENCE])[name]
    )


def test_missing_answers_stay_in_the_mean() -> None:
    """Defect 7: a question left without answer counts as wrong."""
    values = _values([REFERENCE, REFERENCE], [REFERENCE, ""])
    assert values["exact_match"] == values["token_f1"] == values["rouge_l"] == 0.5


def test_strict_match_sees_case_and_stop() -> None:
    """The strict form forgives only spaces around the answer, the normalised one more."""
    assert t.exact_match("Pneumonia", " Pneumonia ") == 1
    assert t.exact_match("Pneumonia", "pneumonia.") == 0
    assert t.exact_match_normalised("Pneumonia", "the pneumonia.") == 1
    assert t.exact_match_normalised("1.5 cm", "15 cm") == 0
    assert np.isnan(t.exact_match(" ", "x"))


def test_one_word_answers() -> None:
    """A right single word: METEOR of 2007 gives 0.5, BLEU 1 (nltk's would not), all others 1."""
    values = _values(["pneumonia"], ["pneumonia"])
    assert values.pop("meteor[nltk-2007]") == 0.5
    assert all(value == pytest.approx(1) for value in values.values())


def test_meteor_knows_stems_but_no_synonyms() -> None:
    """Without WordNet "lungs" matches "lung", and "physician" does not match "doctor"."""
    assert t.meteor("lungs", "lung") == 0.5
    assert t.meteor("physician", "doctor") == 0
    assert t.NoSynonyms().synsets("lung") == []
    assert "no synonyms" in METRICS["meteor[nltk-2007]"].source


def test_bleu_carries_its_signature() -> None:
    """The settings in the table are those that sacrebleu reports, version added."""
    signature = t.bleu_signature()
    assert signature.startswith(t.BLEU_SETTINGS + "|version:")
    assert t.BLEU_SETTINGS in METRICS["bleu4[sacrebleu]"].source


WORDS = ("left", "lobe", "lower", "opacity", "lung", "lungs", "small", "effusion")


def _answers(seed: int, n: int = 40) -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(seed)

    def answer(smallest: int) -> str:
        return " ".join(rng.choice(WORDS, rng.integers(smallest, 9)))

    return [answer(1) for _ in range(n)], [answer(0) for _ in range(n)]


def _meteor_by_hand(reference: str, prediction: str) -> float:
    """METEOR of 2007 for answers whose words are all different: no alignment is in question."""
    stem = PorterStemmer().stem
    wanted, given = ([stem(word) for word in text.split()] for text in (reference, prediction))
    pairs = [(i, wanted.index(word)) for i, word in enumerate(given) if word in wanted]
    if not pairs:
        return 0.0
    precision, recall = len(pairs) / len(given), len(pairs) / len(wanted)
    pieces = 1 + sum(b != (a[0] + 1, a[1] + 1) for a, b in pairwise(pairs))
    mean = precision * recall / (0.9 * precision + 0.1 * recall)
    return mean * (1 - 0.5 * (pieces / len(pairs)) ** 3)


def _by_rouge(kind: str, part: str) -> Callable[[str, str], float]:
    scorer = RougeScorer([kind], use_stemmer=False)
    return lambda r, p: float(getattr(scorer.score(r, p)[kind], part))


def _corpus_bleu(order: int) -> Callable[[list[str], list[str]], float]:
    bleu = BLEU(lowercase=True, effective_order=True, max_ngram_order=order)
    return lambda r, p: bleu.corpus_score(p, [r]).score / 100


def _same_tokens(reference: str, prediction: str) -> float:
    return float(tokenize.tokenize(reference, None) == tokenize.tokenize(prediction, None))


AGREEMENT: dict[str, Callable[..., float]] = {
    "exact_match": lambda r, p: float(np.char.equal(r, p)),
    "exact_match[normalised]": _same_tokens,
    # on words without articles and numbers the token values are those of ROUGE-1
    "token_f1": _by_rouge("rouge1", "fmeasure"),
    "token_recall": _by_rouge("rouge1", "recall"),
    "rouge_l": _by_rouge("rougeL", "fmeasure"),
    "meteor[nltk-2007]": _meteor_by_hand,
    **{f"bleu{order}[sacrebleu]": _corpus_bleu(order) for order in (1, 2, 3, 4)},
}


@pytest.mark.parametrize("seed", range(3))
def test_answers_agree_with_rouge_score(seed: int) -> None:
    """Token values equal ROUGE-1, ROUGE-L its namesake, exact match equality of the tokens."""
    references, predictions = _answers(seed)
    predictions[:3] = [references[0], references[1].upper() + ".", ""]
    values = t.answer_values(references, predictions)
    for name in ("exact_match", "exact_match[normalised]", "token_f1", "token_recall", "rouge_l"):
        pairs = zip(references, predictions, strict=True)
        expected = [AGREEMENT[name](r, p) for r, p in pairs]
        np.testing.assert_allclose(values[name], expected, atol=1e-12)


def test_meteor_agrees_with_its_definition() -> None:
    """On answers of different words nltk's value is the formula of the paper."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        reference, prediction = (
            " ".join(rng.permutation(WORDS[:4] + WORDS[5:])[: rng.integers(1, 7)]) for _ in "rp"
        )
        expected = AGREEMENT["meteor[nltk-2007]"](reference, prediction)
        assert t.meteor(reference, prediction) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_bleu_agrees_with_sacrebleu(order: int, seed: int) -> None:
    """The sum of the pairs' counts gives sacrebleu's corpus score, smoothed and short ones too."""
    references, predictions = _answers(seed)
    for n in (1, 2, 40):
        name = f"bleu{order}[sacrebleu]"
        expected = AGREEMENT[name](references[:n], predictions[:n])
        statistics = t.bleu_statistics(references[:n], predictions[:n])
        assert METRICS[name].function(statistics) == pytest.approx(expected, abs=1e-12)


def _longest_common(first: list[str], second: list[str]) -> int:
    for size in range(min(len(first), len(second)), 0, -1):
        if set(combinations(first, size)) & set(combinations(second, size)):
            return size
    return 0


@settings(max_examples=30, deadline=None)
@given(
    wanted=st.lists(st.sampled_from(WORDS[:4]), min_size=1, max_size=6),
    given_=st.lists(st.sampled_from(WORDS[:4]), max_size=6),
)
def test_answer_properties(wanted: list[str], given_: list[str]) -> None:
    """In [0, 1]; F1 and ROUGE-L are symmetric; ROUGE-L is the enumerated longest subsequence."""
    reference, prediction = " ".join(wanted), " ".join(given_)
    values = _values([reference], [prediction])
    assert all(0 <= value <= 1 for value in values.values())
    expected = 2 * _longest_common(wanted, given_) / (len(wanted) + len(given_))
    assert values["rouge_l"] == pytest.approx(expected)
    assert values["rouge_l"] <= values["token_f1"] + 1e-12
    if given_:
        turned = _values([prediction], [reference])
        assert turned["token_f1"] == pytest.approx(values["token_f1"])
        assert turned["rouge_l"] == pytest.approx(values["rouge_l"])
    longer = _values([reference], [f"{prediction} {reference}"])
    assert longer["token_recall"] == 1


def test_other_scripts_count() -> None:
    """Identical Chinese answers are identical (rouge-score drops them); units stay apart."""
    assert t.rouge_l("肺炎", "肺炎") == 1
    assert t.meteor("肺炎", "肺炎") == 0.5
    assert t.token_f1("5 μm", "5 mm") == 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: t.answer_values(["a"], []), "one prediction per reference, got 0 for 1"),
        (lambda: t.bleu_statistics(["a"], ["a", "b"]), "got 2 for 1"),
        (lambda: t.bleu(np.zeros((1, 10), dtype=int), order=5), "order must be 1 to 4, got 5"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], message: str) -> None:
    """Lists of other lengths and orders that do not exist are errors that say what came."""
    with pytest.raises(InputError, match=message):
        call()
