"""Answers that were asked for before: one question about one picture is put to a model once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from vesalius.capabilities import AnswerScorer, AnswerScores
from vesalius.records import Image

Asked = tuple[str, str, tuple[str, ...]]


@dataclass(slots=True)
class AnswerMemory:
    """Log-likelihoods by content of the picture, question and candidates, while a run lasts.

    The pictures of the sample asked about last are kept too: its next question then finds them
    decoded, and the very same objects, by which an adapter knows that it has seen them.
    """

    answers: dict[Asked, AnswerScores] = field(default_factory=dict)
    _digest: str = ""
    _pictures: list[Image] = field(default_factory=list)

    def scores(
        self,
        model: AnswerScorer,
        digest: str,
        asked: tuple[str, Sequence[str]],
        pictures: Callable[[], list[Image]],
    ) -> AnswerScores:
        """Log-likelihoods of candidates, the mean over the pictures of one sample.

        Args:
            model: asked only if it was not asked before.
            digest: content hash of the sample's image.
            asked: question and candidates.
            pictures: reads the sample, a picture or the slices of a volume.
        """
        question, candidates = asked
        key = (digest, question, tuple(candidates))
        if key not in self.answers:
            if not self._pictures or self._digest != digest:
                self._pictures, self._digest = pictures(), digest
            parts = [model.score_answers(one, question, candidates) for one in self._pictures]
            mean = np.mean([part.log_likelihood for part in parts], axis=0)
            self.answers[key] = AnswerScores(mean, parts[0].n_tokens)
        return self.answers[key]
