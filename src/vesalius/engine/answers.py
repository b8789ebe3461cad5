"""Answers that were asked for before: one question about one picture is put to a model once."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from vesalius.capabilities import AnswerScorer, AnswerScores, Generator, SeveralImages
from vesalius.records import Image

Asked = tuple[str, str, tuple[str, ...]]


@dataclass(slots=True)
class AnswerMemory:
    """Log-likelihoods by content of the picture, question and candidates, while a run lasts.

    The pictures of the sample asked about last are kept too: its next question then finds them
    decoded, and the very same objects, by which an adapter knows that it has seen them.
    """

    answers: dict[Asked, AnswerScores] = field(default_factory=dict)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    _digest: str = ""
    _pictures: list[Image] = field(default_factory=list)

    def scores(
        self,
        model: AnswerScorer,
        digest: str,
        asked: tuple[str, Sequence[str]],
        pictures: Callable[[], list[Image]],
    ) -> AnswerScores:
        """Log-likelihoods of candidates about one sample.

        A volume's slices are put to the model together if it takes several images, else one by
        one, and the log-likelihoods are averaged.

        Args:
            model: asked only if it was not asked before.
            digest: content hash of the sample's image.
            asked: question and candidates.
            pictures: reads the sample, a picture or the slices of a volume.
        """
        question, candidates = asked
        key = (digest, question, tuple(candidates))
        if key not in self.answers:
            shown = self._shown(digest, pictures)
            if len(shown) > 1 and isinstance(model, SeveralImages):
                self.answers[key] = model.score_answers_about(shown, question, candidates)
            else:
                parts = [model.score_answers(one, question, candidates) for one in shown]
                mean = np.mean([part.log_likelihood for part in parts], axis=0)
                self.answers[key] = AnswerScores(mean, parts[0].n_tokens)
        return self.answers[key]

    def answer(
        self, model: Generator, digest: str, question: str, pictures: Callable[[], list[Image]], /
    ) -> str:
        """Free text about one sample.

        A volume's slices are put to the model together if it takes several images; else each
        slice is answered alone and the most frequent answer counts, of equals the first.
        """
        key = (digest, question)
        if key not in self.texts:
            shown = self._shown(digest, pictures)
            if len(shown) > 1 and isinstance(model, SeveralImages):
                self.texts[key] = model.answer_about(shown, question)
            else:
                found = model.generate(shown, [question] * len(shown))
                self.texts[key] = Counter(found).most_common(1)[0][0]
        return self.texts[key]

    def _shown(self, digest: str, pictures: Callable[[], list[Image]]) -> list[Image]:
        if not self._pictures or self._digest != digest:
            self._pictures, self._digest = pictures(), digest
        return self._pictures
