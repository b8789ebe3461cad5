"""Where BLIP-2 looks when it says a text: cross-attention of the Q-Former and its gradient."""

import numpy as np
import torch
from jaxtyping import Float

from vesalius.models.blip2_network import (
    Parts,
    answer_labels,
    answer_logits,
    ask,
    distil,
    patch_grid,
    see,
)
from vesalius.models.saliency import relevance
from vesalius.records import Image


def attribution(parts: Parts, image: Image, text: str, /) -> Float[np.ndarray, "rows cols"]:
    """Relevance of each patch to the log-likelihood of `text` as a caption.

    Mean over the layers with cross-attention of the positive part of attention times its
    gradient, averaged over heads and summed over queries; the class token's column is dropped.
    The vision tower mixes patches before, so the map says which tokens were read, not which pixels
    they came from.
    """
    with torch.no_grad():
        positions = see(parts, [image]).last_hidden_state
    with torch.enable_grad():
        output = distil(parts, positions, attentions=True)
        context = ask(parts, output.last_hidden_state, [""])
        labels = answer_labels(parts, [text])
        chosen = answer_logits(parts, context, labels).float().log_softmax(-1)
        likelihood = chosen.gather(-1, labels[..., None]).sum()
        gradients = torch.autograd.grad(likelihood, output.cross_attentions)
    layers = [
        relevance(attention[0].detach().float(), gradient[0].float())[:, 1:].sum(0)
        for attention, gradient in zip(output.cross_attentions, gradients, strict=True)
    ]
    grid = torch.stack(layers).mean(0).reshape(patch_grid(parts))
    return np.asarray(grid.cpu().numpy(), np.float32)
