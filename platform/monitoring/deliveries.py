"""Deliveries: one notice to one person by one way, claimed one at a time, sent, and its outcome written on its row.

What fails is put off, and what fails again and again is abandoned: whatever the reason, one delivery never holds
another. While an address fails, all that waits for it is put off with what failed.
"""

from __future__ import annotations

import logging
import secrets
import time
from datetime import timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.languages import speaking_to
from accounts.models import User
from audit.actors import Actor
from audit.models import Event
from federation.errors import FederationError
from monitoring import webhooks
from monitoring.incidents import placed
from monitoring.models import Channel, Delivery, Kind, Notice, Webhook
from monitoring.recipients import people_for
from monitoring.wording import NoticeText, notice_text
from rest.names import as_one_line

log = logging.getLogger(__name__)
_CHANCE = secrets.SystemRandom()
BACK_OFF_S = (30, 120, 600, 3600, 4 * 3600, 12 * 3600)
JITTER = 0.2
"""The share by which a pause is longer or shorter, so that what failed together is not tried again together."""
LEASE = timedelta(seconds=120)
"""How long a delivery that is being sent is nobody else's: longer than a call or a mail server may take."""
RUN_S = 30.0
"""After so long a run begins no further delivery. The next run goes on, letters first."""
FAILURES_MAX = 20
ERROR_LENGTH_MAX = 300
_GIVEN_UP = "The address failed too often and is not called any more. Send a trial to it."


def deliver_due(*, by: Actor, seconds: float = RUN_S) -> int:
    """Send what is due, letters before calls, for so many seconds at most. Returns how many were tried."""
    del by
    ends, tried = time.monotonic() + seconds, 0
    while time.monotonic() < ends and (delivery := _claim()) is not None:
        _try(delivery)
        tried += 1
    return tried


def _claim() -> Delivery | None:
    """The next delivery that is due, put off before it is sent: a worker that dies over it sends it again later."""
    with transaction.atomic():
        due = (
            Delivery.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(state=Delivery.State.PENDING, next_try_at__lte=timezone.now())
            .order_by("channel", "next_try_at")
            .first()
        )
        if due is None:
            return None
        Delivery.objects.filter(id=due.id).update(next_try_at=timezone.now() + LEASE, attempts=F("attempts") + 1)
    return Delivery.objects.select_related("notice", "user", "webhook").get(id=due.id)


def _try(delivery: Delivery) -> None:
    try:
        if not _may_be_notified(delivery):
            _drop(delivery)
            return
        _send(delivery)
    except FederationError as error:
        _put_off(delivery, error.code, error.message)
    except OSError as error:
        _put_off(delivery, "delivery.failed", f"{type(error).__name__}: {error}")
    except Exception as error:
        # a fault of ours, reported with its traceback: the others' deliveries go on
        log.exception("delivery %s broke", delivery.id)
        _put_off(delivery, "delivery.error", type(error).__name__)
    else:
        Delivery.objects.filter(id=delivery.id).update(
            state=Delivery.State.SENT, sent_at=timezone.now(), code="", error=""
        )
        if delivery.webhook_id:
            Webhook.objects.filter(id=delivery.webhook_id).update(failures=0)


def _drop(delivery: Delivery) -> None:
    message = "This person may no longer be notified of it."
    Delivery.objects.filter(id=delivery.id).update(
        state=Delivery.State.FAILED, code="delivery.not_permitted", error=message
    )


def _may_be_notified(delivery: Delivery) -> bool:
    """Whether they still may when it is sent: it may have waited for hours for their server to come back."""
    event = Event.objects.filter(id=delivery.notice.event_id).first()
    if event is None:
        return delivery.user.is_active
    return people_for(Kind(delivery.notice.kind), placed(event)).filter(pk=delivery.user_id).exists()


def _send(delivery: Delivery) -> None:
    notice = delivery.notice
    if delivery.channel == Channel.WEBHOOK:
        assert delivery.webhook is not None
        webhooks.post(delivery.webhook, webhooks.message_of(notice), message_id=f"notice-{notice.event_id}")
        return
    person = delivery.user
    with speaking_to(person):
        statement = _in_their_words(notice, person)
        message = render_to_string("monitoring/notice.txt", {"said": statement, "url": settings.PUBLIC_URL})
        subject = as_one_line(f"[Consilience] {statement.subject}")
    send_mail(subject=subject, message=message, from_email=None, recipient_list=[person.email])


def _in_their_words(notice: Notice, person: User) -> NoticeText:
    """As it was kept; repeated for who has chosen another language or clock, where what it reports is still there."""
    kind = Kind(notice.kind)
    old = notice.subject if notice.names is None else ""
    kept = NoticeText(kind, notice.names or {}, notice.text, notice.path, kept_subject=old)
    event = Event.objects.filter(id=notice.event_id).first() if person.language or person.time_zone else None
    return (notice_text(kind, event) if event else None) or kept


def _put_off(delivery: Delivery, code: str, reported: str) -> None:
    tries, reported = delivery.attempts, as_one_line(reported)[:ERROR_LENGTH_MAX]
    later = timezone.now() + timedelta(seconds=_pause_s(tries))
    own = Delivery.objects.filter(id=delivery.id)
    if tries > len(BACK_OFF_S):
        own.update(state=Delivery.State.FAILED, code=code, error=reported)
    else:
        own.update(next_try_at=later, code=code, error=reported)
    if delivery.webhook_id:
        waiting = Delivery.objects.filter(webhook_id=delivery.webhook_id, state=Delivery.State.PENDING)
        waiting.exclude(id=delivery.id).filter(next_try_at__lt=later).update(next_try_at=later)
        Webhook.objects.filter(id=delivery.webhook_id).update(failures=F("failures") + 1)
        failing = Webhook.objects.filter(id=delivery.webhook_id, failures__gte=FAILURES_MAX, disabled_at=None)
        if failing.update(disabled_at=timezone.now()):
            waiting.update(state=Delivery.State.FAILED, code="webhook.abandoned", error=_GIVEN_UP)
    log.warning("delivery %s failed, try %s: %s %s", delivery.id, tries, code, reported)


def _pause_s(tries: int) -> float:
    pause = BACK_OFF_S[min(tries, len(BACK_OFF_S)) - 1]
    return pause * _CHANCE.uniform(1 - JITTER, 1 + JITTER)
