"""Events as people read them: with the names of what they are about, as far as the reader sees it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.selectors import organisations_visible_to
from audit.models import Event
from consortia.selectors import consortia_visible_to, events_visible_to
from plans.selectors import plans_visible_to
from registry.selectors import models_visible_to
from silos.selectors import datasets_visible_to, silos_visible_to
from training.models import Job

VERBS = (
    "job.",
    "round.",
    "order.",
    "silo.",
    "dataset.",
    "model.",
    "participation.",
    "invitation.",
    "consortium.",
    "consortium_role.",
    "organisation.",
    "organisation_role.",
    "signatory_key.",
    "user.",
    "api_token.",
)
"""By what people look for events; every other beginning of a verb works as well."""


@dataclass(frozen=True)
class Target:
    """What an event is about, or where it happened, with its page."""

    label: str
    url: str


@dataclass(frozen=True)
class EventRow:
    """An event, what was done to, and where."""

    event: Event
    subject: Target | None
    places: tuple[Target, ...]


def narrowed(user: User, asked: Mapping[str, Any]) -> QuerySet[Event]:
    """The events that this person may know of and asked for, newest first."""
    found = events_visible_to(user).order_by("-id")
    if verb := asked.get("verb"):
        found = found.filter(verb__startswith=verb)
    if actor := asked.get("actor"):
        found = found.filter(actor_name__icontains=actor)
    if consortium := asked.get("consortium"):
        found = found.filter(consortium_id=consortium.pk)
    if job_id := asked.get("job"):
        found = found.filter(job_id=job_id)
    if since := asked.get("since"):
        found = found.filter(at__gte=_midnight(since))
    if (until := asked.get("until")) and until < date.max:
        found = found.filter(at__lt=_midnight(until + timedelta(days=1)))
    return found


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def rows_of(user: User, events: Sequence[Event]) -> list[EventRow]:
    """Each with what it is about. What the reader doesn't see has no name and no link."""
    targets = _targets(user, events)
    rows = []
    for event in events:
        about = (event.subject_kind, event.subject_id)
        reported = (("consortium", event.consortium_id), ("organisation", event.organisation_id), ("job", event.job_id))
        where = [(kind, str(key)) for kind, key in reported if key is not None]
        places = tuple(targets[place] for place in where if place != about and place in targets)
        rows.append(EventRow(event, targets.get(about), places))
    return rows


def _jobs(user: User) -> QuerySet[Job]:
    return Job.objects.filter(consortium__in=consortia_visible_to(user))


_SOURCES: dict[str, tuple[Callable[[User], QuerySet[Any]], str]] = {
    "consortium": (consortia_visible_to, "name"),
    "organisation": (organisations_visible_to, "name"),
    "job": (_jobs, "name"),
    "silo": (silos_visible_to, "name"),
    "dataset": (datasets_visible_to, "title"),
    "model": (models_visible_to, "name"),
    "trainingplan": (plans_visible_to, "title"),
}
_PAGES = {"trainingplan": "plan"}
"""Where the page is not called as the kind of thing is."""


def _targets(user: User, events: Iterable[Event]) -> dict[tuple[str, str], Target]:
    wanted: dict[str, set[str]] = defaultdict(set)
    for event in events:
        for kind, key in (
            (event.subject_kind, event.subject_id),
            ("consortium", event.consortium_id),
            ("organisation", event.organisation_id),
            ("job", event.job_id),
        ):
            if key is not None:
                wanted[kind].add(str(key))
    found: dict[tuple[str, str], Target] = {}
    for kind, (visible, name) in _SOURCES.items():
        if keys := wanted.get(kind):
            rows: QuerySet[Model, Any] = visible(user).filter(pk__in=keys).order_by()
            for key, label in rows.values_list("pk", name):
                found[kind, str(key)] = Target(label, reverse(_PAGES.get(kind, kind), args=[key]))
    return found
