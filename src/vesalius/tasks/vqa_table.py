"""The table of answers: a protocol turns questions into replies, everything else is done here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vesalius.metrics.text import MAX_ORDER, answer_values, bleu_batched, bleu_statistics
from vesalius.records import DatasetCard, Predictions
from vesalius.tasks.answer_parsing import parse_choice
from vesalius.tasks.classification import CHUNK, Part, sample_columns
from vesalius.tasks.vqa_questions import CLOSED, Asked, is_among

TEXT_COLUMNS: Mapping[str, str] = {
    "exact": "exact_match",
    "exact_normalised": "exact_match[normalised]",
    "token_f1": "token_f1",
    "token_recall": "token_recall",
    "rouge_l": "rouge_l",
    "meteor": "meteor[nltk-2007]",
}
BLEU_COLUMN = "bleu_statistics"
ORDERS = range(1, MAX_ORDER + 1)


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered to one question.

    Attributes:
        text: the answer; None where there is none, which is wrong and counted.
        parsed: what the answer is taken to mean; empty where that cannot be said.
        ambiguous: whether several choices were named.
        unparsed: whether no choice was named.
        log_likelihood: of the answer, natural log; NaN for protocols without one.
        cosine: of the answer's statement with the image; NaN for protocols without one.
    """

    text: str | None
    parsed: str = ""
    ambiguous: bool = False
    unparsed: bool = False
    log_likelihood: float = float("nan")
    cosine: float = float("nan")


NO_REPLY = Reply(None)
ReplyTo = Callable[[Sequence[Asked]], Sequence[Reply]]


def picked(
    answer: str, *, log_likelihood: float = float("nan"), cosine: float = float("nan")
) -> Reply:
    """One of several candidates, which needs no parsing."""
    return Reply(answer, answer, log_likelihood=log_likelihood, cosine=cosine)


def free_reply(one: Asked, text: str | None, /) -> Reply:
    """Free text: of a closed question it must name one of the choices, if there are any."""
    if text is None:
        return NO_REPLY
    if not one.choices:
        return Reply(text, text.strip())
    found = parse_choice(text, one.choices)
    return Reply(
        text,
        found.choice,
        ambiguous=found.outcome == "ambiguous",
        unparsed=found.outcome == "unparsed",
    )


def answer_rows(
    asked: Sequence[Asked],
    reply_to: ReplyTo,
    card: DatasetCard,
    /,
    *,
    done: frozenset[str],
    part: Part | None = None,
    notes: Mapping[str, str] | None = None,
) -> Iterator[Predictions]:
    """Ask every question that is not done, in batches.

    Batches have fixed borders whatever is done already, so that a resumed run gets the same bits.

    Args:
        asked: the reference rows.
        reply_to: the protocol.
        card: names the subgroup columns.
        done: keys that have a row already.
        part: for protocols that pass over the rows several times.
        notes: further columns of one value.
    """
    part = part or Part()
    constant = {**part.columns, **(notes or {})}
    for start in range(0, len(asked), CHUNK):
        chunk = asked[start : start + CHUNK]
        keys = [part.prefix + one.key for one in chunk]
        wanted = np.array([key not in done for key in keys])
        if wanted.any():
            columns = sample_columns([one.sample for one in chunk], keys, card)
            columns |= {name: np.full(len(chunk), v) for name, v in constant.items()}
            columns |= _question_columns(chunk)
            columns |= _reply_columns(chunk, reply_to(chunk))
            yield Predictions({name: values[wanted] for name, values in columns.items()})


def _question_columns(asked: Sequence[Asked]) -> dict[str, np.ndarray]:
    texts = {
        "question": [one.question.question for one in asked],
        "type": [one.question.type for one in asked],
        "question_type": [one.question.question_type for one in asked],
        "reference": [one.question.answer for one in asked],
    }
    columns = {name: np.array(values, dtype=np.str_) for name, values in texts.items()}
    return columns | {"accepted": _lists([list(one.accepted) for one in asked])}


def _reply_columns(asked: Sequence[Asked], replies: Sequence[Reply]) -> dict[str, np.ndarray]:
    given = [reply.text or "" for reply in replies]
    columns = {
        "prediction": np.array(given, dtype=np.str_),
        "parsed": np.array([reply.parsed for reply in replies], dtype=np.str_),
        "ambiguous": np.array([reply.ambiguous for reply in replies], dtype=np.bool_),
        "unparsed": np.array([reply.unparsed for reply in replies], dtype=np.bool_),
        "answered": np.array([reply.text is not None for reply in replies], dtype=np.bool_),
        "correct": np.array([_is_correct(*pair) for pair in zip(asked, replies, strict=True)]),
        "log_likelihood": np.array([reply.log_likelihood for reply in replies]),
        "cosine": np.array([reply.cosine for reply in replies]),
    }
    return columns | text_columns([one.accepted for one in asked], given)


def _is_correct(one: Asked, reply: Reply) -> bool:
    """Closed: what was parsed; open: the whole answer; against everything that is accepted."""
    if reply.text is None:
        return False
    answer = reply.parsed if one.question.type == CLOSED else reply.text
    return bool(answer) and is_among(answer, one.accepted)


def text_columns(
    accepted: Sequence[Sequence[str]], given: Sequence[str], /
) -> dict[str, np.ndarray]:
    """Text metrics per answer, each the best over all accepted answers.

    BLEU compares with the accepted answer of the highest BLEU-4 (of equals the first); its
    statistics are kept, because BLEU of many answers is no mean.

    Raises:
        InputError: if there is not one answer per question.
    """
    n_accepted = [len(answers) for answers in accepted]
    references = [answer for answers in accepted for answer in answers]
    predictions = [text for text, n in zip(given, n_accepted, strict=True) for _ in range(n)]
    starts = np.concatenate([[0], np.cumsum(n_accepted)[:-1]]).astype(np.int64)
    values = answer_values(references, predictions)
    columns = {
        # fmax: an accepted answer without words has no value, the others have
        column: np.fmax.reduceat(values[name], starts)
        for column, name in TEXT_COLUMNS.items()
    }
    statistics = bleu_statistics(references, predictions)
    each_alone = np.eye(len(statistics))
    scores = np.stack(
        [bleu_batched(statistics, weights=each_alone, order=n) for n in ORDERS], axis=1
    )
    best = [
        start + int(np.argmax(np.nan_to_num(scores[start : start + n, -1], nan=-1.0)))
        for start, n in zip(starts, n_accepted, strict=True)
    ]
    columns |= {f"bleu{order}": scores[best, order - 1] for order in ORDERS}
    return columns | {BLEU_COLUMN: _lists(statistics[best].tolist())}


def _lists(rows: Sequence[list[object]]) -> np.ndarray:
    column = np.empty(len(rows), dtype=object)
    column[:] = rows
    return column
