"""A named database constraint that was broken says which conflict that is, where its definition names one."""

from __future__ import annotations

from functools import cache

from django.apps import apps
from django.db import IntegrityError
from django.db.models import BaseConstraint, UniqueConstraint

from rest.errors import Conflict

_UNNAMED = frozenset({None, ""})


@cache
def _named() -> dict[str, BaseConstraint]:
    """Every constraint of our models that carries an error code of its own."""
    return {
        constraint.name: constraint
        for model in apps.get_models()
        for constraint in model._meta.constraints
        if constraint.violation_error_code not in _UNNAMED
    }


def conflict_of(error: IntegrityError) -> Conflict | None:
    """The conflict that a broken constraint means; None where nobody foresaw it, which is a bug and stays a 500."""
    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
    constraint = _named().get(name or "")
    if constraint is None:
        return None
    fields = constraint.fields if isinstance(constraint, UniqueConstraint) else ()
    return Conflict(
        str(constraint.violation_error_code),
        str(constraint.get_violation_error_message()),
        fields[0] if len(fields) == 1 else None,
    )
