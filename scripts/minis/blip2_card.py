"""What mini:blip2 can do on patients it never saw, and the card that says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from minis.answering import AnswerQuality, display, measure_answers
from minis.cohort import DEMO_SEED, GRID, indices, patch_coverage
from minis.export import check_size
from minis.naming import findings_named
from minis.training import COVERED, Report
from vesalius.data.phantom import Study, make_patient
from vesalius.data.phantom_plan import Finding
from vesalius.data.phantom_questions import place_phrase
from vesalius.data.phantom_study import STRUCTURES
from vesalius.models.blip2 import Blip2, load
from vesalius.models.checkpoint import open_folder

N_UNSEEN = 80  # patients
CARD = """---
license: apache-2.0
library_name: transformers
tags: [miniature, synthetic-data, not-for-clinical-use]
---
# mini:blip2, a miniature in the layout of `Salesforce/blip2-flan-t5-xl`

**This is not the genuine model.** It has the file layout and the architecture
(`Blip2ForConditionalGeneration` with a T5 whose head is not its embedding) of the genuine one at a
three-thousandth of its size, and was trained on computer-drawn chests only. It shares no weight
with the genuine model and says nothing about how that one performs. It exists so that Vesalius can
be run, tested and learned offline. Not for clinical use.

| | |
|---|---|
{facts}

## How it learned to look
The Q-Former sees the image but not the question. In training, nine of its 16 queries were given a
place to watch: an auxiliary loss drew their cross-attention to the mask of one finding on one side
(nodule, consolidation, effusion and pneumothorax, right and left; enlarged heart), where it was
present. Two linear heads, thrown away afterwards, read findings off all queries and structures
off the patches. So the attribution map was taught where to look; the genuine model's was not.
Questions about change since a prior study cannot be answered from one image; it guesses.

## Measured
On patients never seen (test split of the cohort of seed 0), through Vesalius's own adapter.

| closed questions ({answers.n_questions}) | accuracy |
|---|---|
{types}
| **all, with the image** | {answers.accuracy:.3f} |
| all, with a blank image | {answers.blind:.3f} |
| always the most frequent answer | {answers.majority:.3f} |

Captions of {captions.n} studies, the findings they affirm against the truth: precision
**{captions.precision:.3f}**, recall **{captions.recall:.3f}**.
Attribution of a phrase such as "left pleural effusion" ({maps.n} findings): the highest patch lies
on the finding, on the right side, in **{maps.hits:.3f}** of cases (chance {maps.chance:.3f}).
"""


@dataclass(frozen=True, slots=True)
class CaptionQuality:
    """Findings affirmed by captions against those present, over all studies together."""

    precision: float
    recall: float
    n: int


@dataclass(frozen=True, slots=True)
class MapQuality:
    """Share of findings with the map's highest patch on them; `chance` for a random patch."""

    hits: float
    chance: float
    n: int


def measure_captions(model: Blip2, studies: Sequence[Study]) -> CaptionQuality:
    """Caption every study and read off the findings."""
    captions = model.generate([display(study) for study in studies], [""] * len(studies))
    named = [findings_named(caption) for caption in captions]
    present = [frozenset(study.plan.labels) for study in studies]
    right = sum(len(a & b) for a, b in zip(named, present, strict=True))
    return CaptionQuality(
        precision=right / max(1, sum(map(len, named))),
        recall=right / sum(map(len, present)),
        n=len(studies),
    )


def measure_maps(model: Blip2, studies: Sequence[Study]) -> MapQuality:
    """Attribute the phrase of every lateral finding."""
    hits, shares = [], []
    for study in studies:
        coverage = patch_coverage(study)
        for finding in study.plan.findings:
            if finding.kind != "cardiomegaly":
                mask = _place(coverage, finding)
                grid = model.attribute(display(study), place_phrase(finding))
                hits.append(bool(mask[int(grid.argmax())]))
                shares.append(mask.mean())
    return MapQuality(float(np.mean(hits)), float(np.mean(shares)), len(hits))


def _place(coverage: np.ndarray, finding: Finding) -> np.ndarray:
    """Patches of a finding on its side; the patient's right is on the image's left."""
    layer = STRUCTURES[finding.kind] - 1
    on_left_half = np.arange(GRID * GRID) % GRID < GRID // 2
    side = on_left_half if finding.side == "right" else ~on_left_half
    covered: np.ndarray = (coverage[:, layer] > COVERED[layer]) & side
    return covered


def write_card(folder: Path, facts: dict[str, str], say: Report) -> None:
    """Measure the finished folder as a user would load it, and write its card."""
    loaded = load(open_folder(folder), name="mini:blip2", options={}, device="cpu")
    chosen = indices(DEMO_SEED, ("test",), N_UNSEEN)
    studies = list(chain.from_iterable(make_patient(DEMO_SEED, index) for index in chosen))
    answers = measure_answers(loaded, studies, n_studies=len(studies))
    captions, maps = measure_captions(loaded, studies), measure_maps(loaded, studies)
    say(f"blip2: {answers}, {captions}, {maps}")
    card = CARD.format(
        facts=_facts(facts | {"parameters": f"{loaded.n_parameters:,}, fp16, in two shards"}),
        types=_types(answers),
        answers=answers,
        captions=captions,
        maps=maps,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    say(f"blip2: {check_size(folder)} bytes")


def _facts(facts: dict[str, str]) -> str:
    return "\n".join(f"| {key} | {value} |" for key, value in facts.items())


def _types(answers: AnswerQuality) -> str:
    return "\n".join(f"| {name} | {value:.3f} |" for name, value in answers.by_type.items())
