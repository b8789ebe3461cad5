"""Models that were made for one modality are not silently evaluated on another."""

from dataclasses import replace

import numpy as np
import pytest

from vesalius.catalog import describe, parse_model
from vesalius.engine.cells import plan
from vesalius.engine.domain import forced, out_of_domain, refused
from vesalius.records import DatasetCard, ModelCard
from vesalius.tasks import TaskData, make_task

CHEST = ModelCard("biovil-t", "biovil-t", domain=("xray",))
ANY = ModelCard("clip", "clip")


@pytest.mark.parametrize("modality", ["xray", "other"])
def test_the_own_modality_and_an_undeclared_one_are_let_through(modality: str) -> None:
    """A dataset that does not say what it is may be what the model was made for."""
    assert out_of_domain(CHEST, DatasetCard("d", modality=modality)) is None


def test_another_modality_is_named() -> None:
    """The reason says what the model was made for, what the data are and what can be done."""
    reason = out_of_domain(CHEST, DatasetCard("d", modality="ct"))
    assert reason == "made for chest radiographs (xray) only; this dataset is ct"
    assert refused(reason).endswith("; force with --out-of-domain")
    assert forced(reason).startswith("out-of-domain: made for")
    assert out_of_domain(ANY, DatasetCard("d", modality="ct")) is None


def test_the_domain_is_no_part_of_the_identity() -> None:
    """It changes no number, so stored features stay valid."""
    assert CHEST.fingerprint == replace(CHEST, domain=()).fingerprint


def test_only_biovil_t_has_a_domain_also_as_a_miniature() -> None:
    """The card that the catalog makes carries it; a general model has none."""
    assert describe(parse_model("mini:biovil-t")).domain == ("xray",)
    assert describe(parse_model("mini:clip")).domain == ()


def test_forcing_makes_another_cell() -> None:
    """What was n/a must not count as settled once it is forced; all else stays what it was."""
    data = TaskData(DatasetCard("d", modality="ct"), ())
    task = make_task("classification", "zero-shot")

    def jobs(*, force: bool) -> dict[str, tuple[str, bool, str]]:
        planned = plan([CHEST, ANY], data, [task], data_fingerprint="x", controls=True, force=force)
        return {job.cell.model: (job.outside, job.is_forced, job.fingerprint) for job in planned}

    plain, all_forced = jobs(force=False), jobs(force=True)
    for name, (outside, is_forced, fingerprint) in plain.items():
        assert bool(outside) == ("biovil-t" in name)
        assert not is_forced
        assert (fingerprint == all_forced[name][2]) == ("biovil-t" not in name)
    assert all_forced["biovil-t"][:2] == (plain["biovil-t"][0], True)
    assert np.unique([made[2] for made in plain.values()]).size == len(plain)
