"""What is done on the pages of training plans: uploaded, put before the members, approved or refused."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import signed_in
from accounts.permissions import Permission
from accounts.second_factor.reauthentication import check_reauthentication
from accounts.second_factor.requirements import has_second_factor
from consortia.access import access_consortium
from dashboards.consortium.views import frame
from dashboards.plan.views import plan_page
from federation.errors import FederationError
from federation.plans.declaration import SOURCE_BYTES_MAX
from plans import actions
from plans.forms import ReviewForm, SignedReviewForm, UploadForm
from plans.models import Via
from plans.permissions import access_plan, access_plan_for_organisation
from plans.selectors import verdict_of
from plans.signed_reviews import REVIEW_BYTES_MAX
from rest.addresses import address_of
from rest.errors import Forbidden, NotFound, TooMany, Unauthenticated
from rest.pages import form_errors, in_words


@login_required
def upload(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """Upload a plan. What is wrong stands at the field, and what can be read of it stays there to be corrected."""
    user = signed_in(request)
    wanted = access_consortium(user, consortium_id, Permission.PLAN_UPLOAD)
    form = UploadForm()
    if request.method == "POST":
        source, form = _given(request)
        if form.is_valid():
            try:
                uploaded = actions.upload(consortium=wanted, source=source, by=user)
            except (Forbidden, NotFound):
                raise
            except FederationError as error:
                _show(form, error)
            else:
                if form.cleaned_data["propose"]:
                    actions.propose(plan=uploaded.plan, by=user)
                done = _("Uploaded.") if uploaded.new else _("This very file is here already.")
                messages.success(request, done)
                return redirect("plan", uploaded.plan.pk)
    context = {**frame(wanted, user, "plans"), "form": form}
    return render(request, "dashboards/plan/upload.html", context, status=422 if form.errors else 200)


def _given(request: HttpRequest) -> tuple[bytes, UploadForm]:
    """The source, and the form that keeps it as text where it is text: a browser keeps no file that was chosen."""
    data = request.POST.copy()
    file = request.FILES.get("file")
    if file is None:
        text = data.get("text", "").replace("\r\n", "\n")  # as every browser sends what stands in a form
        form = UploadForm(data)
        if not text.strip():
            form.add_error("file", _("Choose a file, or put its text below."))
        return text.encode(errors="replace"), form
    source = file.read(SOURCE_BYTES_MAX + 1)
    try:
        kept = source.decode() if len(source) <= SOURCE_BYTES_MAX else ""
    except UnicodeDecodeError:
        kept = ""
    data["text"] = "" if "\0" in kept else kept
    return source, UploadForm(data)


def _show(form: UploadForm, error: FederationError) -> None:
    """At the text where there is some to be corrected, else at the file."""
    field = "text" if form.cleaned_data.get("text") else "file"
    whole = [in_words(error.message)]
    rows = [f"{path}: {in_words(text)}" for path, texts in error.fields.items() for text in texts]
    form.add_error(field, [f"{text} ({error.code})" for text in rows or whole])


@require_POST
@login_required
def propose(request: HttpRequest, plan_id: UUID) -> HttpResponse:
    """Ask the members' stewards to read it."""
    user = signed_in(request)
    plan = access_plan(user, plan_id, Permission.PLAN_UPLOAD)
    actions.propose(plan=plan, by=user)
    messages.success(request, _("The members' stewards find it on their home page and are notified."))
    return redirect("plan", plan.pk)


@require_POST
@login_required
def review(request: HttpRequest, plan_id: UUID, organisation_id: UUID) -> HttpResponse:
    """Approve or refuse the file that was read, having shown again who one is."""
    user = signed_in(request)
    plan, member_organisation = access_plan_for_organisation(user, plan_id, organisation_id)
    form = ReviewForm(request.POST, by_code=has_second_factor(user))
    if form.is_valid():
        by_name = {name: form.cleaned_data[name] for name in ("verdict", "note", "seen_digest")}
        before = verdict_of(user, plan, member_organisation)
        if before is not None and (before.verdict, before.note) == (by_name["verdict"], by_name["note"]):
            messages.info(request, _("You have given this verdict already."))  # a second click, or the back button
            return redirect("plan", plan.pk)
        try:
            shown = check_reauthentication(user=user, proof=form.cleaned_data["proof"], address=address_of(request))
        except (Unauthenticated, TooMany) as problem:
            form.add_error("proof", in_words(problem.message))
        else:
            with form_errors(form):
                actions.record_verdict(plan=plan, organisation=member_organisation, **by_name, shown_by=shown, by=user)
    if form.errors:
        return plan_page(request, plan, review_form=form)
    done = (
        _("Approved. It runs at your silos only once your organisation has signed its review on premises.")
        if form.cleaned_data["verdict"] == "approved"
        else _("Refused. The other members see that you did, and your note.")
    )
    messages.success(request, done)
    return redirect("plan", plan.pk)


@require_POST
@login_required
def upload_review(request: HttpRequest, plan_id: UUID) -> HttpResponse:
    """Take the review that was signed on premises."""
    user = signed_in(request)
    plan, _organisation = access_plan_for_organisation(user, plan_id)
    form = SignedReviewForm(request.POST, request.FILES)
    if form.is_valid():
        with form_errors(form):
            sealed = form.cleaned_data["document"].read(REVIEW_BYTES_MAX + 1)
            actions.accept_review(envelope=sealed, plan=plan, by=user, via=Via.BROWSER)
    if form.errors:
        return plan_page(request, plan, signed_form=form)
    messages.success(request, _("The review is taken."))
    return redirect("plan", plan.pk)
