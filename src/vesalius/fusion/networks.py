"""Small networks that join slots; each maps values and presence to logits.

In all of them a missing slot is left out of sums, is a factor of 1 in products, and has no vote.
"""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import nn

Values = Sequence[torch.Tensor]


class Joint(nn.Module):
    """What the networks share: a layer per slot to a common width, and the last layer."""

    def __init__(self, widths: Sequence[int], n_classes: int, hidden: int) -> None:
        super().__init__()
        self.into = nn.ModuleList(nn.Linear(width, hidden) for width in widths)
        self.out = nn.Linear(hidden, n_classes)

    def hidden(self, values: Values, present: torch.Tensor) -> list[torch.Tensor]:
        """Each slot at the common width, bounded; 0 where it is missing."""
        return [
            torch.tanh(layer(x)) * present[:, i : i + 1]
            for i, (layer, x) in enumerate(zip(self.into, values, strict=True))
        ]


class Sum(Joint):
    """The slots' bounded projections added up."""

    def forward(self, values: Values, present: torch.Tensor) -> torch.Tensor:
        """Logits, (n, classes)."""
        found: torch.Tensor = self.out(torch.stack(self.hidden(values, present)).sum(dim=0))
        return found


class Product(Joint):
    """One plus each slot's projection, multiplied element by element."""

    def forward(self, values: Values, present: torch.Tensor) -> torch.Tensor:
        """Logits, (n, classes)."""
        factors = [1 + h for h in self.hidden(values, present)]
        found: torch.Tensor = self.out(torch.stack(factors).prod(dim=0))
        return found


class LowRankBilinear(Joint):
    """Products of all pairs of bounded projections, added up, beside the projections themselves."""

    def forward(self, values: Values, present: torch.Tensor) -> torch.Tensor:
        """Logits, (n, classes)."""
        slots = self.hidden(values, present)
        pairs = [x * y for x, y in combinations(slots, 2)]
        found: torch.Tensor = self.out(torch.stack([*slots, *pairs]).sum(dim=0))
        return found


class Gated(Joint):
    """A weighted mean of the slots' projections; all slots together decide on the weights."""

    def __init__(self, widths: Sequence[int], n_classes: int, hidden: int) -> None:
        super().__init__(widths, n_classes, hidden)
        self.gates = nn.Linear(sum(widths), len(widths) * hidden)

    def forward(self, values: Values, present: torch.Tensor) -> torch.Tensor:
        """Logits, (n, classes)."""
        slots = torch.stack(self.hidden(values, present), dim=1)
        gates = self.gates(torch.cat(list(values), dim=1)).view(slots.shape)
        weights = _shares(gates, present[:, :, None])
        found: torch.Tensor = self.out((weights * slots).sum(dim=1))
        return found


class Film(Joint):
    """The first slot's projection, scaled and shifted by each of the others."""

    def __init__(self, widths: Sequence[int], n_classes: int, hidden: int) -> None:
        super().__init__(widths, n_classes, hidden)
        self.changes = nn.ModuleList(nn.Linear(width, 2 * hidden) for width in widths[1:])

    def forward(self, values: Values, present: torch.Tensor) -> torch.Tensor:
        """Logits, (n, classes)."""
        h = self.hidden(values, present)[0]
        for i, (change, x) in enumerate(zip(self.changes, values[1:], strict=True), start=1):
            scale, shift = (change(x) * present[:, i : i + 1]).chunk(2, dim=1)
            h = (1 + scale) * h + shift
        found: torch.Tensor = self.out(torch.tanh(h))
        return found


class LowRankTensor(nn.Module):
    """The tensor of all products across slots, at low rank."""

    def __init__(
        self, widths: Sequence[int], n_classes: int, hidden: int, *, rank: int = 4
    ) -> None:
        super().__init__()
        self.rank = rank
        factors = [nn.Linear(width, rank * hidden) for width in widths]
        for factor in factors:
            nn.init.normal_(factor.bias, mean=1.0, std=0.1)  # a slot at its mean changes little
        self.factors = nn.ModuleList(factors)
        self.out = nn.Linear(hidden, n_classes)

    def forward(self, values: Values, present: torch.Tensor) -> torch.Tensor:
        """Logits, (n, classes)."""
        product = torch.ones(())
        for i, (factor, x) in enumerate(zip(self.factors, values, strict=True)):
            found = factor(x)
            product = product * torch.where(present[:, i : i + 1] > 0, found, torch.ones(()))
        joined = product.view(len(present), self.rank, -1).mean(dim=1)
        logits: torch.Tensor = self.out(joined)
        return logits


class Mixture(nn.Module):
    """An expert for each slot and one for all together; a gate says how much each counts."""

    def __init__(self, widths: Sequence[int], n_classes: int, hidden: int) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(width, n_classes) for width in widths)
        self.together = nn.Sequential(
            nn.Linear(sum(widths), hidden), nn.Tanh(), nn.Linear(hidden, n_classes)
        )
        self.gate = nn.Linear(sum(widths) + len(widths), len(widths) + 1)

    def forward(self, values: Values, present: torch.Tensor) -> torch.Tensor:
        """Log-probabilities, (n, classes)."""
        together = torch.cat(list(values), dim=1)
        said = [expert(x) for expert, x in zip(self.experts, values, strict=True)]
        logits = torch.stack([*said, self.together(together)], dim=1)
        gates = self.gate(torch.cat([together, present], dim=1))
        votes = torch.cat([present, torch.ones_like(present[:, :1])], dim=1)
        weights = _shares(gates, votes)[:, :, None]
        return (weights * logits.softmax(dim=2)).sum(dim=1).clamp_min(1e-12).log()


def _shares(gates: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Softmax along the slots over those that are present; 0 where none is."""
    raised = gates - gates.amax(dim=1, keepdim=True)
    votes = raised.exp() * present
    return votes / votes.sum(dim=1, keepdim=True).clamp_min(1e-12)
