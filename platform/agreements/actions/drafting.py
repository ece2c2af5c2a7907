"""What is done to the wording of a version: drafted, changed, commented on."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.db.models import Max

from accounts.models import Organisation, User
from agreements.actions.lifecycle import discard_signatures_and_reopen
from agreements.locking import check_digest_is_current, lock_consortium, lock_version, write_down
from agreements.models import AgreementVersion, Comment, Revision, Signature
from agreements.selectors import voice_of
from agreements.terms import check_wording, clauses_of, kept, terms_of
from agreements.transitions import CURRENT, OPEN, AgreementState
from audit.reasons import Reason
from audit.statements import check_no_secret
from consortia.models import Consortium
from federation.agreements.added_terms import upgraded
from federation.protocol import PROTOCOL_VERSION
from federation.protocol.documents import Terms
from rest.errors import Conflict, Unprocessable

S = AgreementState


@transaction.atomic
def draft(*, consortium: Consortium, terms: Terms, note: str = "", by: User) -> AgreementVersion:
    """Begin the next version of a consortium's agreement; the first one, if there is none.

    Raises Conflict `agreement.overlapping` while another one is under way, Invalid `agreement.contradiction` by field.
    """
    check_no_secret(note, "note")
    locked = lock_consortium(consortium)
    versions = AgreementVersion.objects.filter(consortium=locked)
    if (under_way := versions.filter(state__in=OPEN).first()) is not None:
        raise Conflict(
            "agreement.overlapping",
            f"Version {under_way.number} is under way already: change that one, or withdraw it first.",
        )
    check_wording(terms)
    first = versions.order_by("number").first()
    version = AgreementVersion.objects.create(
        consortium=locked,
        agreement_id=first.agreement_id if first else uuid.uuid4(),
        number=(versions.aggregate(last=Max("number"))["last"] or 0) + 1,
        terms=kept(terms),
        supersedes=versions.filter(in_force_at__isnull=False).order_by("-number").first(),
        drafted_by=by,
    )
    _keep_wording(version, note, None, by)
    return write_down(version, "agreement.drafted", {}, by)


def draft_upgrade(*, version: AgreementVersion, by: User) -> AgreementVersion:
    """Draft the next version with the terms of one that binds under an older protocol, and with those that came since.

    Each of these says what `federation.agreements.added_terms` has as its default. Raises Conflict
    `agreement.not_outdated` unless the version binds now and is of an older protocol, and what `draft` raises.
    """
    if not version.is_outdated or version.state not in CURRENT:
        raise Conflict(
            "agreement.not_outdated", "Only a version that binds now, of an older protocol, is drafted again like this."
        )
    note = f"The terms of version {version.number}, under protocol {PROTOCOL_VERSION}."
    return draft(consortium=version.consortium, terms=upgraded(terms_of(version)), note=note, by=by)


@transaction.atomic
def revise(
    *,
    version: AgreementVersion,
    terms: Terms,
    note: str = "",
    seen_digest: str | None = None,
    reopen: bool = False,
    organisation: Organisation | None = None,
    by: User,
) -> AgreementVersion:
    """Say it otherwise: an edit of a draft, a counter-proposal to a proposal.

    `seen_digest` is the `terms_digest` that the person who changes them had before them; None overwrites whatever is
    While it is being signed, `reopen` has to be said, since the signatures so far are thrown away. Raises Conflict
    `agreement.changed_meanwhile`, `agreement.being_signed` or `agreement.closed`, Unprocessable `agreement.unchanged`,
    Invalid `agreement.contradiction` by field.
    """
    check_no_secret(note, "note")
    locked = lock_version(version)
    check_digest_is_current(locked, seen_digest)
    if locked.state == S.SIGNING and not reopen:
        signed = Signature.objects.filter(version=locked).count()
        raise Conflict(
            "agreement.being_signed",
            f"This version is being signed; so far {signed} have. A counter-proposal throws the signatures away: "
            "say that you mean it (reopen).",
            "reopen",
        )
    if not locked.is_open:
        raise Conflict("agreement.closed", "This version can't be changed any more: draft the next one.")
    if (new := kept(terms)) == locked.terms:
        raise Unprocessable("agreement.unchanged", "These are the terms as they stand already.", "terms")
    check_wording(terms)
    if locked.state == S.SIGNING:
        discard_signatures_and_reopen(locked=locked, why=Reason("agreement.counter_proposed", text=note), by=by)
    locked.terms = new
    locked.save(update_fields=["terms"])
    member_organisation = organisation or voice_of(by, locked.consortium)
    revision = _keep_wording(locked, note, member_organisation, by)
    detail = {
        "wording": revision.number,
        "organisation": member_organisation.name if member_organisation else None,
        "note": note,
    }
    return write_down(locked, "agreement.revised", detail, by)


@transaction.atomic
def comment(
    *, version: AgreementVersion, clause: str, text: str, organisation: Organisation | None = None, by: User
) -> Comment:
    """Say something about a clause. Raises Unprocessable `agreement.no_such_clause` or `agreement.comment_empty`,
    Conflict `agreement.closed` once the version is no longer negotiated.
    """
    check_no_secret(text, "text")
    locked = lock_version(version)
    if not locked.is_open:
        raise Conflict("agreement.closed", "This version is not negotiated any more.")
    if clause not in {one.id for one in clauses_of(locked)}:
        raise Unprocessable("agreement.no_such_clause", "The agreement has no such clause.", "clause")
    if not text.strip():
        raise Unprocessable("agreement.comment_empty", "Say something.", "text")
    last = Revision.objects.filter(version=locked).aggregate(last=Max("number"))["last"]
    made = Comment.objects.create(
        version=locked,
        clause=clause,
        revision=last,
        text=text.strip(),
        by=by,
        organisation=organisation or voice_of(by, locked.consortium),
    )
    write_down(locked, "agreement.commented", {"clause": clause}, by)
    return made


def _keep_wording(version: AgreementVersion, note: str, member_organisation: Organisation | None, by: User) -> Revision:
    last = Revision.objects.filter(version=version).aggregate(last=Max("number"))["last"] or 0
    return Revision.objects.create(
        version=version, number=last + 1, terms=version.terms, note=note, by=by, organisation=member_organisation
    )
