"""Strict loading for networks that are written here: state dictionaries into torch modules."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from pickle import UnpicklingError
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from vesalius.errors import ModelError
from vesalius.models.checkpoint import Checkpoint

Network = TypeVar("Network", bound=torch.nn.Module)


def read_state(checkpoint: Checkpoint, name: str, /) -> dict[str, torch.Tensor]:
    """Tensors of one weight file as float32, whatever precision they are stored in.

    A pickle is read with ``weights_only=True``; that its hash is known was settled when the
    checkpoint was opened.

    Args:
        checkpoint: must list the file, so that it has been hashed.
        name: file name, safetensors or a pickle.

    Raises:
        ModelError: if the file is not listed, cannot be read or holds anything but named tensors.
    """
    if name not in checkpoint.files:
        raise ModelError(f"{checkpoint.folder}: without {name}, which this adapter reads")
    path = checkpoint.folder / name
    try:
        if path.suffix == ".safetensors":
            state: object = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, OSError, EOFError, RuntimeError) as error:
        raise ModelError(
            f"{path}: cannot read the weights: {error}; copy or download them again"
        ) from error
    return _named_tensors(state, path)


def _named_tensors(state: object, path: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = {}
    for key, value in state.items() if isinstance(state, Mapping) else [("", state)]:
        if not (isinstance(key, str) and key and isinstance(value, torch.Tensor)):
            raise ModelError(
                f"{path}: expected tensors by name, got {type(value).__name__} at {key!r}"
            )
        tensors[key] = value.float() if value.is_floating_point() else value
    return tensors


def fill(
    network: Network,
    state: Mapping[str, torch.Tensor],
    /,
    *,
    source: Path,
    unused: tuple[str, ...] = (),
) -> Network:
    """`network` with exactly the tensors of `state`, in evaluation mode.

    Args:
        network: its parameters and buffers are replaced; may lie on the meta device.
        state: tensors by the network's own names.
        source: the file, for messages.
        unused: patterns of names that the file holds and the network has no use for.

    Raises:
        ModelError: if a tensor is missing, left over or of another shape; lists them all.
    """
    wanted = network.state_dict()
    left_over = sorted(
        name
        for name in state.keys() - wanted.keys()
        if not any(fnmatchcase(name, pattern) for pattern in unused)
    )
    misshapen = sorted(
        f"{name} (file {tuple(state[name].shape)}, model {tuple(wanted[name].shape)})"
        for name in state.keys() & wanted.keys()
        if state[name].shape != wanted[name].shape
    )
    faults = {
        "missing": sorted(wanted.keys() - state.keys()),
        "unexpected": left_over,
        "of another shape": misshapen,
    }
    found = [f"{kind}: {', '.join(names)}" for kind, names in faults.items() if names]
    if found:
        raise ModelError(
            f"{source}: the weights do not fit this architecture; {'; '.join(found)}. "
            "The file belongs to another model or is incomplete"
        )
    network.load_state_dict({name: state[name] for name in wanted}, strict=True, assign=True)
    return network.eval()
