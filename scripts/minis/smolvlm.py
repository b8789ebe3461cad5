"""Miniature of SmolVLM: the image tower of mini:clip and a small language model, trained together.

Three losses: the answers' tokens; which structure each patch shows (a linear head, thrown away
afterwards); and for turns about one finding, how much attention the answer pays to its place.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional
from transformers import Idefics3ForConditionalGeneration, PreTrainedTokenizerFast

from minis import idefics
from minis.cohort import Cohort, build_cohort
from minis.dialogue import Turn, draw_turns, focus, spoken
from minis.export import TARGET
from minis.smolvlm_export import publish
from minis.texts import phrase
from minis.training import COVERED, PATCH_WEIGHT, Report, advance, augment, optimizer_for
from vesalius.data.phantom_plan import Finding
from vesalius.data.phantom_study import STRUCTURES

SEED, COHORT_SEED, N_PATIENTS = 17, 1000, 1600
N_STEPS, PEAK = 1000, 1.2e-3
N_IMAGES, N_TURNS = 16, 4  # of one batch; turns for each image
P_PHRASE = 0.08
MAX_ANSWER = 64  # tokens of an answer that are learned; longer reports are cut off
LAYER, HEADS = 1, 2  # whose attention is drawn to the finding


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """One turn in tokens, and the image tokens that its answer is about."""

    image: int
    prompt: list[int]
    answer: list[int]
    target: Bool[np.ndarray, " tokens"]


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """Means over one group of turns."""

    words: Tensor
    place: Tensor


def make(report: Report) -> None:
    """Train, write and measure ``mini:smolvlm``."""
    cohort = build_cohort(COHORT_SEED, splits=("train",), n_patients=N_PATIENTS)
    report(f"smolvlm: {len(cohort.images)} studies")
    with tempfile.TemporaryDirectory() as scratch:
        words = Path(scratch)
        texts = spoken(cohort, np.random.default_rng(7))
        framed = [text for t in texts for text in (t, f" {t}", "User:", "\nAssistant:")]
        tokenizer = idefics.write_tokenizer(words, framed)
        model = train(cohort, tokenizer, report, n_steps=N_STEPS)
        publish(model, words, facts(len(cohort.images)), report=report)


def facts(n_studies: int) -> dict[str, str]:
    """How it was made, for its card."""
    return {
        "training data": f"Vesalius synthetic cohort of seed {COHORT_SEED}: {N_PATIENTS} train "
        f"patients, {n_studies} radiographs; nobody was imaged",
        "turns": "captions on request, closed and open questions, drawn anew at every step; "
        f"answers cut off at {MAX_ANSWER} tokens",
        "start": "image tower of the finished mini:clip; the rest random",
        "losses": "tokens of the answers; structure of each patch by a linear head, not kept; "
        f"attention of {HEADS} heads of layer {LAYER} to the finding that is asked about",
        "steps": f"{N_STEPS} of {N_IMAGES} images with {N_TURNS} turns each",
        "seed": f"{SEED}, with {torch.get_num_threads()} thread(s)",
    }


def train(
    cohort: Cohort, tokenizer: PreTrainedTokenizerFast, report: Report, *, n_steps: int
) -> Idefics3ForConditionalGeneration:
    """The whole course, from mini:clip's image tower."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng([SEED, 1])
    model = idefics.new_model(tokenizer)
    idefics.start_from_clip(model, TARGET / "clip", cohort.images[:200])
    head = nn.Linear(idefics.WIDTH, len(STRUCTURES))
    parameters = [*model.parameters(), *head.parameters()]
    optimizer, schedule = optimizer_for(parameters, n_steps, PEAK)
    for step in range(n_steps):
        rows = rng.choice(len(cohort.images), N_IMAGES, replace=False)
        grey = torch.from_numpy(cohort.images[rows].astype(np.float32) / 255)
        marks = torch.from_numpy((cohort.coverage[rows] > COVERED).astype(np.float32))
        patches, seen = idefics.see(model, augment(grey, rng))
        patch_loss = functional.binary_cross_entropy_with_logits(
            head(patches), marks, pos_weight=PATCH_WEIGHT
        )
        lessons = draw_lessons(cohort, rows, tokenizer, rng)
        parts = [answer_losses(model, seen, group) for group in _by_length(lessons)]
        words = torch.stack([part.words for part in parts]).mean()
        place = torch.stack([part.place for part in parts]).mean()
        advance(words + 0.15 * place + 0.7 * patch_loss, parameters, optimizer, schedule)
        if step % 50 == 49:
            values = f"{words.item():.3f} place {place.item():.3f} patches {patch_loss.item():.3f}"
            report(f"smolvlm {step + 1}/{n_steps}: words {values}")
    return model.eval()


def draw_lessons(
    cohort: Cohort, rows: np.ndarray, tokenizer: PreTrainedTokenizerFast, rng: np.random.Generator
) -> list[Lesson]:
    """Turns about each row, a few of them the bare phrase for one finding and its place."""
    end = tokenizer.convert_tokens_to_ids(idefics.END)
    turns, targets = [], []
    for turn in draw_turns(cohort, np.repeat(rows, N_TURNS), rng):
        local = [f for f in cohort.plans[turn.row][1].findings if f.kind != "cardiomegaly"]
        named = local[int(rng.integers(len(local)))] if local else None
        if named is not None and rng.random() < P_PHRASE:
            turns.append(Turn(turn.row, "", phrase(named, rng), named.kind))
            targets.append(_sided(focus(cohort, turns[-1]), named, cohort.grid))
        else:
            turns.append(turn)
            targets.append(focus(cohort, turn))
    prompts = tokenizer([idefics.prompt(turn.prompt) for turn in turns])["input_ids"]
    answers = tokenizer([f" {turn.answer}" for turn in turns])["input_ids"]
    return [
        Lesson(index // N_TURNS, prompts[index], [*answers[index], end][:MAX_ANSWER], _pooled(mask))
        for index, mask in enumerate(targets)
    ]


def _sided(cells: Bool[np.ndarray, " cells"], finding: Finding, grid: int) -> np.ndarray:
    """Cells on the finding's own side; the patient's right is on the image's left."""
    square = cells.reshape(grid, grid).copy()
    square[:, grid // 2 :] &= finding.side != "right"
    square[:, : grid // 2] &= finding.side != "left"
    return square.reshape(-1)


def _pooled(cells: Bool[np.ndarray, " cells"]) -> Bool[np.ndarray, " tokens"]:
    """Image tokens with a marked cell."""
    side, scale = idefics.SIDE, idefics.SCALE
    return np.asarray(cells.reshape(side, scale, side, scale).any((1, 3)).reshape(-1))


def _by_length(lessons: Sequence[Lesson]) -> list[list[Lesson]]:
    """Three groups of like length: less padding to compute."""
    ordered = sorted(lessons, key=lambda lesson: len(lesson.prompt) + len(lesson.answer))
    third = len(ordered) // 3
    return [ordered[:third], ordered[third : 2 * third], ordered[2 * third :]]


def answer_losses(
    model: Idefics3ForConditionalGeneration,
    seen: Float[Tensor, "n tokens dim"],
    lessons: Sequence[Lesson],
) -> Losses:
    """Cross-entropy of answers, a short one counting less than its tokens' share but not by much.

    A sum over tokens is divided by the root of their number, so that a report of fifty tokens
    weighs a few times a "yes", not fifty times.
    """
    rows = [[*lesson.prompt, *lesson.answer] for lesson in lessons]
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    starts = torch.tensor([len(lesson.prompt) for lesson in lessons])
    at = torch.arange(ids.shape[1])
    words = model.get_input_embeddings()(ids)
    is_image = ids == model.config.image_token_id
    chosen = seen[torch.tensor([lesson.image for lesson in lessons])]
    output = model.model.text_model(
        inputs_embeds=words.masked_scatter(is_image[..., None], chosen),
        attention_mask=(at < lengths[:, None]).long(),
        output_attentions=True,
        use_cache=False,
    )
    spoken_at = (at[1:] >= starts[:, None]) & (at[1:] < lengths[:, None])
    logits = model.lm_head(output.last_hidden_state[:, :-1][spoken_at])
    loss = functional.cross_entropy(logits, ids[:, 1:][spoken_at], reduction="none")
    weight = (1 / (lengths - starts).float().sqrt())[:, None].expand_as(spoken_at)[spoken_at]
    weights = output.attentions[LAYER][:, :HEADS]
    return Losses((loss * weight).sum() / len(rows), _place_loss(weights, lessons))


def _place_loss(
    attention: Float[Tensor, "n heads queries keys"], lessons: Sequence[Lesson]
) -> Tensor:
    """Minus log of the attention that the first word of an answer pays to the place in question."""
    about = [n for n, lesson in enumerate(lessons) if lesson.target.any()]
    if not about:
        return attention.new_zeros(())
    # the image stands at the same tokens in every prompt: start, "User", ":", fake, global
    first = lessons[0].prompt.index(max(set(lessons[0].prompt), key=lessons[0].prompt.count))
    asked = torch.tensor([len(lessons[n].prompt) - 1 for n in about])
    paid = attention[torch.tensor(about), :, asked][..., first : first + idefics.N_IMAGE_TOKENS]
    target = torch.from_numpy(np.stack([lessons[n].target for n in about]).astype(np.float32))
    return -torch.log((paid * target[:, None]).sum(-1) + 1e-4).mean()
