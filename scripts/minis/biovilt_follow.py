"""BioViL-T's second stage: texts, and what became of a finding since the study before.

The ResNet is finished and rests; its patches of every image are computed once, in several
augmentations, so that a step costs little more than reading.
"""

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from minis.biovilt_network import BiovilTPupil, seen
from minis.cohort import Cohort
from minis.training import COVERED, Losses, Schooling, advance, augment, optimizer_for
from vesalius.data.phantom_plan import KINDS, Kind
from vesalius.data.phantom_text import ABSENT, CHANGED, NAMES, pick

BATCH, BATCH_PAIRS, N_VERSIONS = 64, 48, 4
STATES = ("new", "unchanged", "resolved", "absent")
STATE_WEIGHT = torch.tensor([2.0, 2.0, 2.0, 0.5])  # most findings are absent at both visits


def state_text(kind: Kind, state: str, rng: np.random.Generator) -> str:
    """One sentence of a report about a finding and its past."""
    if state == "absent":
        return pick(rng, ABSENT[kind])
    return pick(rng, CHANGED[state]).format(name=NAMES[kind][0])


def state_of(kind: Kind, before: tuple[Kind, ...], now: tuple[Kind, ...]) -> int:
    """Place in `STATES` of what became of a finding between two visits."""
    if kind in now:
        return int(kind in before)
    return 2 if kind in before else 3


def visits(cohort: Cohort) -> Int[np.ndarray, "pairs two"]:
    """Rows of the two visits of every patient who has two: current, prior; and the other way."""
    rows = pairwise(range(len(cohort.plans)))
    same = [(a, b) for a, b in rows if cohort.plans[a][0].index == cohort.plans[b][0].index]
    return np.array([pair for a, b in same for pair in ((b, a), (a, b))])


@torch.no_grad()
def remember(school: Schooling, pupil: BiovilTPupil) -> Float[Tensor, "versions n d rows cols"]:
    """Patches of every image before they are projected, in several augmentations."""
    rng = np.random.default_rng([school.seed, 3])
    pupil.image.eval()
    encoder = pupil.image.encoder
    versions = []
    for version in range(N_VERSIONS):
        parts = []
        for start in range(0, len(school.cohort.images), 64):
            grey = torch.from_numpy(school.cohort.images[start : start + 64] / np.float32(255))
            grey = augment(grey, rng) if version else grey
            parts.append(
                encoder.backbone_to_vit(encoder.encoder(grey[:, None].expand(-1, 3, -1, -1)))
            )
        versions.append(torch.cat(parts))
        school.report(f"remembered {version + 1}/{N_VERSIONS}")
    return torch.stack(versions)


def project(
    pupil: BiovilTPupil,
    current: Float[Tensor, "n d rows cols"],
    prior: Float[Tensor, "n d rows cols"] | None = None,
) -> Float[Tensor, "n p rows cols"]:
    """Projected patches from remembered ones."""
    encoder = pupil.image.encoder
    if prior is None:
        change = encoder.missing_previous_emb.expand_as(current)
    else:
        change = encoder.vit_pooler(current, prior)
    return pupil.image.projector(torch.cat([current, change], dim=1))


def change_loss(
    school: Schooling,
    pairs: Int[np.ndarray, "n two"],
    whole: Float[Tensor, "n dim"],
    rng: np.random.Generator,
) -> Tensor:
    """Which of four sentences is true of each finding: new, unchanged, resolved, never there."""
    pupil, plans = school.pupil, school.cohort.plans
    texts = pupil.read([state_text(kind, state, rng) for kind in KINDS for state in STATES])
    logits = whole @ texts.T * pupil.logit_scale.exp()
    labels = [(plans[before][1].labels, plans[now][1].labels) for now, before in pairs]
    truth = torch.tensor([[state_of(kind, *visit) for kind in KINDS] for visit in labels])
    return functional.cross_entropy(
        logits.reshape(-1, len(STATES)), truth.reshape(-1), weight=STATE_WEIGHT
    )


def draw_pairs(
    real: Int[np.ndarray, "pairs two"], n_studies: int, rng: np.random.Generator
) -> Int[np.ndarray, "n two"]:
    """Three quarters are visits of one patient; the others are one study beside itself."""
    n_same = BATCH_PAIRS // 4
    chosen = real[rng.choice(len(real), BATCH_PAIRS - n_same)]
    same = rng.choice(n_studies, n_same)
    return np.concatenate([chosen, np.stack([same, same], axis=1)])


def follow(school: Schooling, pupil: BiovilTPupil, *, n_steps: int, peak: float = 1e-3) -> None:
    """Teach projector, transformer and text network; norms keep the statistics they have."""
    rng = np.random.default_rng([school.seed, 2])
    torch.manual_seed(school.seed + 1)
    memory, real = remember(school, pupil), visits(school.cohort)
    losses = Losses(school, rng)
    encoder = pupil.image.encoder
    for parameter in [*encoder.encoder.parameters(), *encoder.backbone_to_vit.parameters()]:
        parameter.requires_grad_(False)
    moving = [p for p in [*pupil.parameters(), losses.patch_scale] if p.requires_grad]
    optimizer, schedule = optimizer_for(moving, n_steps, peak)
    for step in range(n_steps):
        rows = rng.choice(len(school.cohort.images), BATCH, replace=False)
        marks = torch.from_numpy((school.cohort.coverage[rows] > COVERED).astype(np.float32))
        alone = seen(project(pupil, memory[int(rng.integers(N_VERSIONS)), rows]))
        pairs = draw_pairs(real, len(school.cohort.images), rng)
        versions = rng.permutation(N_VERSIONS)
        now, before = (memory[int(versions[k]), pairs[:, k]] for k in (0, 1))
        both = seen(project(pupil, now, before))
        parts = [
            losses.captions(rows, alone.whole),
            2 * losses.polarity(rows, alone.whole),
            0.7 * losses.patches(rows, alone.patches, marks),
            losses.polarity(pairs[:, 0], both.whole),
            2 * change_loss(school, pairs, both.whole, rng),
        ]
        advance(torch.stack(parts).sum(), moving, optimizer, schedule)
        if step % 50 == 49:
            values = ", ".join(f"{part.item():.3f}" for part in parts)
            school.report(f"followed {step + 1}/{n_steps}: caption … change {values}")
