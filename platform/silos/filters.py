"""By what silos and datasets are looked for."""

from __future__ import annotations

from uuid import UUID

import django_filters
from django.db.models import QuerySet

from accounts.access import signed_in
from consortia.access import access_consortium
from rest.filters import FilterSet, YesNoFilter
from silos import selectors
from silos.models import Dataset, Silo
from silos.transitions import SiloState


class SiloFilter(FilterSet):
    """`?organisation=…&consortium=…&state=…`"""

    organisation = django_filters.UUIDFilter(field_name="organisation_id")
    consortium = django_filters.UUIDFilter(method="in_consortium")
    state = django_filters.ChoiceFilter(choices=SiloState.choices)

    class Meta:
        model = Silo
        fields: tuple[str, ...] = ()

    def in_consortium(self, queryset: QuerySet[Silo], name: str, value: UUID) -> QuerySet[Silo]:
        """Silos of the organisations that take part. Raises NotFound where the consortium can't be seen."""
        consortium = access_consortium(signed_in(self.request), value)
        return queryset.filter(id__in=selectors.silos_of(consortium).values("id"))


class DatasetFilter(FilterSet):
    """`?consortium=…&silo=…&name=…&schema_digest=…&withdrawn=…`; the withdrawn ones are left out unless asked for."""

    consortium = django_filters.UUIDFilter(method="in_consortium")
    silo = django_filters.UUIDFilter(field_name="silo_id")
    name = django_filters.CharFilter(max_length=100)
    schema_digest = django_filters.CharFilter(max_length=80)
    withdrawn = YesNoFilter(field_name="withdrawn_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = Dataset
        fields: tuple[str, ...] = ()

    def in_consortium(self, queryset: QuerySet[Dataset], name: str, value: UUID) -> QuerySet[Dataset]:
        """Datasets of the organisations that take part. Raises NotFound where the consortium can't be seen."""
        consortium = access_consortium(signed_in(self.request), value)
        return queryset.filter(silo__in=selectors.silos_of(consortium).values("id"))

    def filter_queryset(self, queryset: QuerySet[Dataset]) -> QuerySet[Dataset]:
        """Leave the withdrawn ones out, unless something was stated of them."""
        if self.form.cleaned_data.get("withdrawn") is None:
            queryset = queryset.filter(withdrawn_at=None)
        found: QuerySet[Dataset] = super().filter_queryset(queryset)
        return found
