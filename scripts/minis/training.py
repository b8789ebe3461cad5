"""Two stages for any dual encoder: supervised on findings and masks, then contrastive with text."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from minis.cohort import Cohort
from minis.network import Seen
from minis.texts import caption, phrase, prompt_pair, structure_prompt
from vesalius.data.phantom_plan import KINDS, Finding, StudyPlan
from vesalius.data.phantom_study import STRUCTURES

BATCH_SUPERVISED, BATCH_CONTRASTIVE = 32, 64
COVERED = np.full(len(STRUCTURES), 0.25, np.float32)  # share that makes a patch part of it
COVERED[STRUCTURES["nodule"] - 1] = 0.08  # a nodule may lie across four patches
PATCH_WEIGHT = torch.tensor([6.0 if name == "nodule" else 2.0 for name in STRUCTURES])
PLACES = [(kind, side) for kind in KINDS[:4] for side in ("right", "left")] + [
    ("cardiomegaly", "midline")
]
ZONED = [(kind, zone) for kind in ("nodule", "consolidation") for zone in ("upper", "mid", "lower")]

Report = Callable[[str], None]


class Pupil(Protocol):
    """A dual encoder that learns: how it sees, how it reads, and what of it moves."""

    @property
    def dim(self) -> int:
        """Dimensions of the shared space."""
        ...

    @property
    def logit_scale(self) -> nn.Parameter:
        """Logarithm of the factor from cosine to logit."""
        ...

    def image_parameters(self) -> list[nn.Parameter]:
        """Of the image side."""
        ...

    def parameters(self) -> list[nn.Parameter]:
        """Of both sides, with the scale."""
        ...

    def see(self, grey: Float[Tensor, "n h w"], /) -> Seen:
        """Unit embeddings of images and of their cells; display values in [0, 1]."""
        ...

    def read(self, texts: list[str], /) -> Float[Tensor, "n dim"]:
        """Unit embeddings of texts."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Schooling:
    """Everything that a stage trains on."""

    pupil: Pupil
    cohort: Cohort
    style: str
    seed: int
    report: Report


def targets(study: StudyPlan) -> list[float]:
    """Which finding on which side, which in which zone, and the five kinds."""
    sided = {(f.kind, f.side) for f in study.findings}
    zoned = {(f.kind, f.zone) for f in study.findings}
    marks = [place in sided for place in PLACES] + [place in zoned for place in ZONED]
    return [float(mark) for mark in [*marks, *(kind in study.labels for kind in KINDS)]]


def augment(grey: Float[Tensor, "n h w"], rng: np.random.Generator) -> Float[Tensor, "n h w"]:
    """Jitter brightness, contrast and gamma, shift by up to 4 pixels, add noise."""
    n = len(grey)
    gain, lift, gamma = (
        torch.tensor(rng.uniform(low, high, (n, 1, 1)), dtype=torch.float32)
        for low, high in ((0.85, 1.15), (-0.06, 0.06), (0.8, 1.25))
    )
    grey = ((grey.clamp(1e-4, 1) ** gamma - 0.5) * gain + 0.5 + lift).clamp(0, 1)
    padded = functional.pad(grey[:, None], (4, 4, 4, 4), mode="replicate")[:, 0]
    dy, dx = rng.integers(0, 9, (2, n))
    h, w = grey.shape[1:]
    moved = [padded[i, dy[i] : dy[i] + h, dx[i] : dx[i] + w] for i in range(n)]
    noise = torch.tensor(rng.normal(0, 0.015, grey.shape), dtype=torch.float32)
    return (torch.stack(moved) + noise).clamp(0, 1)


def _batch(cohort: Cohort, rng: np.random.Generator, n: int) -> tuple[np.ndarray, Tensor, Tensor]:
    """Row numbers, augmented images and patch marks of one batch."""
    rows = rng.choice(len(cohort.images), n, replace=False)
    grey = torch.from_numpy(cohort.images[rows].astype(np.float32) / 255)
    marks = torch.from_numpy((cohort.coverage[rows] > COVERED).astype(np.float32))
    return rows, augment(grey, rng), marks


def optimizer_for(
    parameters: list[nn.Parameter], n_steps: int, peak: float
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW with one cycle: a tenth of the steps up to `peak`, the rest down."""
    optimizer = torch.optim.AdamW(
        parameters, lr=peak, weight_decay=0.02, betas=(0.9, 0.98), fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=peak, total_steps=n_steps, pct_start=0.1, anneal_strategy="cos"
    )
    return optimizer, schedule


def supervise(school: Schooling, *, n_steps: int, peak: float = 1.2e-3) -> None:
    """Teach the image tower findings (whole image) and structures (patches)."""
    rng = np.random.default_rng([school.seed, 1])
    torch.manual_seed(school.seed)
    pupil = school.pupil
    truth = torch.tensor([targets(study) for _, study in school.cohort.plans])
    whole, dense = nn.Linear(pupil.dim, truth.shape[1]), nn.Linear(pupil.dim, len(STRUCTURES))
    tower = pupil.image_parameters()
    heads = [*whole.parameters(), *dense.parameters()]
    optimizer, schedule = optimizer_for([*tower, *heads], n_steps, peak)
    for step in range(n_steps):
        rows, grey, marks = _batch(school.cohort, rng, BATCH_SUPERVISED)
        seen = pupil.see(grey)
        global_loss = functional.binary_cross_entropy_with_logits(
            whole(seen.whole * 8), truth[rows], pos_weight=torch.tensor(2.0)
        )
        patch_loss = functional.binary_cross_entropy_with_logits(
            dense(seen.patches * 8), marks, pos_weight=PATCH_WEIGHT
        )
        loss = 2 * global_loss + 2 * patch_loss
        advance(loss, [*tower, *heads], optimizer, schedule)
        if step % 50 == 49:
            values = f"{global_loss.item():.3f} patches {patch_loss.item():.3f}"
            school.report(f"supervised {step + 1}/{n_steps}: findings {values}")


def advance(
    loss: Tensor,
    parameters: list[nn.Parameter],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    """One step down the gradient, clipped to norm one."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    schedule.step()


def meaning(study: StudyPlan) -> frozenset[tuple[str, str, str]]:
    """What two captions must share to be right for each other: findings with side and zone."""
    return frozenset((f.kind, f.side, f.zone) for f in study.findings)


class Losses:
    """The three questions of the contrastive stage; holds the scale of the patch question."""

    def __init__(self, school: Schooling, rng: np.random.Generator) -> None:
        self.school, self.rng = school, rng
        self.patch_scale = nn.Parameter(torch.tensor([8.0, -1.0]))

    def captions(self, rows: np.ndarray, whole: Float[Tensor, "n dim"]) -> Tensor:
        """Which caption belongs to which image; equal meanings share the credit."""
        plans = [self.school.cohort.plans[row] for row in rows]
        style = self.school.style
        texts = [caption(*plan, self.rng, style=style) for plan in plans]
        logits = whole @ self.school.pupil.read(texts).T * self.school.pupil.logit_scale.exp()
        keys = [meaning(study) for _, study in plans]
        same = torch.tensor([[float(a == b) for b in keys] for a in keys])
        share = same / same.sum(1, keepdim=True)
        loss = functional.cross_entropy(logits, share) + functional.cross_entropy(logits.T, share)
        return loss / 2

    def polarity(self, rows: np.ndarray, whole: Float[Tensor, "n dim"]) -> Tensor:
        """Is the finding there: the sentence with it against the same sentence with "no"."""
        pairs = [prompt_pair(kind, self.rng) for kind in KINDS for _ in range(2)]
        text = self.school.pupil.read([text for pair in pairs for text in pair])
        logits = whole @ text.T * self.school.pupil.logit_scale.exp()
        labels = [self.school.cohort.plans[row][1].labels for row in rows]
        truth = [[float(kind in there) for kind in KINDS for _ in range(2)] for there in labels]
        gap = logits[:, 0::2] - logits[:, 1::2]
        return functional.binary_cross_entropy_with_logits(gap, torch.tensor(truth))

    def patches(
        self, rows: np.ndarray, patches: Float[Tensor, "n patches dim"], marks: Tensor
    ) -> Tensor:
        """Where is it: structure names over all images, one sided phrase per image."""
        names = self.school.pupil.read([structure_prompt(name, self.rng) for name in STRUCTURES])
        scale, shift = self.patch_scale
        loss = functional.binary_cross_entropy_with_logits(
            patches @ names.T * scale + shift, marks, pos_weight=PATCH_WEIGHT
        )
        chosen = [(place, *self._sided(row)) for place, row in enumerate(rows)]
        chosen = [item for item in chosen if item[1]]
        texts = self.school.pupil.read([text for _, text, _ in chosen])
        wanted = torch.stack([torch.from_numpy(mark) for _, _, mark in chosen])
        index = torch.tensor([place for place, _, _ in chosen])
        scores = (patches[index] * texts[:, None]).sum(-1) * scale + shift
        return loss + functional.binary_cross_entropy_with_logits(
            scores, wanted, pos_weight=torch.tensor(2.0)
        )

    def _sided(self, row: int) -> tuple[str, np.ndarray]:
        """One finding of a study in words, and the patches it covers; no words without one."""
        study = self.school.cohort.plans[row][1]
        local = [f for f in study.findings if f.kind != "cardiomegaly"]
        if not local:
            return "", np.zeros(self.school.cohort.coverage.shape[1], np.float32)
        finding: Finding = local[int(self.rng.integers(len(local)))]
        layer = STRUCTURES[finding.kind] - 1
        cover = self.school.cohort.coverage[row][:, layer] > COVERED[layer]
        grid = self.school.cohort.grid
        cover = cover.reshape(grid, grid).copy()
        # the patient's right is on the image's left
        cover[:, (grid + 1) // 2 :] &= finding.side != "right"
        cover[:, : grid // 2] &= finding.side != "left"
        return phrase(finding, self.rng), cover.reshape(-1).astype(np.float32)


def contrast(school: Schooling, *, n_steps: int, peak: float = 8e-4) -> None:
    """Teach both towers captions, prompts of both polarities, and words for patches."""
    rng = np.random.default_rng([school.seed, 2])
    torch.manual_seed(school.seed + 1)
    losses = Losses(school, rng)
    pupil = school.pupil
    parameters = [*pupil.parameters(), losses.patch_scale]
    optimizer, schedule = optimizer_for(parameters, n_steps, peak)
    for step in range(n_steps):
        rows, grey, marks = _batch(school.cohort, rng, BATCH_CONTRASTIVE)
        seen = pupil.see(grey)
        parts = [
            losses.captions(rows, seen.whole),
            2 * losses.polarity(rows, seen.whole),
            0.7 * losses.patches(rows, seen.patches, marks),
        ]
        advance(torch.stack(parts).sum(), parameters, optimizer, schedule)
        with torch.no_grad():
            pupil.logit_scale.clamp_(0, float(np.log(100)))
        if step % 50 == 49:
            values = ", ".join(f"{part.item():.3f}" for part in parts)
            school.report(f"contrastive {step + 1}/{n_steps}: caption, polarity, patch {values}")
