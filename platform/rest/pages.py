"""What pages with forms share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest

from federation.errors import FederationError
from rest.errors import Forbidden, NotFound, Unauthenticated
from rest.problems import problem_of


@contextmanager
def told(request: HttpRequest, done: str) -> Iterator[None]:
    """Do something for a form: say that it is done, or on the next page why not. What may not be seen still raises."""
    try:
        yield
    except (NotFound, Forbidden, Unauthenticated):
        raise
    except (FederationError, ValidationError, IntegrityError) as error:
        problem = problem_of(error)
        if problem is None:
            raise
        details = [text for texts in problem.fields.values() for text in texts]
        messages.error(request, " ".join(dict.fromkeys([problem.message, *details])))
    else:
        messages.success(request, done)


def valid(form: forms.BaseForm) -> dict[str, Any]:
    """What a form holds. Raises Django's ValidationError where it is wrong."""
    if not form.is_valid():
        raise ValidationError(
            {name if name in form.fields else "__all__": list(errors) for name, errors in form.errors.items()}
        )
    return form.cleaned_data
