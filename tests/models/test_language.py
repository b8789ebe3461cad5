"""The reading of a text alone by the language models of the three generators."""

import numpy as np
import pytest

from vesalius import load_model
from vesalius.capabilities import LanguageEncoder, TextEncoder

TEXTS = ["chest x-ray with a large effusion", "normal", "", "no nodule " * 300]


@pytest.mark.parametrize("name", ["mini:git", "mini:blip2", "mini:smolvlm"])
def test_texts_are_unit_rows_that_do_not_depend_on_each_other(name: str) -> None:
    """Padding must not be read; empty and over-long texts have a row as well."""
    model = load_model(name)
    assert isinstance(model, LanguageEncoder)
    assert not isinstance(model, TextEncoder)  # or it would be taken for a dual encoder
    rows = model.encode_language(TEXTS)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    alone = np.concatenate([model.encode_language([text]) for text in TEXTS[:3]])
    np.testing.assert_allclose(rows[:3], alone, atol=2e-5)
    assert abs(rows[0] - rows[1]).max() > 0.01
    assert model.encode_language([]).shape == (0, rows.shape[1])
