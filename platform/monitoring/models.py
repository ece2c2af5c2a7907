"""What there is to report, who wants to be notified how, and what became of notifying them."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from monitoring.transitions import DeliveryState


class Kind(models.TextChoices):
    """What people can be notified of."""

    JOB_COMPLETED = "job.completed", _("a job completed")
    JOB_FAILED = "job.failed", _("a job failed")
    JOB_PAUSED = "job.paused", _("a job paused")
    ROUND_ABANDONED = "round.abandoned", _("a round was abandoned")
    SILO_SILENT = "silo.silent", _("a silo fell silent")
    SILO_PRESENTED = "silo.presented", _("a silo waits to be confirmed")
    ORDER_REFUSED = "order.refused", _("incident: a silo refused its order")
    UPDATE_REJECTED = "update.rejected", _("incident: a silo's update was rejected")
    RECORD_CHANGED = "checkpoint.contradicted", _("incident: a silo found the audit log changed")
    SILO_REVOKED = "silo.revoked", _("incident: a silo was revoked")
    INVITATION = "participation.invited", _("your organisation was invited")
    AGREEMENT_PROPOSED = "agreement.proposed", _("an agreement is proposed to your organisation")
    AGREEMENT_SIGNING = "agreement.signing_opened", _("an agreement waits for your approval and signature")
    PLAN_PROPOSED = "plan.proposed", _("a training plan waits for your review")


class Channel(models.TextChoices):
    """How somebody is notified."""

    EMAIL = "email", _("e-mail")
    WEBHOOK = "webhook", _("webhook")


class Notice(models.Model):
    """Something that happened and that people may want to know: made once from an event of the record."""

    event_id = models.BigIntegerField(unique=True)
    kind = models.CharField(max_length=40, choices=Kind.choices)
    at = models.DateTimeField()
    subject = models.CharField(max_length=300)
    """In English, as it went to anyone who chose no language."""
    names = models.JSONField(null=True)
    """What stands in the subject of this kind; None in notices from before, and where what it reported about was
    gone.
    """
    text = models.TextField()
    path = models.CharField(max_length=200)
    consortium_id = models.UUIDField(null=True)
    organisation_id = models.UUIDField(null=True)
    job_id = models.UUIDField(null=True)

    class Meta:
        ordering: ClassVar = ["-event_id"]

    def __str__(self) -> str:
        return self.subject


class Choice(models.Model):
    """Whether somebody wants an e-mail for a kind of notice; without a row the kind's own default holds."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notification_choices")
    kind = models.CharField(max_length=40, choices=Kind.choices)
    email = models.BooleanField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "kind"], name="choice_once_a_kind")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.kind}: {self.email}"


class Webhook(models.Model):
    """An address of somebody's own that is notified of what its owner may know. Its secret is derived, never stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhooks")
    url = models.URLField(max_length=500)
    kinds = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    failures = models.PositiveIntegerField(default=0)
    disabled_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["created_at"]

    def __str__(self) -> str:
        return self.url


class Delivery(models.Model):
    """One notice to one person by one way: a row until it has arrived or was abandoned."""

    State = DeliveryState

    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="deliveries")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    webhook = models.ForeignKey(Webhook, null=True, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=10, choices=DeliveryState, default=DeliveryState.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)
    code = models.CharField(max_length=80, blank=True, default="", db_default="")
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["next_try_at"], condition=models.Q(state="pending"), name="delivery_pending")
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["notice", "user", "channel", "webhook"], nulls_distinct=False, name="delivery_once"
            ),
            models.CheckConstraint(
                condition=models.Q(channel="webhook", webhook__isnull=False)
                | models.Q(channel="email", webhook__isnull=True),
                name="delivery_webhook_iff_by_webhook",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.notice_id} to {self.user_id} by {self.channel}: {self.state}"
