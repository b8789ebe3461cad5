"""Small networks that join slots; each maps a batch to logits, or to vectors.

In all of them a missing slot is left out of sums, is a factor of 1 in products, and has no vote.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import nn


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows as networks see them, float32.

    Attributes:
        values: per slot (n, width); 0 where it is missing.
        present: (n, slots); 1 where a slot is there.
        tokens: per slot (n, tokens, width); of a slot without tokens its one vector.
        there: per slot (n, tokens); 1 where a token is there.
    """

    values: Sequence[torch.Tensor]
    present: torch.Tensor
    tokens: Sequence[torch.Tensor]
    there: Sequence[torch.Tensor]

    def rows(self, index: torch.Tensor, /) -> "Batch":
        """Some rows."""
        return Batch(
            [v[index] for v in self.values],
            self.present[index],
            [t[index] for t in self.tokens],
            [t[index] for t in self.there],
        )

    def kept(self, kept: torch.Tensor, /) -> "Batch":
        """Slots missing where `kept`, (n, slots), is 0."""
        columns = [kept[:, i : i + 1] for i in range(kept.shape[1])]
        return Batch(
            [v * k for v, k in zip(self.values, columns, strict=True)],
            self.present * kept,
            [t * k[:, :, None] for t, k in zip(self.tokens, columns, strict=True)],
            [t * k for t, k in zip(self.there, columns, strict=True)],
        )


@dataclass(frozen=True, slots=True)
class Shape:
    """What a network is built for.

    Attributes:
        widths: of the slots.
        n_outputs: classes, or length of the vectors.
        is_class: whether outputs are logits.
        hidden: common width of the projections.
    """

    widths: tuple[int, ...]
    n_outputs: int
    is_class: bool
    hidden: int


Build = Callable[[Shape], nn.Module]


class Joint(nn.Module):
    """What the networks share: a layer per slot to a common width, and the last layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.into = nn.ModuleList(nn.Linear(width, shape.hidden) for width in shape.widths)
        self.out = nn.Linear(shape.hidden, shape.n_outputs)

    def hidden(self, batch: Batch) -> list[torch.Tensor]:
        """Each slot at the common width, bounded; 0 where it is missing."""
        return [
            torch.tanh(layer(x)) * batch.present[:, i : i + 1]
            for i, (layer, x) in enumerate(zip(self.into, batch.values, strict=True))
        ]


class Sum(Joint):
    """The slots' bounded projections added up."""

    def forward(self, batch: Batch) -> torch.Tensor:
        """Outputs, (n, outputs)."""
        found: torch.Tensor = self.out(torch.stack(self.hidden(batch)).sum(dim=0))
        return found


class Product(Joint):
    """One plus each slot's projection, multiplied element by element."""

    def forward(self, batch: Batch) -> torch.Tensor:
        """Outputs, (n, outputs)."""
        factors = [1 + h for h in self.hidden(batch)]
        found: torch.Tensor = self.out(torch.stack(factors).prod(dim=0))
        return found


class LowRankBilinear(Joint):
    """Products of all pairs of bounded projections, added up, beside the projections themselves."""

    def forward(self, batch: Batch) -> torch.Tensor:
        """Outputs, (n, outputs)."""
        slots = self.hidden(batch)
        pairs = [x * y for x, y in combinations(slots, 2)]
        found: torch.Tensor = self.out(torch.stack([*slots, *pairs]).sum(dim=0))
        return found


class Gated(Joint):
    """A weighted mean of the slots' projections; all slots together decide on the weights."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.gates = nn.Linear(sum(shape.widths), len(shape.widths) * shape.hidden)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Outputs, (n, outputs)."""
        slots = torch.stack(self.hidden(batch), dim=1)
        gates = self.gates(torch.cat(list(batch.values), dim=1)).view(slots.shape)
        weights = _shares(gates, batch.present[:, :, None])
        found: torch.Tensor = self.out((weights * slots).sum(dim=1))
        return found


class Film(Joint):
    """The first slot's projection, scaled and shifted by each of the others."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.changes = nn.ModuleList(
            nn.Linear(width, 2 * shape.hidden) for width in shape.widths[1:]
        )

    def forward(self, batch: Batch) -> torch.Tensor:
        """Outputs, (n, outputs)."""
        h = self.hidden(batch)[0]
        for i, (change, x) in enumerate(zip(self.changes, batch.values[1:], strict=True), start=1):
            scale, shift = (change(x) * batch.present[:, i : i + 1]).chunk(2, dim=1)
            h = (1 + scale) * h + shift
        found: torch.Tensor = self.out(torch.tanh(h))
        return found


class LowRankTensor(nn.Module):
    """The tensor of all products across slots, at low rank."""

    def __init__(self, shape: Shape, *, rank: int = 4) -> None:
        super().__init__()
        self.rank = rank
        factors = [nn.Linear(width, rank * shape.hidden) for width in shape.widths]
        for factor in factors:
            nn.init.normal_(factor.bias, mean=1.0, std=0.1)  # a slot at its mean changes little
        self.factors = nn.ModuleList(factors)
        self.out = nn.Linear(shape.hidden, shape.n_outputs)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Outputs, (n, outputs)."""
        product = torch.ones(())
        for i, (factor, x) in enumerate(zip(self.factors, batch.values, strict=True)):
            found = factor(x)
            product = product * torch.where(batch.present[:, i : i + 1] > 0, found, torch.ones(()))
        joined = product.view(len(batch.present), self.rank, -1).mean(dim=1)
        outputs: torch.Tensor = self.out(joined)
        return outputs


class Mixture(nn.Module):
    """An expert for each slot and one for all together; a gate says how much each counts."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        total, n_outputs = sum(shape.widths), shape.n_outputs
        self.is_class = shape.is_class
        self.experts = nn.ModuleList(nn.Linear(width, n_outputs) for width in shape.widths)
        self.together = nn.Sequential(
            nn.Linear(total, shape.hidden), nn.Tanh(), nn.Linear(shape.hidden, n_outputs)
        )
        self.gate = nn.Linear(total + len(shape.widths), len(shape.widths) + 1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Log-probabilities, or vectors; (n, outputs)."""
        together = torch.cat(list(batch.values), dim=1)
        said = [expert(x) for expert, x in zip(self.experts, batch.values, strict=True)]
        outputs = torch.stack([*said, self.together(together)], dim=1)
        gates = self.gate(torch.cat([together, batch.present], dim=1))
        votes = torch.cat([batch.present, torch.ones_like(batch.present[:, :1])], dim=1)
        weights = _shares(gates, votes)[:, :, None]
        if not self.is_class:
            return (weights * outputs).sum(dim=1)
        return (weights * outputs.softmax(dim=2)).sum(dim=1).clamp_min(1e-12).log()


def _shares(gates: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Softmax along the slots over those that are present; 0 where none is."""
    raised = gates - gates.amax(dim=1, keepdim=True)
    votes = raised.exp() * present
    return votes / votes.sum(dim=1, keepdim=True).clamp_min(1e-12)
