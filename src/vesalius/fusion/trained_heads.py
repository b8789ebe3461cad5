"""Heads that are trained by gradient: one loop for all networks, stopped early on val."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

from vesalius.fusion import networks
from vesalius.fusion.linear import class_weights
from vesalius.fusion.slots import Inputs, Labelled, Predict
from vesalius.models.threads import one_thread

Build = Callable[[Sequence[int], int, int], nn.Module]


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A trained network."""

    network: nn.Module

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return sum(p.numel() for p in self.network.parameters())

    def __call__(self, inputs: Inputs, /) -> Float[np.ndarray, "n classes"]:
        """Class probabilities."""
        with torch.inference_mode():
            logits = self.network(*_tensors(inputs))
        found: np.ndarray = logits.double().softmax(dim=1).numpy()
        return found


@dataclass(frozen=True, slots=True)
class Trained:
    """A network with the way it is trained.

    Weighted cross-entropy, in which all classes count the same, is minimised by Adam over shuffled
    batches; the state of least loss on val is kept. The same seed gives the same numbers on the
    same kind of processor.

    Attributes:
        name: of the head.
        build: widths of the slots, classes and hidden width → network.
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

    def fit(self, train: Labelled, val: Labelled, seed: int, /) -> Predict:
        """See the class."""
        with torch.random.fork_rng(devices=[]), one_thread():
            torch.manual_seed(seed)
            widths = [x.shape[1] for x in train.inputs.values]
            network = self.build(widths, train.n_classes, self.hidden)
            self._train(network, train, val)
        return Network(network.eval())

    def _train(self, network: nn.Module, train: Labelled, val: Labelled) -> None:
        loss_of_val = _loss(network, val)
        best, state, waited = loss_of_val(), copy.deepcopy(network.state_dict()), 0
        optimizer = torch.optim.AdamW(network.parameters(), lr=self.rate, weight_decay=self.decay)
        values, present = _tensors(train.inputs)
        labels, weights = _targets(train)
        for _ in range(self.epochs):
            for rows in torch.split(torch.randperm(len(labels)), self.batch):
                kept = present[rows] * self._kept(present[rows])
                shown = [v[rows] * kept[:, i : i + 1] for i, v in enumerate(values)]
                losses = functional.cross_entropy(
                    network(shown, kept), labels[rows], reduction="none"
                )
                optimizer.zero_grad()
                torch.autograd.backward((losses * weights[rows]).mean())
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
        if not self.dropout:
            return torch.ones_like(present)
        kept = (torch.rand(present.shape) >= self.dropout).float()
        alive = (kept * present).sum(dim=1, keepdim=True) > 0
        return torch.where(alive, kept, torch.ones_like(kept))


def _tensors(inputs: Inputs) -> tuple[list[torch.Tensor], torch.Tensor]:
    values = [torch.from_numpy(v.astype(np.float32)) for v in inputs.values]
    return values, torch.from_numpy(inputs.present.astype(np.float32))


def _targets(labelled: Labelled) -> tuple[torch.Tensor, torch.Tensor]:
    weights = class_weights(labelled.labels, labelled.n_classes).astype(np.float32)
    return torch.from_numpy(labelled.labels.astype(np.int64)), torch.from_numpy(weights)


def _loss(network: nn.Module, val: Labelled) -> Callable[[], float]:
    values, present = _tensors(val.inputs)
    labels, weights = _targets(val)

    def loss() -> float:
        with torch.inference_mode():
            losses = functional.cross_entropy(network(values, present), labels, reduction="none")
            return float((losses * weights).mean())

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
