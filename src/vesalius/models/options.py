"""Adapter options: declared as data, so that they can be checked without loading a model."""

from collections.abc import Mapping
from dataclasses import dataclass

from vesalius.errors import InputError, did_you_mean
from vesalius.records import Json


@dataclass(frozen=True, slots=True)
class Option:
    """A setting with a closed list of values; the first one is the default."""

    name: str
    values: tuple[Json, ...]
    meaning: str = ""

    @property
    def default(self) -> Json:
        """Value when the user says nothing."""
        return self.values[0]


FIT = Option(
    "fit",
    ("crop", "pad"),
    "crop: the checkpoint's own preprocessing; pad: first pad to a square with the mean colour",
)
POOLING = Option(
    "pooling",
    ("native", "eos"),
    "native: windows of a long text as the model was trained; eos: every window ends with the "
    "end token, whose state is what CLIP reads",
)

DTYPE = Option(
    "dtype",
    ("float32", "bfloat16"),
    "precision of weights and arithmetic; bfloat16 halves the memory and changes the numbers",
)
IMAGE_SPLITTING = Option(
    "image_splitting",
    (False, True),
    "False: the whole image as one tile; True: also tiles of full resolution, many times slower",
)
IMAGE_FEATURES = Option(
    "image_features",
    ("qformer", "vision"),
    "what `encode_images` gives: the mean of the Q-Former's queries, or the vision tower's pooled "
    "output (its class token)",
)
MAX_NEW_TOKENS = Option(
    "max_new_tokens",
    (64, 16, 32, 128, 256, 512),
    "longest answer that is asked of the server, in its tokens",
)

STEPS = Option("steps", (25, 10, 50, 100, 4), "of the pipeline's scheduler, for each picture")
GUIDANCE = Option(
    "guidance",
    (7.5, 1.0, 3.0, 5.0),
    "how much the text outweighs no text, if the pipeline knows it; 1.0: not at all",
)
SEED = Option("seed", (0, 1, 2, 3, 4), "of the noise that a picture starts from")

CLIP = (FIT,)
CLIPMD = (FIT, POOLING)
GENERIC = (FIT,)
BIOMEDCLIP = (FIT,)
BIOVILT = (FIT,)
BLIP2 = (FIT, DTYPE, IMAGE_FEATURES)
GIT = (FIT, DTYPE)
SMOLVLM = (FIT, DTYPE, IMAGE_SPLITTING)
CHAT = (FIT, DTYPE)
PIPELINE = (STEPS, GUIDANCE, SEED, DTYPE)
ENDPOINT = (MAX_NEW_TOKENS,)


def complete(
    given: Mapping[str, Json], /, *, declared: tuple[Option, ...], adapter: str
) -> dict[str, Json]:
    """All declared options with the given values and defaults for the rest, in declared order.

    Raises:
        InputError: if an option is unknown or its value is not one of those declared.
    """
    known = {option.name: option for option in declared}
    for name in given:
        if name not in known:
            raise InputError(
                f"{adapter}: unknown option {name!r}{did_you_mean(name, known)}; "
                f"it has {', '.join(known) or 'none'}"
            )
    return {
        name: _checked(given[name], option, adapter) if name in given else option.default
        for name, option in known.items()
    }


def _checked(value: Json, option: Option, adapter: str) -> Json:
    # 1 == True in Python, but they are not the same in a record.
    if not any(value == known and type(value) is type(known) for known in option.values):
        hint = (
            did_you_mean(value, [v for v in option.values if isinstance(v, str)])
            if isinstance(value, str)
            else ""
        )
        raise InputError(
            f"{adapter}: option {option.name} must be one of "
            f"{', '.join(map(repr, option.values))}, got {value!r}{hint}"
        )
    return value
