"""Sizes of BiomedCLIP's networks, from ``open_clip_config.json``.

The genuine file names its two architectures and gives few sizes; those it does not give are of
ViT-B/16 and BERT-base. A smaller model states its own by the names that open_clip's configuration
has for them: ``width``, ``layers``, ``head_width`` or ``heads``, ``mlp_ratio``, ``vocab_size``.
Sizes are never guessed from the weights, so that a file without its last blocks cannot pass.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TypeVar

from vesalius.errors import ModelError
from vesalius.records import Json

FILE = "open_clip_config.json"


@dataclass(frozen=True, slots=True)
class VisionSizes:
    """Of the vision transformer; defaults are ViT-B/16 at 224 px."""

    image_size: int = 224
    patch_size: int = 16
    width: int = 768
    layers: int = 12
    head_width: int = 64
    mlp_ratio: float = 4.0

    @property
    def grid(self) -> int:
        """Patches along each side of the input."""
        return self.image_size // self.patch_size

    @property
    def heads(self) -> int:
        """Attention heads of a block."""
        return self.width // self.head_width


@dataclass(frozen=True, slots=True)
class TextSizes:
    """Of the BERT; defaults are BERT-base uncased with a context of 256 tokens."""

    context_length: int = 256
    vocab_size: int = 30522
    width: int = 768
    layers: int = 12
    heads: int = 12
    mlp_ratio: float = 4.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """Everything that `Network` needs to be built; `dim` is that of the shared space."""

    dim: int
    vision: VisionSizes
    text: TextSizes


# What the network below computes. A file that says otherwise belongs to another network.
_VISION_FORM = {"timm_pool": ("", "token"), "timm_proj": ("linear",), "timm_proj_bias": (False,)}
_TEXT_FORM = {
    "hf_proj_type": ("mlp",),
    "proj": ("mlp",),  # name before November 2023
    "hf_pooler_type": ("cls_last_hidden_state_pooler",),
    "pooler_type": ("cls_last_hidden_state_pooler",),
}

Part = TypeVar("Part", VisionSizes, TextSizes)


def sizes_of(config: Mapping[str, Json], /) -> Sizes:
    """Sizes that an ``open_clip_config.json`` gives, with the genuine ones where it is silent.

    Raises:
        ModelError: if it lacks a section, or describes another kind of network.
    """
    model = _section(config, "model_cfg")
    vision, text = _section(model, "vision_cfg"), _section(model, "text_cfg")
    _check_form(vision, _VISION_FORM)
    _check_form(text, _TEXT_FORM)
    dim = model.get("embed_dim")
    if not (type(dim) is int and dim > 0):
        raise ModelError(f"{FILE}: embed_dim: expected a positive whole number, got {dim!r}")
    sizes = Sizes(dim, _stated(VisionSizes, vision), _stated(TextSizes, text))
    _check_parts("vision_cfg: image_size", sizes.vision.image_size, sizes.vision.patch_size)
    _check_parts("vision_cfg: width", sizes.vision.width, sizes.vision.head_width)
    _check_parts("text_cfg: width", sizes.text.width, sizes.text.heads)
    return sizes


def _check_parts(name: str, whole: int, part: int) -> None:
    if whole % part:
        raise ModelError(f"{FILE}: {name} is {whole}, which is not a multiple of {part}")


def _section(parent: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    section = parent.get(name)
    if not isinstance(section, Mapping):
        raise ModelError(f"{FILE}: expected a section {name}, got {section!r}")
    return section


def _check_form(section: Mapping[str, Json], form: Mapping[str, tuple[Json, ...]]) -> None:
    for name, known in form.items():
        if name in section and section[name] not in known:
            raise ModelError(
                f"{FILE}: {name} is {section[name]!r}; this adapter computes "
                f"{' or '.join(map(repr, known))} only"
            )


def _stated(kind: type[Part], section: Mapping[str, Json]) -> Part:
    """The sizes that a section states; all are positive numbers."""
    stated = {field.name: section[field.name] for field in fields(kind) if field.name in section}
    for name, value in stated.items():
        whole = type(value) is int or (name == "mlp_ratio" and type(value) is float)
        if not (whole and value > 0):
            raise ModelError(f"{FILE}: {name}: expected a positive number, got {value!r}")
    return kind(**stated)
