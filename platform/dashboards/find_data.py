"""Page: which data sets may serve a purpose, by the agreement in force, before anybody has thought of a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe
from pydantic import ValidationError

from accounts.access import signed_in
from accounts.models import User
from agreements.refusals import term_fault
from agreements.selectors import in_force
from agreements.terms import terms_of
from consortia.models import Consortium
from consortia.selectors import consortia_visible_to
from federation.agreements.purposes import first_unmet_condition
from federation.agreements.rules import RULES
from federation.agreements.vocabulary import MODIFIERS, PERMISSIONS
from federation.protocol.documents import CoveredDataset, Purpose, Terms
from federation.validation import refusal
from silos.models import Dataset
from silos.selectors import datasets_visible_to, silos_of
from training.launch.purpose_fields import declared, purpose_fields


@dataclass(frozen=True)
class Match:
    """A data set, and whether it may serve the purpose; else the code that is not met, with what it means."""

    dataset: Dataset
    code: str
    meaning: str

    @property
    def serves(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.code


class PurposeForm(forms.Form):
    """A consortium, and a purpose as a job would declare it."""

    consortium = forms.ModelChoiceField(queryset=Consortium.objects.none(), label=_("Consortium"))
    purpose: Purpose | None = None
    """What was declared, once the form is valid."""

    def __init__(self, data: Any = None, *, consortia: QuerySet[Consortium]) -> None:
        super().__init__(data, label_suffix="")
        field = self.fields["consortium"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = consortia
        if len(consortia[:2]) == 1:
            field.empty_label = None  # nothing to choose
        self.fields.update(purpose_fields())

    def clean(self) -> None:
        """What a job's purpose may not be is shown at its field."""
        by_name = {name: value for name, value in self.cleaned_data.items() if name != "consortium"}
        given = declared(by_name)
        try:
            self.purpose = Purpose.model_validate(given) if given else None
        except ValidationError as error:
            self.purpose = None
            for path, texts in refusal(error, "job.invalid", data=given).fields.items():
                name = path.partition(".")[0]
                for text in texts:
                    self.add_error(name if name in self.fields else None, term_fault(path, text, given))


@require_safe
@login_required
def find(request: HttpRequest) -> HttpResponse:
    """The data sets of a consortium, those first that may serve the purpose."""
    user = signed_in(request)
    form = PurposeForm(request.GET or None, consortia=consortia_visible_to(user).order_by("name"))
    found, agreed = None, True
    if form.is_bound and form.is_valid():
        version = in_force(form.cleaned_data["consortium"])
        agreed = version is not None
        terms = terms_of(version) if version else None
        found = matches(user, form.cleaned_data["consortium"], terms, form.purpose) if terms else []
    return render(request, "dashboards/find_data.html", {"form": form, "found": found, "agreed": agreed})


def matches(user: User, consortium: Consortium, terms: Terms, purpose: Purpose | None) -> list[Match]:
    """Every data set of the consortium that this person sees, checked by the agreement's purposes and its own."""
    covered = {(one.signatory_key, one.dataset): one for one in terms.datasets}
    rows = datasets_visible_to(user).filter(silo__in=silos_of(consortium), withdrawn_at=None)
    rows = rows.select_related("silo__organisation", "silo__signatory_key").order_by("title", "silo__name")
    found = []
    for dataset in rows:
        key = dataset.silo.signatory_key
        mine = covered.get((key.key.encoded, dataset.name)) if key else None
        code = "agreement.dataset" if mine is None else _missed(terms, mine, purpose, str(user.pk))
        found.append(Match(dataset, code, _meaning(code)))
    return sorted(found, key=lambda match: not match.serves)


def _missed(terms: Terms, covered: CoveredDataset, purpose: Purpose | None, asker: str) -> str:
    today = timezone.now().date()
    missed = first_unmet_condition(terms.purposes, purpose, asker, today)
    if missed is None and covered.use is not None:
        missed = first_unmet_condition(covered.use, purpose, asker, today)
    return missed or ""


def _meaning(code: str) -> str:
    if not code:
        return ""
    known = PERMISSIONS.get(code) or MODIFIERS.get(code)
    return f"{known.label}. {known.judged}" if known else gettext(RULES[code].meaning)
