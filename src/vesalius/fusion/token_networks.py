"""Networks that attend over patches and words; a slot of one vector a row is one token.

Every slot has a learnt token of its own beside those it is given, so that there is always one to
attend to, also where the slot is missing.
"""

import torch
from torch import nn
from torch.nn import functional

from vesalius.fusion.networks import Batch, Shape

HEADS = 4
BOTTLENECKS = 4
LAYERS = 2


class Attention(nn.Module):
    """Multi-head attention with a residual, then a small network with a residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: torch.Tensor, y: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """`x`, (n, q, width), after it looked at those of `y`, (n, k, width), that are there."""
        query = self.query(self.before(x))
        key, value = self.key_value(self.before(y)).chunk(2, dim=2)
        q, k, v = (t.unflatten(2, (HEADS, -1)).transpose(1, 2) for t in (query, key, value))
        allowed = (there > 0)[:, None, None, :]
        seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        found: torch.Tensor = x + self.think(x)
        return found


class Embedded(nn.Module):
    """What both networks share: tokens of every slot at one width, and the last layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.into = nn.ModuleList(nn.Linear(width, shape.hidden) for width in shape.widths)
        self.own = nn.Parameter(0.1 * torch.randn(len(shape.widths), shape.hidden))
        self.last = nn.LayerNorm(shape.hidden)
        self.out = nn.Linear(shape.hidden, shape.n_outputs)

    def tokens(self, batch: Batch) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Tokens of every slot with its own one first, and which of them are there."""
        embedded, there = [], []
        for layer, own, x, kept in zip(self.into, self.own, batch.tokens, batch.there, strict=True):
            first = own.expand(len(x), 1, -1)
            embedded.append(torch.cat([first, layer(x) * kept[:, :, None]], dim=1))
            there.append(torch.cat([torch.ones_like(kept[:, :1]), kept], dim=1))
        return embedded, there

    def told(self, found: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Outputs from the first tokens, (n, slots, hidden): the mean over slots that are there."""
        votes = batch.present[:, :, None]
        mean = (found * votes).sum(dim=1) / votes.sum(dim=1).clamp_min(1)
        outputs: torch.Tensor = self.out(self.last(mean))
        return outputs


class CrossAttention(Embedded):
    """Each slot gathers its own tokens and then looks at the tokens of all others."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        n = len(shape.widths)
        self.gather = nn.ModuleList(Attention(shape.hidden) for _ in range(n))
        self.cross = nn.ModuleList(Attention(shape.hidden) for _ in range(n))

    def forward(self, batch: Batch) -> torch.Tensor:
        """Outputs, (n, outputs)."""
        tokens, there = self.tokens(batch)
        own = [
            look(x[:, :1], x, kept)
            for look, x, kept in zip(self.gather, tokens, there, strict=True)
        ]
        found = []
        for i, look in enumerate(self.cross):
            others = [j for j in range(len(tokens)) if j != i] or [i]
            seen = torch.cat([tokens[j] for j in others], dim=1)
            kept = torch.cat([there[j] for j in others], dim=1)
            found.append(look(own[i], seen, kept))
        return self.told(torch.cat(found, dim=1), batch)


class Bottleneck(Embedded):
    """Slots exchange what they know through a few shared tokens only."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.shared = nn.Parameter(0.1 * torch.randn(BOTTLENECKS, shape.hidden))
        n = LAYERS * len(shape.widths)
        self.layers = nn.ModuleList(Attention(shape.hidden) for _ in range(n))

    def forward(self, batch: Batch) -> torch.Tensor:
        """Outputs, (n, outputs)."""
        tokens, there = self.tokens(batch)
        shared = self.shared.expand(len(batch.present), -1, -1)
        always = torch.ones_like(shared[:, :, 0])
        votes = batch.present.T[:, :, None, None]
        total = votes.sum(dim=0).clamp_min(1)
        looks = iter(self.layers)
        for _ in range(LAYERS):
            changed = []
            for i in range(len(tokens)):
                look = next(looks)
                row = torch.cat([shared, tokens[i]], dim=1)
                row = look(row, row, torch.cat([always, there[i]], dim=1))
                tokens[i] = row[:, BOTTLENECKS:]
                changed.append(row[:, :BOTTLENECKS])
            shared = (torch.stack(changed) * votes).sum(dim=0) / total
        return self.told(torch.stack([x[:, 0] for x in tokens], dim=1), batch)
