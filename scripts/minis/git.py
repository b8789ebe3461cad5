"""Miniature of GIT: the image tower of mini:clip and a small decoder, trained together.

Losses: the words of answers and of captions; which structure each patch shows (a linear head,
thrown away afterwards); and, for turns about one finding, how much of the last layer's attention
falls on its place.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from torch import nn
from torch.nn import functional
from transformers import BertTokenizerFast, GitForCausalLM

from minis import git_network
from minis.cohort import Cohort, build_cohort
from minis.dialogue import Turn, draw_turns, focus, spoken
from minis.export import TARGET
from minis.git_export import publish
from minis.git_network import Spoken
from minis.network import WIDTH
from minis.texts import figure_caption, phrase
from minis.training import COVERED, PATCH_WEIGHT, Report, advance, augment, optimizer_for
from minis.wordpiece import write_bert_tokenizer
from vesalius.data.phantom_plan import Finding
from vesalius.data.phantom_study import STRUCTURES

SEED, COHORT_SEED, N_PATIENTS = 16, 1000, 1600
N_STEPS, PEAK = 700, 1.2e-3
N_IMAGES, N_TURNS = 16, 4  # of one batch; turns about each image
MAX_CAPTION = 48  # tokens; in place of a longer report, a caption of one sentence
P_PHRASE = 0.08  # turns that are the bare phrase for one finding
W_CAPTIONS, W_PLACE, W_PATCHES = 0.7, 0.1, 1.0


def make(report: Report) -> None:
    """Train, write and measure ``mini:git``."""
    cohort = build_cohort(COHORT_SEED, splits=("train",), n_patients=N_PATIENTS)
    report(f"git: {len(cohort.images)} studies")
    with tempfile.TemporaryDirectory() as scratch:
        words = Path(scratch)
        texts = spoken(cohort, np.random.default_rng(7))
        tokenizer = write_bert_tokenizer(words, texts, max_length=git_network.N_POSITIONS)
        model = train(cohort, tokenizer, report, n_steps=N_STEPS)
        publish(model, words, facts(len(cohort.images)), report=report)


def facts(n_studies: int) -> dict[str, str]:
    """How it was made, for its card."""
    return {
        "training data": f"Vesalius synthetic cohort of seed {COHORT_SEED}: {N_PATIENTS} train "
        f"patients, {n_studies} radiographs; nobody was imaged",
        "turns": "captions on an empty prompt, closed and open questions, phrases; drawn anew at "
        f"every step; in place of a report of more than {MAX_CAPTION} tokens one sentence",
        "start": "image tower of the finished mini:clip; the rest random",
        "losses": "words of answers and captions; structure of each patch by a linear head, not "
        "kept; attention of the last layer to the finding that a turn is about",
        "steps": f"{N_STEPS} of {N_IMAGES} images with {N_TURNS} turns each",
        "seed": str(SEED),
    }


def train(
    cohort: Cohort, tokenizer: BertTokenizerFast, report: Report, *, n_steps: int
) -> GitForCausalLM:
    """The whole course, from mini:clip's image tower."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng([SEED, 1])
    model = git_network.new_model(tokenizer)
    git_network.start_from_clip(model, TARGET / "clip")
    head = nn.Linear(WIDTH, len(STRUCTURES))
    parameters = [*model.parameters(), *head.parameters()]
    optimizer, schedule = optimizer_for(parameters, n_steps, PEAK)
    for step in range(n_steps):
        rows = rng.choice(len(cohort.images), N_IMAGES, replace=False)
        grey = torch.from_numpy(cohort.images[rows].astype(np.float32) / 255)
        marks = torch.from_numpy((cohort.coverage[rows] > COVERED).astype(np.float32))
        tokens = git_network.see(model, augment(grey, rng))
        patches = functional.binary_cross_entropy_with_logits(
            head(tokens[:, 1:]), marks, pos_weight=PATCH_WEIGHT
        )
        said = git_network.losses(model, tokens, draw(cohort, rows, tokenizer, rng))
        loss = said.answers + W_CAPTIONS * said.captions + W_PLACE * said.place
        advance(loss + W_PATCHES * patches, parameters, optimizer, schedule)
        if step % 50 == 49:
            values = (said.answers, said.captions, said.place, patches)
            shown = ", ".join(f"{value.item():.3f}" for value in values)
            report(f"git {step + 1}/{n_steps}: answers, captions, place, patches {shown}")
    return model.eval()


def draw(
    cohort: Cohort, rows: np.ndarray, tokenizer: BertTokenizerFast, rng: np.random.Generator
) -> list[Sequence[Spoken]]:
    """`N_TURNS` turns about each row in tokens, a few of them the phrase for one finding."""
    turns, places = [], []
    for turn in draw_turns(cohort, np.repeat(rows, N_TURNS), rng):
        patient, study = cohort.plans[turn.row]
        found = study.findings
        if found and rng.random() < P_PHRASE:
            finding = found[int(rng.integers(len(found)))]
            turns.append(Turn(turn.row, "", phrase(finding, rng), finding.kind))
            places.append(_beside(focus(cohort, turns[-1]), finding, cohort.grid))
        elif not turn.prompt and len(tokenizer.tokenize(turn.answer)) > MAX_CAPTION:
            turns.append(Turn(turn.row, "", figure_caption(patient, study, rng)))
            places.append(focus(cohort, turns[-1]))
        else:
            turns.append(turn)
            places.append(focus(cohort, turn))
    prompts, answers = (
        tokenizer([getattr(turn, part) for turn in turns], add_special_tokens=False)["input_ids"]
        for part in ("prompt", "answer")
    )
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    said = [
        Spoken([start, *prompt], [*answer, end], place, not turn.prompt)
        for turn, prompt, answer, place in zip(turns, prompts, answers, places, strict=True)
    ]
    return [said[i : i + N_TURNS] for i in range(0, len(said), N_TURNS)]


def _beside(
    cells: Bool[np.ndarray, " cells"], finding: Finding, grid: int
) -> Bool[np.ndarray, " cells"]:
    """Cells on the finding's own side; the patient's right is on the image's left."""
    square = cells.reshape(grid, grid).copy()
    square[:, grid // 2 :] &= finding.side != "right"
    square[:, : grid // 2] &= finding.side != "left"
    return np.asarray(square.reshape(-1))
