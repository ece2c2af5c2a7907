"""Silos as JSON where jobs name them, and what they missed."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.serializers import OrganisationBrief
from audit.serializers import ReasonParams
from silos.models import Silo
from silos.selectors import health_of
from training.models import Job
from training.reading.absences import Absence
from training.reading.counting import Outcome

_ABSENT = (Outcome.REFUSED, Outcome.REJECTED, Outcome.LATE, Outcome.MISSING)


@extend_schema_field({"type": "string", "enum": ["unseen", "online", "silent"]})
class HealthField(serializers.Field[Silo, Any, str, Silo]):
    """How long ago a silo was heard of, in a word."""

    def __init__(self, **more: Any) -> None:
        super().__init__(read_only=True, **more)

    def to_representation(self, value: Silo) -> str:
        """The word."""
        return health_of(value)


class SiloOfOrganisation(serializers.ModelSerializer[Silo]):
    """A silo with its organisation."""

    organisation = OrganisationBrief()

    class Meta:
        model = Silo
        fields = ("id", "name", "organisation")

    def to_representation(self, instance: Silo) -> Any:
        """Once for each silo of an answer: rounds name the same few over and over."""
        reported = self.context.setdefault("silos", {}) if isinstance(self.context, dict) else {}
        if instance.pk not in reported:
            reported[instance.pk] = super().to_representation(instance)
        return reported[instance.pk]


class JobName(serializers.ModelSerializer[Job]):
    """A job, as others refer to it."""

    class Meta:
        model = Job
        fields = ("id", "name")


class AbsenceOut(serializers.Serializer[Absence]):
    """Rounds of a job that went on without a silo, for one reason."""

    silo = SiloOfOrganisation()
    job = JobName()
    outcome = serializers.ChoiceField(choices=[one for one in Outcome.choices if one[0] in _ABSENT])
    code = serializers.CharField(help_text="The stable code of the reason.")
    reason = serializers.CharField()
    params = ReasonParams()
    remedy = serializers.CharField(help_text="What can be done about it.")
    rounds = serializers.IntegerField(help_text="How many rounds.")
    last_round = serializers.IntegerField()
    last_at = serializers.DateTimeField(help_text="When the last of them opened.")


class AbsencesOut(serializers.Serializer[Any]):
    """What silos missed, the newest first."""

    results = AbsenceOut(many=True)
