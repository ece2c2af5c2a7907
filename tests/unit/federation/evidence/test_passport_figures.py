"""A passport reports each figure in one place: what readers see is what the verifier compares."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from federation.evidence.passports import Evaluation


@pytest.mark.parametrize("name", ["loss", "accuracy"])
def test_a_passport_can_not_show_a_figure_in_two_places(name: str) -> None:
    with pytest.raises(ValidationError, match="fields of their own"):
        Evaluation(silos=1, loss=0.01, accuracy=0.99, figures={name: 0.9})
    assert Evaluation(silos=1, figures={"mse": 2.0}).all_figures == {"mse": 2.0}
