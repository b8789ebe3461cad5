"""Options in a model's name: one grammar for the command line, specifications and Python."""

from pathlib import Path

import pytest

from vesalius.catalog import describe, load_model, open_model, parse_model
from vesalius.errors import InputError
from vesalius.models.naming import join_options, split_options
from vesalius.store.files import safe_name


@pytest.mark.parametrize(
    ("text", "name", "given"),
    [
        ("clip", "clip", {}),
        ("clip[fit=pad]", "clip", {"fit": "pad"}),
        ("mini:blip2[ dtype = bfloat16 , fit=pad ]", "mini:blip2",
         {"dtype": "bfloat16", "fit": "pad"}),
        ("smolvlm[image_splitting=true]", "smolvlm", {"image_splitting": True}),
        ("a[n=64,x=0.5,y=-1e-3,z=false,id=007]", "a",
         {"n": 64, "x": 0.5, "y": -0.001, "z": False, "id": "007"}),
        ("clip=some/folder[fit=pad]", "clip=some/folder", {"fit": "pad"}),
        ("endpoint:m@http://[::1]", "endpoint:m@http://[::1]", {}),
        ("endpoint:m@http://[::1]:80/v1[max_new_tokens=16]", "endpoint:m@http://[::1]:80/v1",
         {"max_new_tokens": 16}),
    ],
)  # fmt: skip
def test_brackets_are_read(text: str, name: str, given: dict[str, object]) -> None:
    """Names, true, false, numbers and words; an IPv6 address is no option."""
    assert split_options(text) == (name, given)
    assert {k: type(v) for k, v in split_options(text)[1].items()} == {
        k: type(v) for k, v in given.items()
    }


@pytest.mark.parametrize(
    "text", ["clip[fit]", "clip[]", "clip[fit=pad,]", "clip[fit=pad,fit=crop]"]
)
def test_other_brackets_are_explained(text: str) -> None:
    """A half-written option must not become a name or vanish."""
    with pytest.raises(InputError, match=r"expected options as in clip\[fit=pad\], each once"):
        split_options(text)


def test_joining_is_the_inverse_of_splitting() -> None:
    """What is shown can be typed again."""
    given = {"a": True, "b": 64, "c": "pad", "d": -0.5}
    assert split_options(join_options("x", given)) == ("x", given)


def test_two_variants_have_two_names_and_two_fingerprints() -> None:
    """Rows of one run must not be merged, and equal options in another order are one model."""
    plain, padded = parse_model("mini:clipmd"), parse_model("mini:clipmd[pooling=eos,fit=pad]")
    assert padded.name == "mini:clipmd[fit=pad,pooling=eos]"
    assert parse_model("mini:clipmd[fit=pad,pooling=eos]") == padded
    cards = [describe(plain), describe(padded)]
    assert cards[1].options == {"fit": "pad", "pooling": "eos"}
    assert cards[0].fingerprint != cards[1].fingerprint
    assert open_model(padded, device="cpu").card == cards[1]
    assert not set(safe_name(padded.name)) & set("[]=,:/")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("smolvlm[image_spliting=true]", "did you mean 'image_splitting'"),
        ("smolvlm[image_splitting=1]", "must be one of False, True, got 1"),
        ("blip2[dtype=bfloat]", "did you mean 'bfloat16'"),
        ("clipp[fit=pad]", "did you mean 'clip'"),
    ],
)
def test_slips_are_found_before_anything_is_read(text: str, message: str) -> None:
    """Parsing alone refuses them: nothing is opened, hashed or loaded."""
    with pytest.raises(InputError, match=message):
        parse_model(text)


def test_a_folder_whose_name_has_brackets_stays_a_folder(tmp_path: Path) -> None:
    """What exists on disk wins over the grammar."""
    folder = tmp_path / "mine[fit=pad]"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "clip"}')
    request = parse_model(str(folder))
    assert (request.kind, request.name, request.options) == ("folder", "mine[fit=pad]", {})


def test_an_option_may_be_given_in_one_place_only() -> None:
    """Of two contradicting values none may win in silence."""
    with pytest.raises(InputError, match=r"mini:clip\[fit=pad\]: option fit is given twice"):
        load_model("mini:clip[fit=pad]", device="cpu", fit="crop")
