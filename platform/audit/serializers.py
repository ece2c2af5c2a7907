"""How an event looks in JSON."""

from __future__ import annotations

from rest_framework import serializers

from audit.models import Event


class EventOut(serializers.ModelSerializer[Event]):
    """One thing that somebody did."""

    detail = serializers.DictField(child=serializers.JSONField())

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
