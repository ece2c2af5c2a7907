"""What a list of events may be narrowed to."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet

from audit.models import ActorKind, Event
from rest.filters import FilterSet


class EventFilter(FilterSet):
    """By where it happened, who did it, what it was done to, which kind of thing it is, and when."""

    consortium = django_filters.UUIDFilter(field_name="consortium_id")
    organisation = django_filters.UUIDFilter(field_name="organisation_id")
    job = django_filters.UUIDFilter(field_name="job_id")
    verb = django_filters.CharFilter(method="by_verb", help_text="`job.launched`, or `job.` for all that begin so")
    actor_kind = django_filters.ChoiceFilter(choices=ActorKind.choices)
    actor_id = django_filters.CharFilter()
    subject_kind = django_filters.CharFilter()
    subject_id = django_filters.CharFilter()
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = Event
        fields: tuple[str, ...] = ()

    def by_verb(self, queryset: QuerySet[Event], name: str, value: str) -> QuerySet[Event]:
        """The verb itself, or all of a noun."""
        return queryset.filter(verb__startswith=value) if value.endswith(".") else queryset.filter(verb=value)
