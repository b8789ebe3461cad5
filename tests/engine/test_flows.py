"""A flow trained within a cell of a run, by a miniature."""

from pathlib import Path

from small_world import squares

from vesalius.api import Settings, evaluate
from vesalius.records import Done
from vesalius.store.runs import read_predictions

FLOW = "text-to-image-flow[side=16,channels=8,epochs=2,steps=2,judge=mini:clip]"


def test_a_miniature_draws_by_a_flow_of_its_own(tmp_path: Path) -> None:
    """Beside the decoder in closed form, with its control, and with pictures to look at."""
    data = squares(tmp_path / "data", n_patients=30)
    protocols = ("text-to-image[side=16,judge=mini:clip]", FLOW)
    settings = Settings(protocols=protocols, cache=tmp_path / "cache", n_resamples=20)
    found = evaluate(
        models=["mini:clip"],
        datasets=[data],
        out=tmp_path / "run",
        tasks="generation",
        settings=settings,
    )
    done = {(o.cell.protocol, o.cell.model): o for o in found.outcomes if isinstance(o, Done)}
    assert len(done) == len(found.outcomes) == 8
    own, nonsense = (
        read_predictions(found.path, done["text-to-image-flow", name].cell)
        for name in ("mini:clip", "control:gibberish-prompt(mini:clip)")
    )
    assert own["answered"].all()
    assert nonsense["answered"].all()
    assert all((found.path / name).is_file() for name in own["image"])
    assert {
        m.estimate.metric for m in found.metrics if m.cell.protocol == "text-to-image-flow"
    } >= {
        "ssim",
        "fd[mini:clip]",
    }
