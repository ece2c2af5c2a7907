"""Organisations that train together."""

from __future__ import annotations

import hashlib
import uuid

from django.conf import settings
from django.db import models as db  # not `models`: that is what a consortium's models are called in its class
from django.utils import timezone

from accounts.models.organisation import SLUG_PATTERN, Organisation, slug_is_plain
from rest.names import NameField


class Consortium(db.Model):
    """A circle of organisations that train models together without moving their data."""

    id = db.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = NameField(max_length=200)
    slug = db.CharField(max_length=60, validators=[slug_is_plain])
    description = db.TextField(max_length=4000, blank=True)
    founded_by = db.ForeignKey(settings.AUTH_USER_MODEL, on_delete=db.PROTECT, related_name="+")
    founded_at = db.DateTimeField(default=timezone.now, editable=False)
    organisations = db.ManyToManyField(
        Organisation, through="consortia.Participation", related_name="consortia", editable=False
    )

    class Meta:
        ordering = ("name", "id")
        constraints = (
            db.UniqueConstraint(
                name="consortium_slug_unique",
                fields=("slug",),
                violation_error_code="consortium.slug_taken",
                violation_error_message="Another consortium has this slug.",
            ),
            db.CheckConstraint(name="consortium_slug_plain", condition=db.Q(slug__regex=SLUG_PATTERN)),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def description_digest(self) -> str:
        """Which name and description these are: anyone who edits them says which they have seen."""
        return hashlib.sha256(f"{self.name}\0{self.description}".encode()).hexdigest()[:32]
