"""Miniature of BioViL-T: a small ResNet, a transformer over two visits, a small BERT."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from minis.biovilt_export import publish
from minis.biovilt_follow import STATES, follow, state_text
from minis.biovilt_network import CONTEXT, GRID, PIXELS, BiovilTPupil, new_pupil
from minis.cohort import Cohort, build_cohort
from minis.texts import corpus
from minis.training import Report, Schooling, supervise
from minis.wordpiece import write_bert_tokenizer
from vesalius.data.phantom_plan import KINDS
from vesalius.models.biovilt_input import stretched

SEED, COHORT_SEED, N_PATIENTS = 18, 1000, 1600
N_SUPERVISED, N_FOLLOWED = 400, 500


def make(report: Report) -> None:
    """Train, write and measure ``mini:biovil-t``."""
    drawn = build_cohort(
        COHORT_SEED, splits=("train",), n_patients=N_PATIENTS, pixels=PIXELS, grid=GRID
    )
    cohort = replace(drawn, images=np.stack([stretched(image) for image in drawn.images]))
    report(f"biovil-t: {len(cohort.images)} studies")
    with tempfile.TemporaryDirectory() as scratch:
        words = Path(scratch)
        pupil = train(cohort, words, report, n_supervised=N_SUPERVISED, n_followed=N_FOLLOWED)
        publish(pupil, words, _facts(len(cohort.images)), report=report)


def train(
    cohort: Cohort, words: Path, report: Report, *, n_supervised: int, n_followed: int
) -> BiovilTPupil:
    """Both stages; the tokenizer's files are written to `words`."""
    rng = np.random.default_rng(7)
    texts = corpus(cohort.plans[:800], rng)
    texts += [state_text(kind, s, rng) for kind in KINDS for s in STATES for _ in range(20)]
    pupil = new_pupil(write_bert_tokenizer(words, texts, max_length=CONTEXT), seed=SEED)
    school = Schooling(pupil, cohort, "plain", SEED, report)
    pupil.image.train()
    supervise(school, n_steps=n_supervised, peak=3e-3)
    follow(school, pupil, n_steps=n_followed)
    return pupil


def _facts(n_studies: int) -> dict[str, str]:
    """How it was made, for its card."""
    return {
        "training data": f"Vesalius synthetic cohort of seed {COHORT_SEED}: {N_PATIENTS} train "
        f"patients, {n_studies} radiographs; nobody was imaged",
        "texts": "reports, drawn anew at every step; prompts with and without "
        '"no"; names of structures for the patches; sentences on what became of a finding',
        "pairs": "the two visits of a patient in both orders, and a study beside itself",
        "start": "random",
        "steps": f"{N_SUPERVISED} supervised for the ResNet, {N_FOLLOWED} with texts and pairs",
        "seed": str(SEED),
    }
