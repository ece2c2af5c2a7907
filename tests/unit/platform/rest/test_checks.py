"""The boolean twin of a check."""

from __future__ import annotations

import pytest

from rest.checks import boolean_twin
from rest.errors import Forbidden


def check_even(number: int) -> None:
    """Raise Forbidden for odd numbers."""
    if number < 0:
        raise ZeroDivisionError
    if number % 2:
        raise Forbidden("number.odd", "Odd.")


is_even = boolean_twin(check_even)


def test_a_check_answers_yes_or_no() -> None:
    assert is_even(2)
    assert not is_even(3)
    assert is_even(number=4)


def test_a_check_hides_no_programming_error() -> None:
    with pytest.raises(ZeroDivisionError):
        is_even(-1)
