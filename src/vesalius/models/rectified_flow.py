"""Rectified flow: straight ways from noise to pictures, learnt as velocities, given embeddings.

Source: Liu, Gong and Liu (2023), "Flow straight and fast", arXiv:2209.03003, without its step of
straightening again; Ho and Salimans (2022), arXiv:2207.12598 (guidance).
"""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

from vesalius.errors import ModelError
from vesalius.models.flow_network import FlowNetwork
from vesalius.models.shuffled_weights import networks_of
from vesalius.models.threads import one_thread
from vesalius.views import Draw, FlowLesson, Material

LossOfVal = Callable[[nn.Module], float]
HALF = 127.5  # grey levels from 0 to 255 become -1 to 1
MEMORY = 0.99  # share of the averaged weights that stays at each step
TIMES = 4  # at which each val row is looked at
DRAWN = 16  # at once; always as many, so that no picture depends on how many there are


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Brings embeddings to mean 0 and, over all axes together, variance 1.

    Attributes:
        centre: mean of the train rows, (dim,).
        spread: root of their mean variance; 1 where all rows are the same.
    """

    centre: np.ndarray
    spread: float

    def __call__(self, features: Float[np.ndarray, "n dim"], /) -> torch.Tensor:
        """Scaled embeddings."""
        return torch.from_numpy(((features - self.centre) / self.spread).astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Where ways end, and what leads there: (n, 1, side, side) and (n, dim)."""

    pictures: torch.Tensor
    embeddings: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Times in [0, 1], (n,), and noise where ways begin, like the pictures."""

    times: torch.Tensor
    noise: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """A trained network that draws."""

    network: nn.Module
    scale: Scale
    lesson: FlowLesson
    device: torch.device

    def __call__(
        self,
        features: Float[np.ndarray, "n dim"],
        noise: Float[np.ndarray, "n side side"],
        /,
    ) -> Float[np.ndarray, "n pixels"]:
        """Grey levels, by Euler's method; each row depends on its own embedding and noise."""
        found = np.zeros((len(noise), self.lesson.side**2))
        for start in range(0, len(noise), DRAWN):
            some = slice(start, start + DRAWN)
            n_rows = len(noise[some])
            x = torch.zeros(DRAWN, 1, self.lesson.side, self.lesson.side)
            embeddings = torch.zeros(DRAWN, len(self.scale.centre))
            x[:n_rows, 0] = torch.from_numpy(noise[some].astype(np.float32))
            embeddings[:n_rows] = self.scale(features[some])
            with torch.inference_mode(), repeatable():
                drawn = self._followed(x.to(self.device), embeddings.to(self.device))
            found[some] = drawn.cpu().double().flatten(1).numpy()[:n_rows]
        return (found + 1) * HALF

    def _followed(self, x: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        guidance, n_steps = self.lesson.guidance, self.lesson.steps
        for step in range(n_steps):
            times = torch.full((len(x),), step / n_steps, device=x.device)
            velocity = self.network(x, times, embeddings)
            if guidance != 1:
                blind = self.network(x, times, torch.zeros_like(embeddings))
                velocity = blind + guidance * (velocity - blind)
            x = x + velocity / n_steps
        return x


def device_beside(model: object, /) -> torch.device:
    """Where the first weight of a model lies; the processor for a model without weights here."""
    weights = (weight for network in networks_of(model) for weight in network.parameters())
    return next((weight.device for weight in weights), torch.device("cpu"))


def learn_flow(
    lesson: FlowLesson,
    train: Material,
    val: Material,
    /,
    *,
    device: torch.device,
    advance: Callable[[int], None],
) -> Draw:
    """Train a network on rows of train; of val it sees only the loss.

    AdamW minimises the squared error of the velocity at times drawn uniformly. A running mean of
    the weights is what draws; it is kept as it was when its loss on val, always at the same times
    and from the same noise, was least, or without val rows as it is in the end. All that is drawn
    is drawn on the processor, so that it is the same on every device.

    Args:
        lesson: how.
        train: at least one row.
        val: may be empty.
        device: where the network lies.
        advance: is told of finished epochs; those that are not needed count as finished.

    Raises:
        ModelError: if learning diverges.
    """
    spread = math.sqrt(train.features.var(axis=0).mean())
    scale = Scale(train.features.mean(axis=0), spread if spread > 0 else 1.0)
    with torch.random.fork_rng(devices=[]), repeatable():
        torch.default_generator.manual_seed(lesson.seed)
        network = FlowNetwork(train.features.shape[1], lesson.channels, side=lesson.side)
        loss_of_val = _fixed_loss(_rows(val, scale, lesson, device)) if len(val.features) else None
        training = _Training(network.to(device), _rows(train, scale, lesson, device), lesson)
        drawing = _best(training, loss_of_val, advance)
    return Flow(drawing.eval(), scale, lesson, device)


@contextmanager
def repeatable() -> Iterator[None]:
    """One thread and no choice of fastest kernels: sums keep their order."""
    exact = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    with one_thread(), exact:
        yield


class _Training:
    """A network, the running mean of its weights, and steps that change both."""

    def __init__(self, network: FlowNetwork, train: Rows, lesson: FlowLesson) -> None:
        self.network, self.train, self.lesson = network, train, lesson
        self.averaged, self.n_steps = copy.deepcopy(network).requires_grad_(False), 0
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=lesson.rate)

    def epoch(self) -> None:
        """Every train row once."""
        pictures, embeddings = self.train.pictures, self.train.embeddings
        for rows in torch.split(torch.randperm(len(pictures)), self.lesson.batch):
            seen = (torch.rand(len(rows), 1) >= self.lesson.blind).float()
            drawn = Drawn(torch.rand(len(rows)), torch.randn(len(rows), *pictures.shape[1:]))
            shown = Rows(pictures[rows], embeddings[rows] * seen.to(embeddings.device))
            self.optimizer.zero_grad()
            torch.autograd.backward(_loss(self.network, shown, drawn))
            self.optimizer.step()
            self._average()

    @torch.no_grad()
    def _average(self) -> None:
        """The plain mean of the weights so far, later that of about the last hundred steps."""
        self.n_steps += 1
        share = max(1 - MEMORY, 1 / self.n_steps)
        for mean, new in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(new, share)


def _best(
    training: _Training, loss_of_val: LossOfVal | None, advance: Callable[[int], None]
) -> nn.Module:
    best, waited, n_left = math.inf, 0, training.lesson.epochs
    kept = training.averaged
    while n_left and waited <= training.lesson.patience:
        training.epoch()
        advance(1)
        n_left -= 1
        if loss_of_val is None:
            continue
        loss, waited = loss_of_val(training.averaged), waited + 1
        if loss < best:
            best, waited, kept = loss, 0, copy.deepcopy(training.averaged)
    advance(n_left)
    whole = all(bool(weight.isfinite().all()) for weight in kept.parameters())
    if not whole or (loss_of_val is not None and best == math.inf):
        raise ModelError(
            f"the flow diverged at a rate of {training.lesson.rate}; take a smaller `rate`"
        )
    return kept


def _fixed_loss(val: Rows) -> LossOfVal:
    """The mean loss over the val rows, each at times spread over [0, 1]."""
    n = len(val.pictures)
    draws = [
        Drawn((torch.rand(n) + part) / TIMES, torch.randn(val.pictures.shape))
        for part in range(TIMES)
    ]

    @torch.inference_mode()
    def loss(network: nn.Module) -> float:
        total = 0.0
        for drawn in draws:
            for rows in torch.split(torch.arange(n), 64):
                shown = Rows(val.pictures[rows], val.embeddings[rows])
                part = Drawn(drawn.times[rows], drawn.noise[rows])
                total += float(_loss(network, shown, part)) * len(rows)
        return total / (n * TIMES)

    return loss


def _loss(network: nn.Module, shown: Rows, drawn: Drawn) -> torch.Tensor:
    device = shown.pictures.device
    times, noise = drawn.times.to(device), drawn.noise.to(device)
    along = times[:, None, None, None]
    between = along * shown.pictures + (1 - along) * noise
    velocity = network(between, times, shown.embeddings)
    return functional.mse_loss(velocity, shown.pictures - noise)


def _rows(material: Material, scale: Scale, lesson: FlowLesson, device: torch.device) -> Rows:
    shape = (len(material.pictures), 1, lesson.side, lesson.side)
    pictures = torch.from_numpy((material.pictures / HALF - 1).astype(np.float32)).reshape(shape)
    return Rows(pictures.to(device), scale(material.features).to(device))
