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
from django.utils.functional import Promise
from django.utils.translation import gettext

from federation.errors import FederationError
from federation.sentences import Sentence
from rest.errors import Forbidden, NotFound, Unauthenticated
from rest.problems import problem_of


def in_words(message: str) -> str:
    """A problem's message in the reader's language.

    One with names or numbers in it has to be a `Sentence`: any other text that was put together stays English.
    """
    if isinstance(message, Sentence):
        return gettext(message.form) % message.params if message.params else gettext(message.form)
    return gettext(message) if message else ""


@contextmanager
def flash_result(request: HttpRequest, done: str | Promise) -> Iterator[None]:
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
        messages.error(request, " ".join(in_words(text) for text in dict.fromkeys([problem.message, *details])))
    else:
        messages.success(request, str(done))


def valid(form: forms.BaseForm) -> dict[str, Any]:
    """What a form holds. Raises Django's ValidationError where it is wrong."""
    if not form.is_valid():
        raise ValidationError(
            {name if name in form.fields else "__all__": list(errors) for name, errors in form.errors.items()}
        )
    return form.cleaned_data


@contextmanager
def form_errors(form: forms.BaseForm) -> Iterator[None]:
    """Do something for a form that is shown again where it is refused: the reason then stands at the field it is about.

    The block's own success is seen by `form.is_valid()`. What may not be seen still raises.
    """
    try:
        yield
    except (NotFound, Forbidden, Unauthenticated):
        raise
    except (FederationError, ValidationError, IntegrityError) as error:
        problem = problem_of(error)
        if problem is None:
            raise
        for name, texts in problem.fields.items():
            form.add_error(name if name in form.fields else None, [in_words(text) for text in texts])
        if not problem.fields:
            form.add_error(None, in_words(problem.message))


def query_without_page(request: HttpRequest, *besides: str) -> str:
    """The rest of a list's address, to put before what another page of it needs: what was asked for stays asked for."""
    query = request.GET.copy()
    for name in besides:
        query.pop(name, None)
    for name in [name for name, values in query.lists() if not any(values)]:
        query.pop(name)
    return f"{query.urlencode()}&" if query else ""
