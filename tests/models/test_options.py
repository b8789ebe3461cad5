"""Options are checked by name and value, and completed with defaults."""

import pytest

from vesalius.errors import InputError
from vesalius.models.options import CLIPMD, Option, complete

SPLIT = Option("image_splitting", (False, True))


def test_defaults_are_written_out() -> None:
    """A record must not depend on what the default was on the day."""
    assert complete({}, declared=CLIPMD, adapter="clipmd") == {"fit": "crop", "pooling": "native"}
    given = complete({"pooling": "eos"}, declared=CLIPMD, adapter="clipmd")
    assert given == {"fit": "crop", "pooling": "eos"}


def test_an_unknown_option_suggests_the_nearest() -> None:
    """A mistyped option that is dropped in silence would change nothing and look as if it did."""
    with pytest.raises(InputError, match=r"clipmd: unknown option 'poling' .*'pooling'.*fit"):
        complete({"poling": "eos"}, declared=CLIPMD, adapter="clipmd")


@pytest.mark.parametrize(("value", "hint"), [("padd", "did you mean 'pad'"), (3, "got 3")])
def test_a_wrong_value_is_named(value: object, hint: str) -> None:
    """The message shows what is allowed."""
    with pytest.raises(InputError, match=rf"fit must be one of 'crop', 'pad', got .*{hint}|{hint}"):
        complete({"fit": value}, declared=CLIPMD, adapter="clipmd")


def test_one_is_not_true() -> None:
    """1 == True in Python, but two spellings of one option would make two fingerprints."""
    assert complete({"image_splitting": True}, declared=(SPLIT,), adapter="x") == {
        "image_splitting": True
    }
    with pytest.raises(InputError, match="got 1"):
        complete({"image_splitting": 1}, declared=(SPLIT,), adapter="x")
