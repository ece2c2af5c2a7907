"""Pages to read: a consortium's agreement and its versions, one version, two side by side, one printed. Thin."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from accounts.models import User
from accounts.permissions import Permission
from accounts.second_factor.requirements import has_second_factor
from agreements.api.versions import document_answer
from agreements.models import AgreementVersion
from agreements.permissions import access_version
from agreements.selectors import (
    current_version,
    document_of,
    open_version,
    parties,
    revisions_of,
    suspensions_of,
    versions_of,
)
from agreements.small_forms import ApprovalForm, CommentForm, SignatureForm
from agreements.terms import agreement_of
from agreements.upgrades import added_rows
from consortia.access import access_consortium
from dashboards.agreement.rows import (
    May,
    clause_rows,
    own_parts,
    pdf_signature_rows,
    side_by_side,
    steps_of,
    the_other,
    the_wording,
)
from dashboards.consortium.views import frame
from federation.agreements.rendering import clauses
from plans.selectors import digests_in, plans_of
from rest.downloads import attachment


@require_safe
@login_required
def overview(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """What binds, what is under way, and every version there was."""
    user = signed_in(request)
    wanted = access_consortium(user, consortium_id, Permission.AGREEMENT_VIEW)
    current, coming = current_version(wanted), open_version(wanted)
    context = {
        **frame(wanted, user, "agreement"),
        "current": current,
        "coming": coming,
        "current_parties": parties(current) if current else (),
        "coming_parties": parties(coming) if coming else (),
        "versions": versions_of(wanted),
    }
    return render(request, "dashboards/agreement/overview.html", context)


@require_safe
@login_required
def version(request: HttpRequest, agreement_version_id: UUID) -> HttpResponse:
    """One version: where it is, what can be done, what it says, who has signed."""
    user = signed_in(request)
    return version_page(request, access_version(user, agreement_version_id))


def version_page(
    request: HttpRequest,
    wanted: AgreementVersion,
    *,
    comment_form: CommentForm | None = None,
    approval_form: ApprovalForm | None = None,
    signature_form: SignatureForm | None = None,
) -> HttpResponse:
    """The page, with a form that was refused as it was filled in."""
    user = signed_in(request)
    may = May.of(user, wanted)
    rows = parties(wanted)
    refused = comment_form or approval_form or signature_form
    context = {
        **page_frame(wanted, user),
        "clauses": clause_rows(wanted),
        "plans": plans_of(wanted.consortium).filter(digest__in=digests_in(wanted.terms)),
        "parties": rows,
        "n_signed": sum(row.signed_at is not None for row in rows),
        "own": own_parts(user, may, rows),
        "steps": steps_of(wanted, may),
        "added_terms": added_rows(wanted),
        "suspensions": suspensions_of(wanted) if not wanted.is_open else (),
        "revisions": list(revisions_of(wanted).defer("terms")),
        "comment_form": comment_form,
        "approval_form": approval_form
        or ApprovalForm(by_code=has_second_factor(user), initial={"seen_digest": wanted.digest}),
        "signature_form": signature_form or SignatureForm(),
    }
    return render(request, "dashboards/agreement/version.html", context, status=422 if refused else 200)


def page_frame(wanted: AgreementVersion, user: User) -> dict[str, Any]:
    """What every page about a version has."""
    return {**frame(wanted.consortium, user, "agreement"), "version": wanted}


@require_safe
@login_required
def compare(request: HttpRequest, agreement_version_id: UUID) -> HttpResponse:
    """Two versions side by side, or two wordings of one: `?with=`, or `?from=` and `?to=`."""
    user = signed_in(request)
    wanted = access_version(user, agreement_version_id)
    revisions = list(revisions_of(wanted))
    others = [row for row in versions_of(wanted.consortium) if row.pk != wanted.pk]
    asked = request.GET
    other, before, after = wanted.supersedes, None, None
    if "from" in asked or "to" in asked or (other is None and not asked.get("with")):
        last = str(revisions[-1].number)
        after = the_wording(wanted, asked.get("to") or last, revisions)
        before = the_wording(wanted, asked.get("from") or str(max(1, after.number - 1)), revisions)
        other = wanted
    elif asked.get("with"):
        other = access_version(user, the_other(others, asked["with"]).pk)
    assert other is not None
    found = side_by_side((other, before), (wanted, after))
    context = {
        **page_frame(wanted, user),
        "other": other,
        "before": before,
        "after": after,
        "rows": [row for row in found if row.clause.changed],
        "same": [row.clause for row in found if not row.clause.changed],
        "revisions": revisions,
        "others": others,
    }
    return render(request, "dashboards/agreement/compare.html", context)


@require_safe
@login_required
def printable_text(request: HttpRequest, agreement_version_id: UUID) -> HttpResponse:
    """The same text for printing, with the hash and the signatures."""
    user = signed_in(request)
    wanted = access_version(user, agreement_version_id)
    context = {
        "version": wanted,
        "agreement": agreement_of(wanted),
        "clauses": clauses(agreement_of(wanted)),
        "rows": pdf_signature_rows(parties(wanted)),
    }
    return render(request, "dashboards/agreement/paper.html", context)


@require_safe
@login_required
def agreement_pdf(request: HttpRequest, agreement_version_id: UUID) -> HttpResponse:
    """The same as a PDF, with the signed document attached."""
    from dashboards.agreement.pdf import pdf_of  # half a second, for anyone who asks for one

    wanted = access_version(signed_in(request), agreement_version_id)
    agreement = agreement_of(wanted)
    with translation.override("en"):  # as the signed text is
        state = str(wanted.get_state_display())
    made = pdf_of(
        agreement,
        clauses(agreement),
        pdf_signature_rows(parties(wanted)),
        state=state,
        digest=wanted.digest or "",
        document=document_of(wanted) if wanted.payload is not None else None,
        made_at=agreement.proposed_at,
    )
    name = f"agreement-{wanted.consortium.slug}-{wanted.number}.pdf"
    return attachment(made, name, "application/pdf")


@require_safe
@login_required
def document(request: HttpRequest, agreement_version_id: UUID) -> HttpResponse:
    """The file that is signed."""
    return document_answer(access_version(signed_in(request), agreement_version_id))
