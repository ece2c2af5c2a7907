"""What a member's steward does on the pages of agreements: approves, hands a signature in, suspends, lifts."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import signed_in
from accounts.permissions import Permission
from accounts.second_factor.reauthentication import check_reauthentication
from accounts.second_factor.requirements import has_second_factor
from agreements.actions import signing, suspension
from agreements.models import Via
from agreements.permissions import access_version_for_organisation
from agreements.small_forms import ApprovalForm, ReasonForm, SignatureForm
from agreements.transitions import AgreementState
from dashboards.agreement.views import version_page
from federation.protocol.envelope import ENVELOPE_BYTES_MAX
from rest.addresses import address_of
from rest.errors import TooMany, Unauthenticated
from rest.pages import flash_result, form_errors, in_words


@require_POST
@login_required
def approve(request: HttpRequest, agreement_version_id: UUID, organisation_id: UUID) -> HttpResponse:
    """Approve the bytes that were read, having shown again who one is."""
    user = signed_in(request)
    version, member_organisation = access_version_for_organisation(
        user, agreement_version_id, Permission.AGREEMENT_APPROVE, organisation_id
    )
    form = ApprovalForm(request.POST, by_code=has_second_factor(user))
    if form.is_valid():
        try:
            shown = check_reauthentication(user=user, proof=form.cleaned_data["proof"], address=address_of(request))
        except (Unauthenticated, TooMany) as problem:
            form.add_error("proof", in_words(problem.message))
        else:
            with form_errors(form):
                signing.approve(
                    version=version,
                    organisation=member_organisation,
                    seen_digest=form.cleaned_data["seen_digest"],
                    shown_by=shown,
                    by=user,
                )
    if form.errors:
        return version_page(request, version, approval_form=form)
    messages.success(request, _("Approved. What binds is the signature that your signatory makes on premises."))
    return redirect("agreement", version.pk)


@require_POST
@login_required
def upload_signature(request: HttpRequest, agreement_version_id: UUID) -> HttpResponse:
    """Take the file that was signed on premises."""
    user = signed_in(request)
    version, _organisation = access_version_for_organisation(user, agreement_version_id, Permission.AGREEMENT_APPROVE)
    form = SignatureForm(request.POST, request.FILES)
    if form.is_valid():
        with form_errors(form):
            sealed = form.cleaned_data["document"].read(ENVELOPE_BYTES_MAX + 1)
            taken = signing.accept_signature(envelope=sealed, version=version, by=user, via=Via.BROWSER)
            version = taken.version
    if form.errors:
        return version_page(request, version, signature_form=form)
    done = version.state == AgreementState.IN_FORCE
    messages.success(
        request,
        _("Signed by all: the agreement is in force.") if done else _("The signature is taken."),
    )
    return redirect("agreement", version.pk)


@login_required
def suspend(request: HttpRequest, agreement_version_id: UUID, organisation_id: UUID) -> HttpResponse:
    """Ask first, and why; then suspend the agreement for an organisation of one's own."""
    user = signed_in(request)
    version, member_organisation = access_version_for_organisation(
        user, agreement_version_id, Permission.AGREEMENT_SUSPEND, organisation_id
    )
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        with flash_result(request, _("Suspended for %(organisation)s.") % {"organisation": member_organisation.name}):
            suspension.suspend(
                consortium=version.consortium,
                organisation=member_organisation,
                reason=form.cleaned_data["reason"],
                by=user,
            )
        return redirect("agreement", version.pk)
    context = {
        "question": _("Suspend the agreement for %(organisation)s?") % {"organisation": member_organisation.name},
        "consequence": _(
            "From the next order on nothing more is done at its silos, under any version, until you lift this. The "
            "other members go on if enough are left. To be independent of the platform, run silo-connector suspend on "
            "premises as well."
        ),
        "form": form,
        "yes": _("Suspend it"),
        "back": reverse("agreement", args=[version.pk]),
    }
    return render(request, "_components/confirm.html", context, status=422 if form.errors else 200)


@login_required
def lift(request: HttpRequest, agreement_version_id: UUID, organisation_id: UUID) -> HttpResponse:
    """Ask first; then lift the suspension of an organisation of one's own."""
    user = signed_in(request)
    version, member_organisation = access_version_for_organisation(
        user, agreement_version_id, Permission.AGREEMENT_SUSPEND, organisation_id
    )
    if request.method == "POST":
        with flash_result(
            request, _("%(organisation)s takes the agreement up again.") % {"organisation": member_organisation.name}
        ):
            suspension.lift(consortium=version.consortium, organisation=member_organisation, by=user)
        return redirect("agreement", version.pk)
    context = {
        "question": _("Take the agreement up again for %(organisation)s?") % {"organisation": member_organisation.name},
        "consequence": _(
            "Its silos get orders again. What is suspended on premises stays so until it is lifted there."
        ),
        "yes": _("Take it up again"),
        "back": reverse("agreement", args=[version.pk]),
    }
    return render(request, "_components/confirm.html", context)
