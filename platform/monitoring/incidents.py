"""Incidents: a silo refuses an order or the record, its update is rejected, its keys are revoked. Reported once a day.

The record writes the first two down as the job's; whose silo it was is found here, so that its people are informed
as well.
"""

from __future__ import annotations

from copy import copy
from datetime import timedelta
from uuid import UUID

from audit.models import ActorKind, Event
from monitoring.models import Kind, Notice
from silos.models import Silo
from training.models import Order

INCIDENTS = frozenset({Kind.ORDER_REFUSED, Kind.UPDATE_REJECTED, Kind.RECORD_CHANGED, Kind.SILO_REVOKED})
REPORTED_AGAIN_AFTER = timedelta(days=1)


def silo_of(event: Event) -> Silo | None:
    """The silo that an incident is about; None where it can't be determined any more."""
    silos = Silo.objects.select_related("organisation")
    if event.verb in {Kind.SILO_REVOKED, Kind.RECORD_CHANGED}:
        return silos.filter(id=event.subject_id).first()
    if event.verb == Kind.ORDER_REFUSED and event.actor_kind == ActorKind.SILO:
        return silos.filter(id=event.actor_id).first()
    try:
        order_id = UUID(str(event.detail.get("order", "")))
    except ValueError:
        return None
    return silos.filter(id__in=Order.objects.filter(id=order_id).values("silo")).first()


def placed(event: Event) -> Event:
    """The event with the organisation that it is about, for anyone who is to be notified there."""
    silo = silo_of(event) if event.verb in INCIDENTS and event.organisation_id is None else None
    if silo is None:
        return event
    known = copy(event)
    known.organisation_id = silo.organisation_id
    return known


def is_old_news(event: Event, path: str) -> bool:
    """Whether the same was reported about the same silo, in the same job, not long ago."""
    before = Notice.objects.filter(kind=event.verb, job_id=event.job_id, path=path, event_id__lt=event.id)
    return (
        event.verb in INCIDENTS
        and before.exclude(text="").filter(at__gt=event.at - REPORTED_AGAIN_AFTER, at__lte=event.at).exists()
    )
