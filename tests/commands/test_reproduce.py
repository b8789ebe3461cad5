"""`vesalius reproduce`: every known answer ends in a number, and verdicts are honest."""

from math import nan
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vesalius.cli import app
from vesalius.commands import reproducing
from vesalius.commands.known_answers import KNOWN_ANSWERS
from vesalius.commands.reproducing import Attempt, judge, reproduce
from vesalius.data.recipes import RECIPES
from vesalius.errors import DataError, UsageError
from vesalius.records import Estimate

LAYOUTS = Path(__file__).parents[1] / "data" / "recipes"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Miniature copies of the data sets that known answers use, built when asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(LAYOUTS)
        import layouts_chest
        import layouts_pictures

        root = tmp_path_factory.mktemp("published")
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        patch.setenv("VESALIUS_DATA", str(root / "data"))

        def folder(place: str) -> Path:
            copy = root / place
            if not copy.exists():
                copy.mkdir()
                {**layouts_chest.LAYOUTS, **layouts_pictures.LAYOUTS}[place].build(copy)
            return copy

        yield folder


def base_of(answer) -> str:
    """The recipe whose files a known answer reads."""
    return answer.recipe.name.removesuffix("-biomedclip-prompts")


@pytest.mark.parametrize("name", KNOWN_ANSWERS)
def test_the_path_of_every_known_answer_ends_in_a_number(name, folders, tmp_path):
    """Miniature model and copy: the metric that is asked for exists, and no verdict is given."""
    answer = KNOWN_ANSWERS[name]
    attempt = Attempt(tmp_path / "run", model="mini:clip", data=str(folders(base_of(answer))),
                      device="cpu", resamples=2, allow_partial=True)  # fmt: skip
    verdict = reproduce(answer, attempt)
    assert verdict.word == "no verdict", verdict
    assert verdict.estimate is not None
    assert verdict.estimate.n > 0


def judged(answer, value, **circumstances):
    """The verdict on a value."""
    return judge(answer, Estimate(answer.metric, value, n=10), **circumstances).word


def test_verdicts_follow_the_tolerance():
    """CLIP on PCam: 20380 of 32768, two thousandths allowed; NaN is never a success."""
    answer = KNOWN_ANSWERS["clip-pcam"]
    assert answer.expected == pytest.approx(0.6219482)
    assert judged(answer, 0.6219482) == "reproduced"
    assert judged(answer, 0.6235) == "reproduced"
    assert judged(answer, 0.6245) == "differs"
    assert judged(answer, nan) == "differs"
    assert judged(answer, 0.6219482, model="clip=somewhere/weights") == "reproduced"
    assert judged(answer, 0.6219482, model="biomedclip") == "no verdict"
    assert judged(answer, 0.6219482, is_part=True) == "no verdict"


def test_the_known_answer_of_the_eye_is_a_share_of_its_test_photographs():
    """0.26297 in print is 11221 of 42 670; that of the next ViT-B/32, 0.26996, is told from it."""
    answer = KNOWN_ANSWERS["clip-diabetic-retinopathy"]
    assert answer.expected == pytest.approx(0.2629716428404031, abs=1e-15)
    assert answer.recipe.expected["samples"]["test"] == 42670
    assert judged(answer, 0.265) == "reproduced"
    assert judged(answer, 0.2699554722287321) == "differs"


def test_a_known_answer_differs_in_prompts_and_not_in_files():
    """BiomedCLIP's own prompts make another data set by name and content, from the same folder."""
    recipe = KNOWN_ANSWERS["biomedclip-pcam"].recipe
    assert recipe.place == RECIPES["pcam"].place
    assert recipe.classes["tumor"] == ("lymph node metastasis",)
    assert recipe.name != "pcam"


def test_names_are_listed_and_wrong_ones_are_refused():
    """Without a name a table, with a wrong one a hint, without images what to fetch."""
    done = CliRunner().invoke(app, ["reproduce"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    assert "clip-pcam" in done.output
    assert "0.6219 ± 0.002" in done.output
    with pytest.raises(UsageError, match="did you mean 'clip-pcam'"):
        reproducing.reproduce_command("clip-pcm", Attempt(Path("x")))


def test_missing_images_are_said_with_the_command_that_gets_them(tmp_path, monkeypatch):
    """Nothing is downloaded by the way."""
    monkeypatch.setenv("VESALIUS_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"`vesalius fetch pcam` downloads it"):
        reproduce(KNOWN_ANSWERS["clip-pcam"], Attempt(tmp_path / "run"))
