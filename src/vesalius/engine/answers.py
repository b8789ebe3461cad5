"""Answers that were asked for before: one question about one picture is put to a model once."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import numpy as np

from vesalius.capabilities import AnswerScorer, AnswerScores, Generator, SeveralImages
from vesalius.engine.batches import batches
from vesalius.records import Image

BATCH = 16
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

    def write(
        self,
        model: Generator,
        asked: Sequence[tuple[str, str]],
        pictures: Callable[[str], list[Image]],
        /,
    ) -> None:
        """Let a model answer what it was not asked before, several questions at once.

        A volume's slices are put to the model together if it takes several images; else each
        slice is answered alone and the most frequent answer counts, of equals the first.

        Args:
            model: writes the answers.
            asked: content hash of an image, and question.
            pictures: reads an image by its hash, a picture or the slices of a volume; none where
                it cannot be read, which then has no answer.
        """
        missing = [key for key in dict.fromkeys(asked) if key not in self.texts]
        for some in batches(missing, BATCH):
            shown = [self._shown(digest, partial(pictures, digest)) for digest, _ in some]
            alone = []
            for (digest, question), images in zip(some, shown, strict=True):
                if len(images) > 1 and isinstance(model, SeveralImages):
                    self.texts[digest, question] = model.answer_about(images, question)
                elif images:
                    alone.append((digest, question, images))
            self._write_alone(model, alone)

    def _write_alone(self, model: Generator, asked: Sequence[tuple[str, str, list[Image]]]) -> None:
        if not asked:
            return
        images = [one for _, _, shown in asked for one in shown]
        prompts = [question for _, question, shown in asked for _ in shown]
        found = iter(model.generate(images, prompts))
        for digest, question, shown in asked:
            texts = Counter(islice(found, len(shown)))
            self.texts[digest, question] = texts.most_common(1)[0][0]

    def _shown(self, digest: str, pictures: Callable[[], list[Image]]) -> list[Image]:
        if not self._pictures or self._digest != digest:
            self._pictures, self._digest = pictures(), digest
        return self._pictures
