"""What is done with plans: uploaded, put before the members, approved or refused, reviewed on premises."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from accounts.models import Organisation, SignatoryKey, User
from accounts.permissions import Permission
from accounts.selectors import organisations_where
from accounts.transitions import SignatoryKeyState
from agreements.locking import lock_consortium
from audit.actions import record
from audit.statements import check_no_secret
from consortia.models import Consortium
from federation.errors import Invalid
from federation.plans.declaration import read_plan
from federation.plans.reviews import AHEAD_MAX
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import CodeReview
from federation.protocol.envelope import payload_unverified
from federation.sentences import Sentence
from plans.models import CodeApproval, SignedReview, TrainingPlan, Verdict, Via
from plans.review_status import reviewers_at
from plans.selectors import plans_of_organisation, verdict_of
from plans.signed_reviews import alone, check_plain, check_size, named_key, opened
from rest.errors import Conflict, Unprocessable
from silos.models import Silo

LINES_MAX = 10_000
PLANS_MAX = 1000
REVIEWS_MAX = 100_000
REVIEWS_OF_ONE_MAX = 50
"""Of one code by one organisation, and as many refusals again: every member verifies and downloads them all."""


@dataclass(frozen=True)
class Uploaded:
    """The plan, and whether it is here only now."""

    plan: TrainingPlan
    new: bool


@transaction.atomic
def upload(*, consortium: Consortium, source: bytes, by: User) -> Uploaded:
    """Keep a plan for a consortium; the same file again is the plan that is here already.

    Raises what ``read_plan`` raises, Invalid ``plan.too_long``, Conflict ``plan.too_many``.
    """
    read = read_plan(source)
    if len(read.text.splitlines()) > LINES_MAX:
        raise Invalid(
            "plan.too_long", Sentence("The file has more than %(most)s lines: nobody reads as many.", most=LINES_MAX)
        )
    title = " ".join(read.declaration.title.split())
    check_no_secret(title, "PLAN.title")
    locked = lock_consortium(consortium)
    plans = TrainingPlan.objects.filter(consortium=locked)
    if (known := plans.filter(digest=read.digest).first()) is not None:
        return Uploaded(known, new=False)
    if plans.count() >= PLANS_MAX:
        raise Conflict("plan.too_many", f"A consortium has {PLANS_MAX} plans at most.")
    plan = TrainingPlan.objects.create(
        consortium=locked,
        digest=read.digest,
        title=title,
        source=source,
        declaration=read.declaration.model_dump(mode="json") | {"functions": sorted(read.functions)},
        uploaded_by=by,
    )
    record(
        by=by,
        verb="plan.uploaded",
        subject=plan,
        consortium_id=locked.pk,
        detail={"title": title, "digest": plan.digest, "size_bytes": len(source)},
    )
    return Uploaded(plan, new=True)


@transaction.atomic
def propose(*, plan: TrainingPlan, by: User) -> TrainingPlan:
    """Ask the members' stewards to read it; asking again changes nothing."""
    locked = TrainingPlan.objects.select_for_update(of=("self",)).select_related("consortium").get(pk=plan.pk)
    if locked.proposed_at is None:
        locked.proposed_at, locked.proposed_by = timezone.now(), by
        locked.save(update_fields=["proposed_at", "proposed_by"])
        record(
            by=by,
            verb="plan.proposed",
            subject=locked,
            consortium_id=locked.consortium_id,
            detail={"title": locked.title, "digest": locked.digest},
        )
    return locked


@transaction.atomic
def record_verdict(
    *,
    plan: TrainingPlan,
    organisation: Organisation,
    verdict: Verdict | str,
    note: str = "",
    seen_digest: str,
    shown_by: str,
    by: User,
) -> CodeApproval:
    """Say, having shown again who one is, what one holds of a plan for one's organisation. It lets nothing run yet.

    The same again changes nothing. Raises Conflict ``plan.other_code`` where another file was read.
    """
    check_no_secret(note, "note")
    locked = TrainingPlan.objects.select_for_update(of=("self",)).get(pk=plan.pk)
    if seen_digest != locked.digest:
        raise Conflict("plan.other_code", "This is not the file that you read. Read it again, then say what you think.")
    before = verdict_of(by, locked, organisation)
    if before is not None and (before.verdict, before.note) == (verdict, note):
        return before
    made = CodeApproval.objects.create(
        plan=locked, organisation=organisation, user=by, verdict=verdict, note=note, shown_by=shown_by
    )
    record(
        by=by,
        verb=f"plan.{Verdict(verdict).value}",
        subject=locked,
        consortium_id=locked.consortium_id,
        organisation_id=organisation.pk,
        detail={
            "title": locked.title,
            "digest": locked.digest,
            "organisation": organisation.name,
            "note": note,
            "shown_by": shown_by,
        },
    )
    return made


@dataclass(frozen=True)
class ReviewResult:
    """A signed review as it was kept, and how many people of its organisation approve that code now."""

    review: SignedReview
    reviewers: int


def accept_review(
    *, envelope: bytes, by: Silo | User, via: Via | str, plan: TrainingPlan | None = None
) -> ReviewResult:
    """Take a review that an organisation of the one who submits it has signed; the same one again changes nothing.

    A silo may hand in what its organisation says of code that is not here yet. Raises what ``open_review`` raises,
    Unprocessable ``review.other_code`` (not of this plan) or ``review.no_mandate`` (no signatory of theirs has signed),
    Invalid ``review.too_large``, ``review.malformed`` or ``review.in_future``.
    """
    check_size(envelope)
    signatory = _signatory_of(envelope, by)
    sealed = alone(envelope, signatory.key)
    review = opened(sealed, signatory.key)
    assert review is not None
    if plan is not None and review.code_digest != plan.digest:
        raise Unprocessable("review.other_code", "The review is of another file than this plan.", "document")
    if review.reviewed_at > timezone.now() + AHEAD_MAX:
        raise Invalid("review.in_future", "The review is from the future: set the clock and sign it again.", "document")
    check_plain(review)
    return _keep(review, sealed, signatory, by, Via(via))


def _signatory_of(envelope: bytes, by: Silo | User) -> SignatoryKey:
    """The present key of an organisation of the one who submits it that the review names."""
    if isinstance(by, Silo):
        organisations = Organisation.objects.filter(pk=by.organisation_id)
    else:
        organisations = organisations_where(by, Permission.PLAN_REVIEW)
    keys = SignatoryKey.objects.select_related("organisation").filter(
        organisation__in=organisations, state=SignatoryKeyState.ACTIVE, key_id=named_key(envelope).key_id
    )
    if (found := keys.first()) is None:
        raise Unprocessable(
            "review.no_mandate",
            (
                "This review is not by the present signatory key of your organisation. Sign it with that "
                "key, then upload it again."
            ),
            "document",
        )
    return found


@transaction.atomic
def _keep(review: CodeReview, sealed: bytes, signatory: SignatoryKey, by: Silo | User, via: Via) -> ReviewResult:
    member_organisation = Organisation.objects.select_for_update(no_key=True).get(pk=signatory.organisation_id)
    rows = SignedReview.objects.filter(organisation=member_organisation)
    digest = digest_bytes(payload_unverified(sealed))
    kept = rows.filter(payload_digest=digest).first()
    if kept is None:
        if rows.count() >= REVIEWS_MAX:
            raise Conflict("review.too_many", f"An organisation has {REVIEWS_MAX} reviews at most.")
        of_one_max = REVIEWS_OF_ONE_MAX * (2 if review.verdict == "refused" else 1)
        if rows.filter(code_digest=review.code_digest).count() >= of_one_max:
            message = f"An organisation has {of_one_max} reviews of one file at most, and this one was not kept."
            raise Conflict("review.too_many", f"{message} Your trainer goes by those that it keeps itself.")
        kept = SignedReview.objects.create(
            organisation=member_organisation,
            code_digest=review.code_digest,
            key_id=signatory.key_id,
            reviewer=review.reviewer,
            verdict=review.verdict,
            note=review.note,
            reviewed_at=review.reviewed_at,
            envelope=sealed,
            payload_digest=digest,
            received_via=via,
        )
        _write_down(kept, member_organisation, by, via)
    return ReviewResult(
        kept, reviewers_at(review.code_digest, {member_organisation.pk: signatory.key})[member_organisation.pk]
    )


def _write_down(review: SignedReview, organisation: Organisation, by: Silo | User, via: Via) -> None:
    """In the record of each consortium that has the plan and in which the organisation takes part; else in the
    organisation's own.
    """
    detail = {
        "digest": review.code_digest,
        "organisation": organisation.name,
        "reviewer": review.reviewer,
        "verdict": review.verdict,
        "key": review.key_id,
        "via": via.value,
    }
    places = list(plans_of_organisation(organisation, review.code_digest))
    for plan in places:
        record(
            by=by,
            verb="plan.reviewed_on_premises",
            subject=plan,
            consortium_id=plan.consortium_id,
            organisation_id=organisation.pk,
            detail={"title": plan.title, **detail},
        )
    if not places:
        record(by=by, verb="plan.reviewed_on_premises", subject=review, organisation_id=organisation.pk, detail=detail)
