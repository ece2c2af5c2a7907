"""Telling people: notices are made from the record's events, deliveries for whoever wants them, and then sent."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.languages import speaking_to
from accounts.models import User
from audit.actions import record
from audit.actors import Actor
from audit.models import Event
from federation.errors import FederationError
from monitoring import incidents, webhooks
from monitoring.models import Channel, Choice, Delivery, Kind, Notice, Webhook
from monitoring.recipients import default_for, people_for, roles_where
from monitoring.wording import Said, words_for
from rest.errors import Conflict, Unprocessable
from training.models import Job

log = logging.getLogger(__name__)
LOOK_BACK = 5000
"""Ids of events are given before their transactions end: one may become visible after a later one."""
TELL_WITHIN = timedelta(hours=6)
"""What is older is no news: after a long pause of the workers nobody gets a day's mails at once."""
BACK_OFF_S = (30, 120, 600, 3600, 4 * 3600, 12 * 3600)
LEASE = timedelta(seconds=60)
BATCH = 50
FAILURES_MAX = 20
WEBHOOKS_MAX = 10
_UNKNOWN = "This is no kind of notice."


def gather(*, by: Actor) -> int:
    """Make notices and deliveries from events that have none yet. Returns how many notices."""
    del by
    newest = Event.objects.order_by("-id").values_list("id", flat=True).first() or 0
    known = Notice.objects.order_by("-event_id").values_list("event_id", flat=True).first()
    after = max(0, min(newest, known if known is not None else newest) - LOOK_BACK)
    events = Event.objects.filter(id__gt=after, verb__in=Kind.values, at__gte=timezone.now() - TELL_WITHIN)
    fresh = list(events.exclude(id__in=Notice.objects.filter(event_id__gt=after).values("event_id")).order_by("id"))
    for event in fresh:
        _make(event)
    return len(fresh)


def _make(event: Event) -> None:
    event = incidents.placed(event)
    kind = Kind(event.verb)
    said = words_for(kind, event)
    if said is not None and incidents.is_old_news(event, said.path):
        said = None
    with transaction.atomic():
        notice, new = Notice.objects.get_or_create(
            event_id=event.id,
            defaults={
                "kind": kind,
                "at": event.at,
                "subject": (said.subject if said else kind.label)[:300],
                "text": said.text if said else "",
                "path": said.path if said else "/",
                "consortium_id": event.consortium_id,
                "organisation_id": event.organisation_id,
                "job_id": event.job_id,
            },
        )
        if new and said is not None:
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
    """What the person chose, else what the kind does by itself for whoever they are there."""
    chosen = {choice.kind: choice.email for choice in person.notification_choices.all()}
    if kind in chosen:
        return chosen[kind]
    roles = roles_where(person, kind, event)
    roles |= {role.role for role in person.consortium_roles.all() if role.consortium_id == event.consortium_id}
    return default_for(kind, is_launcher=is_launcher, roles=frozenset(roles))


def deliver_due(*, by: Actor) -> int:
    """Send what is due. A row that is being sent is put off first, so that a worker that dies sends it again later."""
    del by
    with transaction.atomic():
        due = list(
            Delivery.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(state=Delivery.State.PENDING, next_try_at__lte=timezone.now())
            .order_by("next_try_at")[:BATCH]
        )
        ids = [delivery.id for delivery in due]
        Delivery.objects.filter(id__in=ids).update(next_try_at=timezone.now() + LEASE, attempts=F("attempts") + 1)
    for delivery in Delivery.objects.filter(id__in=ids).select_related("notice", "user", "webhook"):
        try:
            _send(delivery)
        except (OSError, FederationError) as error:
            _put_off(delivery, error)
        else:
            Delivery.objects.filter(id=delivery.id).update(state=Delivery.State.SENT, sent_at=timezone.now(), error="")
            if delivery.webhook_id:
                Webhook.objects.filter(id=delivery.webhook_id).update(failures=0)
    return len(ids)


def _send(delivery: Delivery) -> None:
    notice = delivery.notice
    if delivery.channel == Channel.WEBHOOK:
        assert delivery.webhook is not None
        webhooks.post(delivery.webhook, webhooks.message_of(notice), message_id=f"notice-{notice.event_id}")
        return
    person = delivery.user
    with speaking_to(person):
        said = _in_their_words(notice, person)
        message = render_to_string("monitoring/notice.txt", {"said": said, "url": settings.PUBLIC_URL})
    send_mail(subject=f"[Consilience] {said.subject}", message=message, from_email=None, recipient_list=[person.email])


def _in_their_words(notice: Notice, person: User) -> Said:
    """As it was kept; said anew for who has chosen another language or clock, where what it tells of is still there."""
    kept = Said(notice.subject, notice.text, notice.path)
    event = Event.objects.filter(id=notice.event_id).first() if person.language or person.time_zone else None
    return (words_for(Kind(notice.kind), event) if event else None) or kept


def _put_off(delivery: Delivery, error: Exception) -> None:
    told = (error.message if isinstance(error, FederationError) else f"{type(error).__name__}: {error}")[:300]
    tries = delivery.attempts
    if tries > len(BACK_OFF_S):
        Delivery.objects.filter(id=delivery.id).update(state=Delivery.State.FAILED, error=told)
    else:
        later = timezone.now() + timedelta(seconds=BACK_OFF_S[tries - 1])
        Delivery.objects.filter(id=delivery.id).update(next_try_at=later, error=told)
    if delivery.webhook_id:
        Webhook.objects.filter(id=delivery.webhook_id).update(failures=F("failures") + 1)
        Webhook.objects.filter(id=delivery.webhook_id, failures__gte=FAILURES_MAX, disabled_at=None).update(
            disabled_at=timezone.now()
        )
    log.warning("delivery %s failed, try %s: %s", delivery.id, tries, told)


def choose(*, wanted: Iterable[str], by: User) -> None:
    """Say of every kind whether an e-mail is wanted: of those named, and of no other. Raises ``notice.kind``."""
    named = set(wanted)
    if named - set(Kind.values):
        raise Unprocessable("notice.kind", _UNKNOWN, "email")
    with transaction.atomic():
        for kind in Kind:
            Choice.objects.update_or_create(user=by, kind=kind, defaults={"email": kind in named})


def add_webhook(*, url: str, kinds: Iterable[str], by: User) -> Webhook:
    """Have an address told. Raises Unprocessable ``webhook.*`` for an address that is not to be called."""
    chosen = sorted(set(kinds))
    if not chosen:
        raise Unprocessable("webhook.kinds", "Choose at least one thing to be told of.", "kinds")
    if set(chosen) - set(Kind.values):
        raise Unprocessable("notice.kind", _UNKNOWN, "kinds")
    webhooks.check_address(url)
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
    """Call the address now, and bring it back if it was given up. Raises what `webhooks.post` raises."""
    del by
    webhooks.post(webhook, webhooks.trial_of(webhook), message_id=f"trial-{UUID(int=webhook.id.int)}")
    Webhook.objects.filter(id=webhook.id).update(failures=0, disabled_at=None)
