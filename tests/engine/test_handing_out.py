"""Handing out cells: models stay together, nobody waits, and a deadly cell is given up."""

from vesalius.engine.handing_out import MOST_LOSSES, HandingOut, Key


def test_a_worker_stays_with_its_model():
    """The larger model first, and the other one only when that is finished."""
    handing_out = HandingOut([2, 3])
    at, order = None, []
    while (key := handing_out.next_for(at)) is not None:
        at = key.share
        order.append((key.share, key.job))
    assert order == [(1, 0), (1, 1), (1, 2), (0, 0), (0, 1)]


def test_a_model_at_which_nobody_is_comes_first():
    """Two workers load two models; the third joins the one with more cells left."""
    handing_out = HandingOut([5, 4])
    assert handing_out.next_for(None) == Key(0, 0)
    assert handing_out.next_for(None, [0]) == Key(1, 0)
    assert handing_out.next_for(None, [0, 1]) == Key(0, 1)
    assert handing_out.n_left == 6


def test_a_lost_cell_is_next_until_it_cost_too_many():
    """It is marked as lost, so that its journal is read before it is begun again."""
    handing_out = HandingOut([2])
    for n in range(1, MOST_LOSSES):
        key = handing_out.next_for(None)
        assert key == Key(0, 0)
        assert handing_out.was_lost(key) == (n > 1)
        assert handing_out.lose(key)
    key = handing_out.next_for(None)
    assert not handing_out.lose(key)
    assert handing_out.next_for(None) == Key(0, 1)
    assert handing_out.next_for(None) is None
