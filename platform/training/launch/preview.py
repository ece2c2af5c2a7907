"""What a launch form would do, while it is being filled in: the model's size, bytes, what is missing, lines to copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import reverse

from accounts.models import User
from consortia.models import Consortium
from federation.errors import FederationError
from federation.learning.models import parse_model
from federation.protocol.tensors import count_parameters
from plans.selectors import plan_with
from registry.cards import parameters_of
from registry.models import ModelVersion
from silos.models import Dataset
from training.launch import snippets
from training.launch.forms import CohortForm
from training.launch.quotes import Quote, quote


@dataclass(frozen=True)
class Preview:
    """What the form comes to now. Without a quote, `missing` says what it waits for."""

    parameters: int | None
    quote: Quote | None
    missing: tuple[str, ...]
    curl: str
    python: str


def preview(
    *, consortium: Consortium, form: CohortForm, datasets: Sequence[Dataset], version: ModelVersion | None, by: User
) -> Preview:
    """Weigh a form, whole or not; nothing is kept. Errors that the form does not know yet are added to it."""
    complete = form.is_valid()
    asked = form.request() | ({"model_version": str(version.id)} if version else {})
    reported = None
    if complete:
        try:
            reported = quote(consortium=consortium, request=asked, by=by)
        except FederationError as error:
            form.take(error)
    missing = tuple(
        f"{form.fields[name].label or name.capitalize()}: {text}" if name in form.fields else str(text)
        for name, texts in form.errors.items()
        for text in texts
    )
    url = settings.PUBLIC_URL + reverse("api-jobs")
    body = {"consortium": str(consortium.id), **asked}
    return Preview(
        parameters=parameters_of(version.model) if version else _parameters(consortium, asked, datasets),
        quote=reported,
        missing=missing,
        curl=snippets.curl(url, body, once=True),
        python=snippets.python(url, body),
    )


def _parameters(consortium: Consortium, asked: dict[str, Any], offered: Sequence[Dataset]) -> int | None:
    """Of the model over the first dataset that was chosen; before that, over the first that there is."""
    chosen = set(asked.get("datasets", ()))
    dataset = next((one for one in offered if str(one.id) in chosen), next(iter(offered), None))
    plan = plan_with(consortium, asked.get("plan", ""))
    given = plan.model if plan else asked.get("model")
    if dataset is None or given is None:
        return None
    try:
        family, specification = parse_model(given)
        return count_parameters(family.layout(specification, dataset.n_features, dataset.target_kind))
    except FederationError:
        return None
