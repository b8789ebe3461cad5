"""Parameters and arithmetic of a network on the meta device: shapes without numbers.

The counter sees matrix products, convolutions and attention, two operations per
multiply-accumulate. Networks are built with plain (``eager``) attention, whose products are
counted whatever kernel a run would choose; a causal mask saves nothing of it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers.utils import logging

META = torch.device("meta")


@contextmanager
def _quietly() -> Iterator[None]:
    """Advice on how to train or generate is of no use to a network without numbers."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def on_meta(build: Callable[[], Any], /) -> Any:
    """The network that `build` makes, without memory for its numbers, in evaluation mode."""
    with _quietly(), META:
        return build().eval().requires_grad_(False)


def from_config(model_class: Any, config: Any, /) -> Any:
    """A transformers model of `config` on the meta device, with attention that can be counted."""
    return on_meta(lambda: model_class._from_config(config, attn_implementation="eager"))


def plain_attention(build: Callable[[], Any], /) -> Any:
    """The transformers model that `build` makes, on the meta device, with countable attention."""
    model = on_meta(build)
    model.set_attn_implementation("eager")
    return model


def n_parameters(modules: Iterable[torch.nn.Module], /) -> int:
    """Number of parameters of all `modules`; a tensor that is used twice counts once."""
    seen = {id(p): p.numel() for module in modules for p in module.parameters()}
    return sum(seen.values())


def count_flops(forward: Callable[[], object], /) -> int:
    """Floating point operations of one call."""
    with _quietly(), FlopCounterMode(display=False) as counter:
        forward()
    return int(counter.get_total_flops())


def tensor(*shape: int) -> torch.Tensor:
    """A float tensor of that shape on the meta device."""
    return torch.empty(*shape, device=META)


def token_ids(length: int, /) -> torch.Tensor:
    """One row of token ids on the meta device."""
    return torch.empty(1, length, dtype=torch.long, device=META)


def attention_mask(length: int, /) -> torch.Tensor:
    """A finished mask for one row; a model would have to read numbers to make one by itself."""
    return tensor(1, 1, length, length)
