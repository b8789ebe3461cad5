"""Heads that are trained by gradient: one loop for all networks, stopped early on val."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

from vesalius.fusion import networks, token_networks
from vesalius.fusion.answers import Answers, answers_of
from vesalius.fusion.networks import Batch, Build, Shape
from vesalius.fusion.slots import Channel, Examples, Inputs, Predict
from vesalius.models.threads import one_thread


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A trained network."""

    network: nn.Module
    is_class: bool

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return sum(p.numel() for p in self.network.parameters())

    def __call__(self, inputs: Inputs, /) -> Float[np.ndarray, "n outputs"]:
        """Answers of rows."""
        with torch.inference_mode():
            outputs = self.network(_batch(inputs)).double()
        found: np.ndarray = (outputs.softmax(dim=1) if self.is_class else outputs).numpy()
        return found


@dataclass(frozen=True, slots=True)
class Trained:
    """A network with the way it is trained.

    Weighted cross-entropy, in which all classes count the same, or the squared error of vectors
    is minimised by Adam over shuffled batches; the state of least loss on val is kept. The same
    seed gives the same numbers on the same kind of processor.

    Attributes:
        name: of the head.
        build: the network for a shape.
        source: the paper.
        hidden: common width of the projections.
        epochs: at most.
        patience: epochs without a better val loss, after which training stops.
        dropout: share of rows that lose each slot in training, so that a head learns to do
            without it; at least one slot stays.
    """

    name: str
    build: Build
    source: str
    hidden: int = 32
    epochs: int = 150
    patience: int = 20
    batch: int = 256
    rate: float = 0.01
    decay: float = 0.01
    dropout: float = 0.0

    def with_dropout(self, share: float, /) -> "Trained":
        """The same head, each slot lost in this share of train rows."""
        return replace(self, dropout=share)

    def fit(self, train: Examples, val: Examples, seed: int, /) -> Predict:
        """See the class."""
        answers = answers_of(train)
        is_class = answers.labels is not None
        widths = tuple(x.shape[1] for x in train.inputs.values)
        with torch.random.fork_rng(devices=[]), one_thread():
            torch.manual_seed(seed)
            network = self.build(Shape(widths, answers.n_outputs, is_class, self.hidden))
            self._train(network, (train, answers), val)
        return Network(network.eval(), is_class)

    def _train(self, network: nn.Module, train: tuple[Examples, Answers], val: Examples) -> None:
        loss_of_val = _val_loss(network, val)
        best, state, waited = loss_of_val(), copy.deepcopy(network.state_dict()), 0
        optimizer = torch.optim.AdamW(network.parameters(), lr=self.rate, weight_decay=self.decay)
        shown, losses_of = _batch(train[0].inputs), _losses(train[1])
        for _ in range(self.epochs):
            for rows in torch.split(torch.randperm(len(shown.present)), self.batch):
                some = shown.rows(rows)
                if self.dropout:
                    some = some.kept(self._kept(some.present))
                optimizer.zero_grad()
                torch.autograd.backward(losses_of(network(some), rows).mean())
                optimizer.step()
            loss = loss_of_val()
            waited += 1
            if loss < best:
                best, state, waited = loss, copy.deepcopy(network.state_dict()), 0
            if waited > self.patience:
                break
        network.load_state_dict(state)

    def _kept(self, present: torch.Tensor) -> torch.Tensor:
        """1 where a slot stays; a row that would lose all keeps all."""
        kept = (torch.rand(present.shape) >= self.dropout).float()
        alive = (kept * present).sum(dim=1, keepdim=True) > 0
        return torch.where(alive, kept, torch.ones_like(kept))


def _float(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _batch(inputs: Inputs) -> Batch:
    sequences = [_tokens(channel) for channel in inputs.channels]
    return Batch(
        [_float(v) for v in inputs.values],
        _float(inputs.present),
        [values for values, _ in sequences],
        [there for _, there in sequences],
    )


def _tokens(channel: Channel) -> tuple[torch.Tensor, torch.Tensor]:
    """Its tokens and which are there; the one vector of a slot without tokens."""
    if channel.tokens is None:
        return _float(channel.values[:, None]), _float(channel.present[:, None])
    return _float(channel.tokens.values), _float(channel.tokens.there)


def _losses(answers: Answers) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Weighted loss of each row of outputs, given which rows they are."""
    weights = _float(answers.weights)
    if answers.labels is None:
        targets = _float(answers.targets)
        return lambda outputs, rows: ((outputs - targets[rows]) ** 2).mean(dim=1)
    labels = torch.from_numpy(answers.labels.astype(np.int64))

    def losses(outputs: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(outputs, labels[rows], reduction="none") * weights[rows]

    return losses


def _val_loss(network: nn.Module, val: Examples) -> Callable[[], float]:
    shown, losses = _batch(val.inputs), _losses(answers_of(val))
    rows = torch.arange(len(shown.present))

    def loss() -> float:
        with torch.inference_mode():
            return float(losses(network(shown), rows).mean())

    return loss


SUM = Trained("sum", networks.Sum, "Baltrušaitis et al. (2019), doi:10.1109/TPAMI.2018.2798607")
PRODUCT = Trained("product", networks.Product, "Antol et al. (2015), arXiv:1505.00468")
GATED = Trained("gated", networks.Gated, "Arevalo et al. (2017), arXiv:1702.01992")
FILM = Trained("film", networks.Film, "Perez et al. (2018), arXiv:1709.07871")
BILINEAR = Trained(
    "low-rank-bilinear", networks.LowRankBilinear, "Kim et al. (2017), arXiv:1610.04325"
)
TENSOR = Trained("tensor", networks.LowRankTensor, "Liu et al. (2018), arXiv:1806.00064")
MIXTURE = Trained("moe", networks.Mixture, "Jacobs et al. (1991), doi:10.1162/neco.1991.3.1.79")
CROSS = Trained(
    "cross-attention",
    token_networks.CrossAttention,
    "Tsai et al. (2019), doi:10.18653/v1/P19-1656",
    rate=0.003,
    epochs=60,
    patience=10,
    batch=512,
)
BOTTLENECK = Trained(
    "bottleneck",
    token_networks.Bottleneck,
    "Nagrani et al. (2021), arXiv:2107.00135",
    rate=0.003,
    epochs=60,
    patience=10,
    batch=512,
)
