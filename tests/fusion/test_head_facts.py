"""Every head is explained, once."""

from vesalius.fusion.head_facts import HEAD_FACTS, OWN, facts_of
from vesalius.fusion.heads import HEADS
from vesalius.fusion.trained_heads import Trained


def test_no_head_is_forgotten():
    """A head without a sentence or a source would stand unexplained on the page."""
    assert list(HEAD_FACTS) == list(HEADS)
    for facts in HEAD_FACTS.values():
        assert facts.sentence.endswith(".")
        assert "doi:10." in facts.source or "arXiv:" in facts.source
    assert len({facts.sentence for facts in HEAD_FACTS.values()}) == len(HEADS)


def test_page_and_network_name_the_same_paper():
    """A source corrected in one place is corrected in the other."""
    trained = {name: head for name, head in HEADS.items() if isinstance(head, Trained)}
    assert len(trained) == 9
    assert all(facts_of(name).source == head.source for name, head in trained.items())


def test_papers_of_closed_heads_stand_in_their_docstrings():
    """The table and the code that it tells of do not drift apart."""
    for name, head in HEADS.items():
        if not isinstance(head, Trained):
            number = facts_of(name).source.split(", ")[-1]
            assert number in " ".join(type(head).__doc__.split()), name


def test_options_change_nothing_and_a_users_head_is_said_to_be_one():
    """`gated[dropout=0.3]` is the gated head."""
    assert facts_of("gated[dropout=0.3]") is HEAD_FACTS["gated"]
    assert facts_of("mine") is OWN
