"""What the list of jobs may be narrowed to."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from consortia.models import Consortium
from training.models import Job
from training.transitions import ENDED, JobState

GOING, OVER = "going", "ended"
_STATES = [
    ("", _("any")),
    (GOING, _("all that go on")),
    (OVER, _("all that have ended")),
    *((state.value, state.label) for state in JobState),
]


class JobsAsked(forms.Form):
    """State, consortium and words; every part may be left open, and what can't be read narrows nothing."""

    q = forms.CharField(label=_("Name or purpose"), required=False, max_length=100)
    state = forms.ChoiceField(label=_("State"), required=False, choices=_STATES)
    consortium = forms.ModelChoiceField(
        queryset=Consortium.objects.none(), label=_("Consortium"), required=False, empty_label=_("any")
    )

    def __init__(self, data: Any = None, *, consortia: QuerySet[Consortium]) -> None:
        super().__init__(data, label_suffix="")
        field = self.fields["consortium"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = consortia
        self.is_valid()

    def narrow(self, jobs: QuerySet[Job]) -> QuerySet[Job]:
        """The jobs that were asked for."""
        asked = self.cleaned_data
        if words := asked.get("q"):
            jobs = jobs.filter(Q(name__icontains=words) | Q(request__purpose__icontains=words))
        if state := asked.get("state"):
            over = Q(state__in=ENDED)
            jobs = jobs.filter({GOING: ~over, OVER: over}.get(state, Q(state=state)))
        if consortium := asked.get("consortium"):
            jobs = jobs.filter(consortium=consortium)
        return jobs
