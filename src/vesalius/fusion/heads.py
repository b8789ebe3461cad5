"""The heads by name, in the order of reports: linear ones first."""

from collections.abc import Mapping

from vesalius.fusion.closed_heads import Concat, LateAverage, ProductOfExperts
from vesalius.fusion.gap_head import GapShift
from vesalius.fusion.slots import Head
from vesalius.fusion.stacked_heads import Cca, LateStacking
from vesalius.fusion.trained_heads import (
    BILINEAR,
    BOTTLENECK,
    CROSS,
    FILM,
    GATED,
    MIXTURE,
    PRODUCT,
    SUM,
    TENSOR,
)

_ALL = (
    Concat(),
    LateAverage(),
    LateStacking(),
    ProductOfExperts(),
    Cca(),
    GapShift(),
    SUM,
    GATED,
    MIXTURE,
    PRODUCT,
    FILM,
    BILINEAR,
    TENSOR,
    CROSS,
    BOTTLENECK,
)
HEADS: Mapping[str, Head] = {head.name: head for head in _ALL}
