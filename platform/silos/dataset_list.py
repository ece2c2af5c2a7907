"""What the list of datasets may be narrowed to."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from consortia.models import Consortium
from silos import selectors
from silos.models import Dataset


class DatasetsAsked(forms.Form):
    """Words, consortium, schema; every part may be left open, and what can't be read narrows nothing."""

    q = forms.CharField(label=_("Title, silo, organisation"), required=False, max_length=100)
    consortium = forms.ModelChoiceField(
        queryset=Consortium.objects.none(), label=_("Consortium"), required=False, empty_label=_("any")
    )
    schema = forms.CharField(
        label=_("Schema"), required=False, max_length=80, widget=forms.TextInput(attrs={"size": 12})
    )
    withdrawn = forms.BooleanField(label=_("Withdrawn too"), required=False)

    def __init__(self, data: Any = None, *, consortia: QuerySet[Consortium]) -> None:
        super().__init__(data, label_suffix="")
        field = self.fields["consortium"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = consortia
        self.is_valid()

    def narrow(self, datasets: QuerySet[Dataset]) -> QuerySet[Dataset]:
        """The datasets that were asked for."""
        asked = self.cleaned_data
        if not asked.get("withdrawn"):
            datasets = datasets.filter(withdrawn_at=None)
        if words := asked.get("q"):
            datasets = datasets.filter(
                Q(title__icontains=words)
                | Q(name__icontains=words)
                | Q(silo__name__icontains=words)
                | Q(silo__organisation__name__icontains=words)
            )
        if schema := asked.get("schema"):
            datasets = datasets.filter(schema_digest__contains=schema)
        if consortium := asked.get("consortium"):
            datasets = datasets.filter(silo__in=selectors.silos_of(consortium))
        return datasets
