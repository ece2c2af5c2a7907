"""By what models are looked for."""

from __future__ import annotations

from uuid import UUID

import django_filters
from django.db.models import QuerySet

from accounts.access import signed_in
from consortia.access import access_consortium
from registry.models import Model, ModelVersion
from rest.filters import FilterSet, YesNoFilter


class ModelFilter(FilterSet):
    """`?consortium=…&job=…`"""

    consortium = django_filters.UUIDFilter(method="in_consortium")
    job = django_filters.UUIDFilter(field_name="jobs", lookup_expr="id")

    class Meta:
        model = Model
        fields: tuple[str, ...] = ()

    def in_consortium(self, queryset: QuerySet[Model], name: str, value: UUID) -> QuerySet[Model]:
        """Its models. Raises NotFound where the consortium can't be seen."""
        return queryset.filter(consortium=access_consortium(signed_in(self.request), value))


class VersionFilter(FilterSet):
    """`?best=true`, `?has_weights=true`"""

    best = YesNoFilter(field_name="is_best")
    has_weights = YesNoFilter(field_name="pruned_at", lookup_expr="isnull")

    class Meta:
        model = ModelVersion
        fields: tuple[str, ...] = ()
