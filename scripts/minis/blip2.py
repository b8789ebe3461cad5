"""Trains mini:blip2: learns to look, then to look and speak, every part at once.

The Q-Former sees the image but not the question, so its queries are given places to watch: one for
each lateral finding on each side and one for the heart; the others are free.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPModel

from minis.blip2_card import write_card
from minis.blip2_network import (
    N_QUERIES,
    QUERY_WIDTH,
    configuration,
    new_model,
    start_from_clip,
    write_files,
)
from minis.cohort import GRID, PIXELS, Cohort, build_cohort
from minis.dialogue import HEART, Turn, draw_turns, spoken
from minis.export import TARGET
from minis.network import WIDTH, to_input
from minis.t5_tokenizer import write_t5_tokenizer
from minis.training import (
    COVERED,
    PATCH_WEIGHT,
    PLACES,
    Report,
    augment,
    optimizer_for,
    targets,
)
from vesalius.data.phantom_study import STRUCTURES
from vesalius.models.answers import IGNORED
from vesalius.models.blip2_network import Parts, answer_labels, answer_logits, ask, distil

COHORT_SEED, N_PATIENTS, SEED = 1000, 1600, 14
BATCH, TURNS_AN_IMAGE = 32, 3
N_LOOKING, N_SPEAKING, PEAK = 120, 600, 1.5e-3
FINDING_WEIGHT = torch.tensor(2.0)


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What one batch of images shows.

    Attributes:
        rows: of the cohort.
        pixels: augmented input.
        marks: patches that each structure covers.
        watched: patches that each of `PLACES` covers; none where the finding is absent.
        findings: the targets of the whole image.
    """

    rows: np.ndarray
    pixels: Float[Tensor, "n 3 h w"]
    marks: Float[Tensor, "n patches structures"]
    watched: Float[Tensor, "n places patches"]
    findings: Float[Tensor, "n targets"]


class Aids(nn.Module):
    """Heads that are thrown away after training: findings from queries, structures from patches."""

    def __init__(self, n_targets: int) -> None:
        super().__init__()
        self.findings = nn.Linear(N_QUERIES * QUERY_WIDTH, n_targets)
        self.structures = nn.Linear(WIDTH, len(STRUCTURES))


def draw_lesson(cohort: Cohort, rng: np.random.Generator) -> Lesson:
    """A batch of different studies."""
    rows = rng.choice(len(cohort.images), BATCH, replace=False)
    grey = torch.from_numpy(cohort.images[rows].astype(np.float32) / 255)
    marks = cohort.coverage[rows] > COVERED
    watched = np.stack([_watched(cohort, row) for row in rows])
    findings = torch.tensor([targets(cohort.plans[row][1]) for row in rows])
    return Lesson(
        rows,
        to_input(augment(grey, rng)),
        torch.from_numpy(marks.astype(np.float32)),
        torch.from_numpy(watched.astype(np.float32)),
        findings,
    )


def _watched(cohort: Cohort, row: int) -> np.ndarray:
    """Patches of each place, shape (places, patches); the patient's right is on the left."""
    covered = cohort.coverage[row] > COVERED
    present = {(finding.kind, finding.side) for finding in cohort.plans[row][1].findings}
    column = np.arange(GRID * GRID) % GRID
    halves = {"right": column < GRID // 2, "left": column >= GRID // 2}
    masks = []
    for kind, side in PLACES:
        layer = HEART if kind == "cardiomegaly" else STRUCTURES[kind] - 1
        mask = covered[:, layer] & halves.get(side, np.ones(GRID * GRID, bool))
        masks.append(mask & ((kind, side) in present))
    return np.stack(masks)


def looking_loss(
    aids: Aids, positions: Tensor, queries: Tensor, attentions: tuple[Tensor, ...], lesson: Lesson
) -> Tensor:
    """Findings from the queries, structures from the patches, attention on the finding's place."""
    whole = functional.binary_cross_entropy_with_logits(
        aids.findings(queries.flatten(1)), lesson.findings, pos_weight=FINDING_WEIGHT
    )
    local = functional.binary_cross_entropy_with_logits(
        aids.structures(positions[:, 1:]), lesson.marks, pos_weight=PATCH_WEIGHT
    )
    there = lesson.watched.any(-1)
    inside = [
        (layer.mean(1)[:, : len(PLACES), 1:] * lesson.watched).sum(-1)[there]
        for layer in attentions
    ]
    watching = -torch.stack(inside).clamp(min=1e-4).log().mean()
    return whole + local + 0.2 * watching


def speaking_loss(
    parts: Parts, queries: Float[Tensor, "n queries width"], turns: list[Turn]
) -> Tensor:
    """Mean over turns of the mean loss of a turn's tokens: a short answer counts like a caption."""
    # captions apart from short answers: less padding to compute
    captions = [place for place, turn in enumerate(turns) if not turn.prompt]
    answers = [place for place, turn in enumerate(turns) if turn.prompt]
    losses = [
        _losses(parts, queries[[place // TURNS_AN_IMAGE for place in places]], chosen)
        for places in (captions, answers)
        if (chosen := [turns[place] for place in places])
    ]
    return torch.cat(losses).mean()


def _losses(
    parts: Parts, queries: Float[Tensor, "n queries width"], turns: list[Turn]
) -> Float[Tensor, " n"]:
    context = ask(parts, queries, [turn.prompt for turn in turns])
    labels = answer_labels(parts, [turn.answer for turn in turns])
    logits = answer_logits(parts, context, labels)
    losses = functional.cross_entropy(
        logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
    )
    return losses.sum(1) / (labels != IGNORED).sum(1)


def school(parts: Parts, cohort: Cohort, say: Report, *, n_looking: int, n_speaking: int) -> None:
    """Teach all parts together; the language model joins after `n_looking` steps."""
    rng = np.random.default_rng([SEED, 1])
    aids = Aids(len(targets(cohort.plans[0][1])))
    parameters = [*parts.model.parameters(), *aids.parameters()]
    n_steps = n_looking + n_speaking
    optimizer, schedule = optimizer_for(parameters, n_steps, PEAK)
    for step in range(n_steps):
        lesson = draw_lesson(cohort, rng)
        positions = parts.model.vision_model(pixel_values=lesson.pixels).last_hidden_state
        seen = distil(parts, positions, attentions=True)
        queries = seen.last_hidden_state
        looking = looking_loss(aids, positions, queries, seen.cross_attentions, lesson)
        loss = looking
        if step >= n_looking:
            turns = draw_turns(cohort, np.repeat(lesson.rows, TURNS_AN_IMAGE), rng)
            speaking = speaking_loss(parts, queries, turns)
            loss = 0.5 * looking + 2 * speaking
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 49:
            said = f", speaking {speaking.item():.3f}" if step >= n_looking else ""
            say(f"blip2 {step + 1}/{n_steps}: looking {looking.item():.3f}{said}")


def make(say: Report, *, n_looking: int = N_LOOKING, n_speaking: int = N_SPEAKING) -> None:
    """Train mini:blip2 from the finished mini:clip, write its folder and its card."""
    cohort = build_cohort(COHORT_SEED, splits=("train",), n_patients=N_PATIENTS)
    torch.manual_seed(SEED)
    with tempfile.TemporaryDirectory() as scratch:
        words = Path(scratch)
        tokenizer = write_t5_tokenizer(words, spoken(cohort, np.random.default_rng([SEED, 0])))
        config = configuration(tokenizer)
        model = new_model(config)
        clip = CLIPModel.from_pretrained(TARGET / "clip", dtype=torch.float32)
        start_from_clip(model, clip, cohort.images[:64])
        parts = Parts(model, tokenizer, None, "crop")
        school(parts, cohort, say, n_looking=n_looking, n_speaking=n_speaking)
        folder = TARGET / "blip2"
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(words.iterdir()):
            shutil.copyfile(path, folder / path.name)
    write_files(folder, model, config)
    write_card(folder, _facts(len(cohort.images), n_looking, n_speaking), say)


def _facts(n_studies: int, n_looking: int, n_speaking: int) -> dict[str, str]:
    """How it was made, for the card."""
    return {
        "training data": f"Vesalius synthetic cohort of seed {COHORT_SEED}: {N_PATIENTS} train "
        f"patients, {n_studies} radiographs; nobody was imaged",
        "texts": "captions on an empty prompt, closed and open questions, drawn anew at every step",
        "start": "vision blocks of the finished mini:clip; the rest random",
        "steps": f"{n_looking} of vision tower and Q-Former, {n_speaking} of all parts; "
        f"{BATCH} images with {TURNS_AN_IMAGE} turns each",
        "seed": str(SEED),
        "image": f"{PIXELS} px, patch 16, 64 patches; width 128, 4 layers",
        "Q-Former": f"{N_QUERIES} queries, width {QUERY_WIDTH}, 3 layers, 2 of them with "
        "cross-attention",
        "language": "T5, width 64, 2 + 2 layers; Unigram vocabulary counted on the texts, without "
        "`spiece.model`",
        "made by": "`make minis` (`scripts/train_minis.py`)",
    }
