"""What the list of events may be narrowed to."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from consortia.models import Consortium


class ActivityFilter(forms.Form):
    """What, who, where and when; every part may be left open, and what can't be read narrows nothing."""

    verb = forms.CharField(
        label=_("What"), required=False, max_length=80, widget=forms.TextInput(attrs={"list": "verbs", "size": 18})
    )
    actor = forms.CharField(label=_("Who"), required=False, max_length=100, widget=forms.TextInput(attrs={"size": 18}))
    consortium = forms.ModelChoiceField(
        queryset=Consortium.objects.none(), label=_("Consortium"), required=False, empty_label=_("any")
    )
    job = forms.UUIDField(label=_("Job, by its id"), required=False, widget=forms.TextInput(attrs={"size": 18}))
    since = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )
    until = forms.DateField(
        label=_("To"), required=False, widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )

    def __init__(self, data: Any = None, *, consortia: QuerySet[Consortium]) -> None:
        super().__init__(data, label_suffix="")
        field = self.fields["consortium"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = consortia
        self.is_valid()
