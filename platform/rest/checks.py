"""A check raises with a reason; its boolean twin is derived here, never written twice."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from rest.errors import Problem

P = ParamSpec("P")


def boolean_twin(check: Callable[P, object]) -> Callable[P, bool]:
    """The same question, answered by yes or no: no where the check raises a Problem, yes where it returns."""

    @wraps(check)
    def twin(*args: P.args, **kwargs: P.kwargs) -> bool:
        try:
            check(*args, **kwargs)
        except Problem:
            return False
        return True

    twin.__doc__ = f"Whether `{check.__name__}` would pass."
    return twin
