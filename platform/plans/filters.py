"""By what plans are looked for."""

from __future__ import annotations

from uuid import UUID

import django_filters
from django.db.models import QuerySet

from accounts.access import signed_in
from consortia.access import access_consortium
from plans.models import TrainingPlan
from rest.filters import FilterSet


class PlanFilter(FilterSet):
    """`?consortium=…&digest=…`"""

    consortium = django_filters.UUIDFilter(method="in_consortium")
    digest = django_filters.CharFilter(max_length=80)

    class Meta:
        model = TrainingPlan
        fields: tuple[str, ...] = ()

    def in_consortium(self, queryset: QuerySet[TrainingPlan], name: str, value: UUID) -> QuerySet[TrainingPlan]:
        """Those of one consortium. Raises NotFound where it can't be seen."""
        return queryset.filter(consortium=access_consortium(signed_in(self.request), value))
