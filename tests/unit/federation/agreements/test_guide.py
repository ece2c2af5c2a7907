"""docs/data-use-codes.md has every code, as the software checks it, with its source and licence."""

from __future__ import annotations

from pathlib import Path

import pytest

from federation.agreements.vocabulary import FINANCE, MODIFIERS, PERMISSIONS, UseCode

GUIDE = (Path(__file__).parents[4] / "docs" / "data-use-codes.md").read_text()
CODES = [*PERMISSIONS.values(), *MODIFIERS.values(), *FINANCE.values()]


@pytest.mark.parametrize("use", CODES, ids=lambda use: use.code)
def test_the_guide_shows_what_each_code_means(use: UseCode) -> None:
    assert f"| {use.code} | {use.id} | {use.label} | {use.meaning} | {use.judged} |\n" in GUIDE


def test_the_guide_has_no_other_code_and_names_source_and_licence() -> None:
    assert GUIDE.count("\n| ") == len(CODES) + 3  # and the heads of three tables
    assert "EBISPOT/DUO" in GUIDE
    assert "CC BY 4.0" in GUIDE
