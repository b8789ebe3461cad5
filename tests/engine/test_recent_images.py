"""Images that were read stay decoded, as many as fit."""

from pathlib import Path

from small_world import squares

from vesalius.engine.sources import RecentImages


def test_images_are_read_once_while_they_fit(tmp_path: Path) -> None:
    """The one used last is the last to go; one stays whatever its size."""
    data = squares(tmp_path / "data", n_patients=6)
    first, second, third = data.samples[:3]
    n_bytes = data.read(first).pixels.nbytes
    images = RecentImages(data, most_bytes=2 * n_bytes)
    one, two = images(first), images(second)
    assert (one.pixels == data.read(first).pixels).all()
    assert images(first) is one
    three = images(third)  # second was used longest ago
    assert images(first) is one
    assert images(third) is three
    assert images(second) is not two
    tight = RecentImages(data, most_bytes=0)
    assert tight(first) is tight(first)
    assert tight(second) is tight(second)
    assert tight(first) is not one
