"""What is done on the pages of agreements: drafted, changed, taken from step to step, commented on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import signed_in
from accounts.models import User
from accounts.permissions import Permission
from agreements.actions import drafting
from agreements.choices import Offer, offer_of
from agreements.forms import TermsForm
from agreements.models import AgreementVersion
from agreements.permissions import access_version, access_version_to_revise
from agreements.selectors import current_version
from agreements.small_forms import CommentForm, ReasonForm, SeenDigestForm
from agreements.terms import check_wording, first_terms, read_terms
from agreements.transitions import AgreementState
from consortia.access import access_consortium
from consortia.models import Consortium
from dashboards.agreement.confirmations import STEPS
from dashboards.agreement.rows import side_by_side
from dashboards.agreement.views import page_frame, version_page
from dashboards.consortium.views import frame
from federation.errors import FederationError
from plans.selectors import plans_of
from rest.errors import Conflict, Forbidden, NotFound
from rest.pages import flash_result, form_errors


@login_required
def draft(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """Draft the next version: from the terms that hold now, or from cautious ones."""
    user = signed_in(request)
    wanted = access_consortium(user, consortium_id, Permission.AGREEMENT_DRAFT)
    current = current_version(wanted)
    offer = offer_of(wanted, current.terms if current else None)
    terms = current.terms if current else _first_terms(offer)
    data = request.POST if request.method == "POST" else None
    form = TermsForm(data, offer=offer, terms=terms, uploaded=_uploaded(wanted))
    if request.method == "POST":
        made = _taken(
            form, lambda: drafting.draft(consortium=wanted, terms=read_terms(form.said()), note=_note(form), by=user)
        )
        if made is not None:
            messages.success(request, _("Drafted. Nobody is asked for anything before you propose it."))
            return redirect("agreement", made.pk)
    context = {**frame(wanted, user, "agreement"), "form": form, "current": current}
    return render(request, "dashboards/agreement/edit.html", context, status=422 if form.is_wrong else 200)


def _uploaded(consortium: Consortium) -> list[tuple[str, str]]:
    """The hashes of the consortium's training plans, with their titles."""
    return list(plans_of(consortium).values_list("digest", "title"))


def _first_terms(offer: Offer) -> dict[str, Any]:
    return first_terms(offer.members, [(one.key, one.dataset) for one in offer.datasets], offer.targets)


@login_required
def edit(request: HttpRequest, agreement_version_id: UUID) -> HttpResponse:
    """Change a draft, or counter-propose; who does is informed when somebody else did so in the meantime."""
    user = signed_in(request)
    version = access_version_to_revise(user, agreement_version_id)
    if not version.is_open:
        raise Conflict("agreement.closed", "This version can't be changed any more: draft the next one.")
    form = TermsForm(
        request.POST if request.method == "POST" else None,
        offer=offer_of(version.consortium, version.terms),
        terms=version.terms,
        uploaded=_uploaded(version.consortium),
    )
    seen = request.POST.get("seen_digest", version.terms_digest)
    if request.method == "POST":
        made = _taken(form, lambda: _revise(version, form, seen, user))
        if made is not None:
            messages.success(request, _("Saved. The others see what changed."))
            return redirect("agreement", made.pk)
    changed = seen != version.terms_digest
    context = {
        **page_frame(version, user),
        "form": form,
        "changed": changed,
        "changes": _since(version, seen) if changed else (),
        "is_signing": version.state == AgreementState.SIGNING,
    }
    return render(request, "dashboards/agreement/edit.html", context, status=422 if form.is_wrong else 200)


def _revise(version: AgreementVersion, form: TermsForm, seen: str, user: User) -> AgreementVersion:
    return drafting.revise(
        version=version,
        terms=read_terms(form.said()),
        note=_note(form),
        seen_digest=seen,
        reopen=bool(form.cleaned_data.get("reopen")),
        by=user,
    )


def _since(version: AgreementVersion, seen: str) -> list[Any]:
    """What changed from the wording that somebody had before them to the present one."""
    revisions = list(version.revisions.select_related("version"))
    before = next((row for row in revisions if row.terms_digest == seen), None)
    if before is None:
        return []
    return [row for row in side_by_side((version, before), (version, revisions[-1])) if row.clause.changed]


def _note(form: TermsForm) -> str:
    return str(form.cleaned_data.get("note", ""))


def _taken(form: TermsForm, work: Callable[[], AgreementVersion]) -> AgreementVersion | None:
    """Do it; None where something is wrong, which then stands at its field, all of it at once.

    None as well where more fields were asked for, and nothing is to be done yet.
    """
    if not form.judged:
        return None
    form.full_clean()
    try:
        if form.is_wrong:
            check_wording(read_terms(form.said()))  # for what else is wrong: everything is reported at once
            return None
        return work()
    except (Forbidden, NotFound):
        raise
    except FederationError as error:
        form.take(error)
        return None


@require_POST
@login_required
def comment(request: HttpRequest, agreement_version_id: UUID) -> HttpResponse:
    """Say something about a clause."""
    user = signed_in(request)
    version = access_version(user, agreement_version_id, Permission.AGREEMENT_NEGOTIATE)
    form = CommentForm(request.POST)
    if form.is_valid():
        with form_errors(form):
            drafting.comment(version=version, **form.cleaned_data, by=user)
    if form.errors:
        return version_page(request, version, comment_form=form)
    return redirect(f"{reverse('agreement', args=[version.pk])}#{form.cleaned_data['clause']}")


@login_required
def step(request: HttpRequest, agreement_version_id: UUID, name: str) -> HttpResponse:
    """Ask first, then take a version a step further or back."""
    user = signed_in(request)
    wanted = STEPS[name]
    version = access_version(user, agreement_version_id, wanted.permission)
    form: forms.Form | None = None
    if wanted.reason:
        form = ReasonForm(request.POST if request.method == "POST" else None)
    elif name == "open-signing":
        form = SeenDigestForm(request.POST or None, initial={"seen_digest": version.terms_digest})
    if request.method == "POST" and (form is None or form.is_valid()):
        made: object = None
        with flash_result(request, _(wanted.done)):
            made = wanted.act(version, next(iter(form.cleaned_data.values())) if form else "", user)
        return redirect("agreement", made.pk if isinstance(made, AgreementVersion) else version.pk)
    context = {
        "question": _(wanted.question) % {"version": _named(version)},
        "consequence": _(wanted.consequence),
        "form": form,
        "yes": _(wanted.yes),
        "back": reverse("agreement", args=[version.pk]),
    }
    return render(request, "_components/confirm.html", context, status=422 if form and form.errors else 200)


def _named(version: AgreementVersion) -> str:
    return _("version %(number)s") % {"number": version.number}
