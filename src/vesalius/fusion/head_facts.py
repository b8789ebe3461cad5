"""What every head does, in one sentence, and where it is from: shared by page and documents."""

from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """One head in words.

    Attributes:
        sentence: how it joins inputs.
        source: the paper, with DOI or arXiv number; empty for a head of the user's own.
    """

    sentence: str
    source: str = ""


OWN = HeadFacts("A head of your own.")
HEAD_FACTS: Mapping[str, HeadFacts] = {
    "concat": HeadFacts(
        "Inputs side by side, then a linear map.",
        "Baltrušaitis et al. (2019), doi:10.1109/TPAMI.2018.2798607",
    ),
    "late-average": HeadFacts(
        "Each input answers alone; the mean of the answers.",
        "Kittler et al. (1998), doi:10.1109/34.667881",
    ),
    "late-stacking": HeadFacts(
        "Each input answers alone; a linear map from the answers.",
        "Wolpert (1992), doi:10.1016/S0893-6080(05)80023-1",
    ),
    "product-of-experts": HeadFacts(
        "Each input answers alone; the product of the answers over the prior.",
        "Hinton (2002), doi:10.1162/089976602760128018",
    ),
    "cca": HeadFacts(
        "Only what the inputs have in common, then a linear map.",
        "Kettenring (1971), doi:10.1093/biomet/58.3.433",
    ),
    "gap-shift": HeadFacts(
        "Inputs of one embedding space are moved towards each other and averaged.",
        "Liang et al. (2022), arXiv:2203.02053",
    ),
    "sum": HeadFacts("Projections of the inputs, added up.", SUM.source),
    "gated": HeadFacts(
        "Projections averaged with weights that all inputs decide on together.", GATED.source
    ),
    "moe": HeadFacts(
        "An expert for each input and one for all; a gate weighs their votes.", MIXTURE.source
    ),
    "product": HeadFacts("Projections of the inputs, multiplied.", PRODUCT.source),
    "film": HeadFacts(
        "The first input, scaled and shifted by each of the others.", FILM.source
    ),
    "low-rank-bilinear": HeadFacts(
        "Products of all pairs of projections beside the projections.", BILINEAR.source
    ),
    "tensor": HeadFacts("All products across inputs, at low rank.", TENSOR.source),
    "cross-attention": HeadFacts(
        "Each input looks at the patches and words of all others.", CROSS.source
    ),
    "bottleneck": HeadFacts(
        "Inputs exchange what they know through a few shared tokens.", BOTTLENECK.source
    ),
}  # fmt: skip


def facts_of(name: str, /) -> HeadFacts:
    """Facts of a head, whatever options stand in brackets after its name.

    >>> facts_of("gated[dropout=0.3]").source
    'Arevalo et al. (2017), arXiv:1702.01992'
    """
    return HEAD_FACTS.get(name.partition("[")[0], OWN)
