"""By what versions of agreements are looked for."""

from __future__ import annotations

from uuid import UUID

import django_filters
from django.db.models import QuerySet

from accounts.access import signed_in
from agreements.models import AgreementVersion
from agreements.transitions import AgreementState
from consortia.access import access_consortium
from rest.filters import FilterSet


class VersionFilter(FilterSet):
    """`?consortium=…&state=…&digest=…`"""

    consortium = django_filters.UUIDFilter(method="in_consortium")
    state = django_filters.ChoiceFilter(choices=AgreementState.choices)
    digest = django_filters.CharFilter(max_length=80)

    class Meta:
        model = AgreementVersion
        fields: tuple[str, ...] = ()

    def in_consortium(self, queryset: QuerySet[AgreementVersion], name: str, value: UUID) -> QuerySet[AgreementVersion]:
        """Those of one consortium. Raises NotFound where it can't be seen."""
        return queryset.filter(consortium=access_consortium(signed_in(self.request), value))
