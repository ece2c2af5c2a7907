"""Telling people: notices are made from the record's events, with deliveries for anyone who wants them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from audit.actions import record
from audit.actors import Actor
from audit.models import Event
from monitoring import incidents, webhooks
from monitoring.models import Channel, Choice, Delivery, Kind, Notice, Webhook
from monitoring.recipients import default_for, people_for, roles_where
from monitoring.webhook_addresses import check_address
from monitoring.wording import notice_text
from rest.errors import Conflict, Unprocessable
from rest.names import as_one_line
from training.models import Job

log = logging.getLogger(__name__)
LOOK_BACK = 5000
"""Ids of events are given before their transactions end: one may become visible after a later one."""
NOTIFY_WITHIN = timedelta(hours=6)
"""What is older is no news: after a long pause of the workers nobody gets a day's mails at once."""
WEBHOOKS_MAX = 10
TRIALS_AT_ONCE_MAX = 2
"""Of one web process: a trial keeps a thread and a connection to the database until the address has answered."""
_UNKNOWN = "This is no kind of notice."
_trials = threading.BoundedSemaphore(TRIALS_AT_ONCE_MAX)


def gather(*, by: Actor) -> int:
    """Make notices and deliveries from events that have none yet. Returns how many notices."""
    del by
    newest = Event.objects.order_by("-id").values_list("id", flat=True).first() or 0
    known = Notice.objects.order_by("-event_id").values_list("event_id", flat=True).first()
    after = max(0, min(newest, known if known is not None else newest) - LOOK_BACK)
    events = Event.objects.filter(id__gt=after, verb__in=Kind.values, at__gte=timezone.now() - NOTIFY_WITHIN)
    fresh = list(events.exclude(id__in=Notice.objects.filter(event_id__gt=after).values("event_id")).order_by("id"))
    return sum(_made(event) for event in fresh)


def _made(event: Event) -> bool:
    """Whether an event has its notice. One that can't be reported is tried again at each run while it is news."""
    try:
        _make(event)
    except (OperationalError, InterfaceError):
        raise  # the database is away: nothing else will work either
    except Exception:
        log.exception("event %s (%s) can't be notified", event.id, event.verb)
        return False
    return True


def _make(event: Event) -> None:
    event = incidents.placed(event)
    kind = Kind(event.verb)
    statement = notice_text(kind, event)
    if statement is not None and incidents.is_old_news(event, statement.path):
        statement = None
    with transaction.atomic():
        notice, new = Notice.objects.get_or_create(
            event_id=event.id,
            defaults={
                "kind": kind,
                "at": event.at,
                "subject": as_one_line(statement.subject if statement else str(kind.label))[:300],
                "names": dict(statement.names) if statement else None,
                "text": statement.text if statement else "",
                "path": statement.path if statement else "/",
                "consortium_id": event.consortium_id,
                "organisation_id": event.organisation_id,
                "job_id": event.job_id,
            },
        )
        if new and statement is not None:
            Delivery.objects.bulk_create(_deliveries(notice, kind, event), ignore_conflicts=True)


def _deliveries(notice: Notice, kind: Kind, event: Event) -> Iterable[Delivery]:
    people = list(
        people_for(kind, event).prefetch_related(
            "notification_choices", "webhooks", "organisation_roles", "consortium_roles"
        )
    )
    launched = Job.objects.filter(id=event.job_id) if event.job_id else Job.objects.none()
    launcher = launched.values_list("launched_by", flat=True).first()
    for person in people:
        if settings.EMAIL_CONFIGURED and _wants_email(person, kind, event, is_launcher=person.pk == launcher):
            yield Delivery(notice=notice, user=person, channel=Channel.EMAIL)
        for webhook in person.webhooks.all():
            if webhook.disabled_at is None and kind in webhook.kinds:
                yield Delivery(notice=notice, user=person, channel=Channel.WEBHOOK, webhook=webhook)


def _wants_email(person: User, kind: Kind, event: Event, *, is_launcher: bool) -> bool:
    """What the person chose, else what the kind does by itself for the roles that they have there."""
    chosen = {choice.kind: choice.email for choice in person.notification_choices.all()}
    if kind in chosen:
        return chosen[kind]
    roles = roles_where(person, kind, event)
    roles |= {role.role for role in person.consortium_roles.all() if role.consortium_id == event.consortium_id}
    return default_for(kind, is_launcher=is_launcher, roles=frozenset(roles))


def choose(*, wanted: Iterable[str], by: User) -> None:
    """Say of every kind whether an e-mail is wanted: of those named, and of no other. Raises ``notice.kind``."""
    named = set(wanted)
    if named - set(Kind.values):
        raise Unprocessable("notice.kind", _UNKNOWN, "email")
    with transaction.atomic():
        for kind in Kind:
            Choice.objects.update_or_create(user=by, kind=kind, defaults={"email": kind in named})


def add_webhook(*, url: str, kinds: Iterable[str], by: User) -> Webhook:
    """Have an address notified. Raises Unprocessable ``webhook.*`` for an address that is not to be called."""
    chosen = sorted(set(kinds))
    if not chosen:
        raise Unprocessable("webhook.kinds", "Choose at least one kind of notification.", "kinds")
    if set(chosen) - set(Kind.values):
        raise Unprocessable("notice.kind", _UNKNOWN, "kinds")
    check_address(url)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=by.pk)
        if Webhook.objects.filter(user=by).count() >= WEBHOOKS_MAX:
            raise Conflict(
                "webhook.too_many",
                _("You have %(number)s webhooks already; remove one first.") % {"number": WEBHOOKS_MAX},
            )
        webhook = Webhook.objects.create(user=by, url=url, kinds=chosen)
        record(by=by, verb="webhook.added", subject=webhook, detail={"host": webhooks.host_of(url), "kinds": chosen})
    return webhook


def remove_webhook(*, webhook: Webhook, by: User) -> None:
    """Call an address no more."""
    with transaction.atomic():
        record(by=by, verb="webhook.removed", subject=webhook, detail={"host": webhooks.host_of(webhook.url)})
        webhook.delete()


def try_webhook(*, webhook: Webhook, by: User) -> None:
    """Call the address now, and bring it back if it was abandoned. Raises what `webhooks.post` raises, and Conflict
    ``webhook.trials`` while others are being tried.
    """
    del by
    if not _trials.acquire(blocking=False):
        raise Conflict("webhook.trials", "Other webhooks are being tried just now. Try again in a moment.")
    try:
        webhooks.post(webhook, webhooks.trial_of(webhook), message_id=f"trial-{UUID(int=webhook.id.int)}")
    finally:
        _trials.release()
    Webhook.objects.filter(id=webhook.id).update(failures=0, disabled_at=None)
