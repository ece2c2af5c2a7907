"""What happened, for ever: append-only."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class ActorKind(models.TextChoices):
    """What kind of actor did it."""

    USER = "user"
    SILO = "silo"
    SYSTEM = "system"


class Event(models.Model):
    """One thing that somebody did, written in the transaction that did it and never changed.

    It points at nothing by foreign key: what it tells of may go, the event stays. A trigger forbids changing it.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(default=timezone.now)
    verb = models.CharField(max_length=80)
    actor_kind = models.CharField(max_length=10, choices=ActorKind.choices)
    actor_id = models.CharField(max_length=80)
    actor_name = models.CharField(max_length=254)
    subject_kind = models.CharField(max_length=80)
    subject_id = models.CharField(max_length=80)
    consortium_id = models.UUIDField(null=True)
    organisation_id = models.UUIDField(null=True)
    job_id = models.UUIDField(null=True)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                name="audit_event_actor_kind_known", condition=models.Q(actor_kind__in=ActorKind.values)
            ),
            models.CheckConstraint(
                name="audit_event_verb_dotted", condition=models.Q(verb__regex=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")
            ),
        )
        indexes = (
            models.Index(name="audit_event_consortium", fields=("consortium_id", "-id")),
            models.Index(name="audit_event_organisation", fields=("organisation_id", "-id")),
            models.Index(name="audit_event_job", fields=("job_id", "-id")),
            models.Index(name="audit_event_subject", fields=("subject_kind", "subject_id", "-id")),
            models.Index(name="audit_event_actor", fields=("actor_kind", "actor_id", "-id")),
        )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor_name} {self.verb} {self.subject_kind} {self.subject_id}"
