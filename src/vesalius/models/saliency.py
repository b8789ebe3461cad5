"""Attribution from attention and its gradient."""

import torch
from jaxtyping import Float


def relevance(
    attention: Float[torch.Tensor, "heads queries keys"],
    gradient: Float[torch.Tensor, "heads queries keys"],
    /,
) -> Float[torch.Tensor, "queries keys"]:
    """Positive part of attention times its gradient, averaged over the heads.

    Source: Chefer et al. (2021), doi:10.1109/ICCV48922.2021.00045, equation 5.
    """
    return (attention * gradient).clamp(min=0).mean(0)
