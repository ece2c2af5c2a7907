"""By what jobs are looked for."""

from __future__ import annotations

from uuid import UUID

import django_filters
from django import forms
from django.db.models import QuerySet

from accounts.access import signed_in
from consortia.access import access_consortium
from federation.tasks import TASKS
from rest.filters import FilterSet
from training.models import Job
from training.transitions import JobState, RoundState


class JobFilter(FilterSet):
    """`?consortium=…&state=running&state=paused&task=…`"""

    consortium = django_filters.UUIDFilter(method="in_consortium")
    state = django_filters.MultipleChoiceFilter(choices=JobState.choices)
    task = django_filters.ChoiceFilter(
        choices=lambda: [(name, name) for name in TASKS],
        help_text=f"By name: {', '.join(f'`{name}`' for name in TASKS)}; or one that was added to this platform.",
    )

    class Meta:
        model = Job
        fields: tuple[str, ...] = ()

    def in_consortium(self, queryset: QuerySet[Job], name: str, value: UUID) -> QuerySet[Job]:
        """Its jobs. Raises NotFound where the consortium can't be seen."""
        return queryset.filter(consortium=access_consortium(signed_in(self.request), value))


class WholeNumberFilter(django_filters.NumberFilter):  # type: ignore[misc]  # it has no types
    """A number without decimals: 0.5 is refused, and finds nothing by chance."""

    field_class = forms.IntegerField


class RoundFilter(FilterSet):
    """`?number=…&state=…`"""

    number = WholeNumberFilter()
    state = django_filters.ChoiceFilter(choices=RoundState.choices)
