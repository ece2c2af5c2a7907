"""How an event looks in JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit.models import Event
from audit.reasons import detail_for_machines


class ReasonParams(serializers.DictField):
    """What is in the sentence of a code."""

    child = serializers.JSONField()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            allow_null=True,
            help_text="What is in the sentence of the code; null where somebody's own words are reported.",
            **kwargs,
        )


class EventOut(serializers.ModelSerializer[Event]):
    """One thing that somebody did."""

    detail = serializers.SerializerMethodField(
        help_text="What the record reports besides. Where it has a code with params, `reason` says it in words."
    )

    class Meta:
        model = Event
        fields = (
            "id",
            "at",
            "verb",
            "actor_kind",
            "actor_id",
            "actor_name",
            "subject_kind",
            "subject_id",
            "consortium_id",
            "organisation_id",
            "job_id",
            "detail",
        )

    @extend_schema_field(serializers.DictField(child=serializers.JSONField()))
    def get_detail(self, event: Event) -> dict[str, Any]:
        """The detail with its reason in words."""
        return detail_for_machines(event.detail)
