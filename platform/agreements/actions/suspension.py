"""What is done to an agreement that binds: suspended by a member for itself and taken up again, ended for all."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.models import Organisation, User
from agreements.locking import columns_of, lock_consortium, lock_version, move, write_down
from agreements.models import AgreementVersion, Suspension
from agreements.transitions import AgreementState
from audit.actions import record
from audit.actors import Actor
from audit.reasons import Reason
from audit.statements import check_no_secret
from consortia.models import Consortium
from rest.errors import Conflict, Unprocessable


@transaction.atomic
def suspend(*, consortium: Consortium, organisation: Organisation, reason: str, by: User) -> Suspension:
    """Have nothing more done under the agreement at the organisation's silos, from the next order on.

    It holds for all versions, those to come too, until it is lifted. Raises Unprocessable `agreement.reason_missing`,
    Conflict `agreement.none` or `agreement.suspended_already`.
    """
    _check_reason(reason)
    locked = lock_consortium(consortium)
    version = AgreementVersion.objects.filter(consortium=locked).order_by("-number").first()
    if version is None:
        raise Conflict("agreement.none", "This consortium has no agreement that could be suspended.")
    status = Suspension.objects.filter(
        agreement_id=version.agreement_id, organisation=organisation, lifted_at__isnull=True
    )
    if status.exists():
        raise Conflict("agreement.suspended_already", "Your organisation has suspended this agreement already.")
    made = Suspension.objects.create(
        consortium=locked, agreement_id=version.agreement_id, organisation=organisation, reason=reason.strip(), by=by
    )
    _write_down(made, "agreement.suspended_by_member", by)
    return made


@transaction.atomic
def lift(*, consortium: Consortium, organisation: Organisation, by: User) -> Suspension:
    """Let work go on under the agreement at the organisation's silos. Raises Conflict `agreement.not_suspended`."""
    locked = lock_consortium(consortium)
    status = Suspension.objects.select_for_update().filter(
        consortium=locked, organisation=organisation, lifted_at__isnull=True
    )
    found = status.first()
    if found is None:
        raise Conflict("agreement.not_suspended", "Your organisation has not suspended this agreement.")
    found.lifted_at, found.lifted_by = timezone.now(), by
    found.save(update_fields=["lifted_at", "lifted_by"])
    _write_down(found, "agreement.suspension_lifted", by)
    return found


@transaction.atomic
def terminate(*, version: AgreementVersion, reason: str, by: Actor) -> AgreementVersion:
    """End an agreement for everybody: no job is launched and no order carried out under it any more.

    Raises Unprocessable `agreement.reason_missing`, Conflict `agreement.transition`.
    """
    _check_reason(reason)
    locked = lock_version(version)
    move(
        locked,
        AgreementState.TERMINATED,
        ended_at=timezone.now(),
        **columns_of(Reason("agreement.terminated", text=reason.strip())),
    )
    return write_down(locked, "agreement.terminated", {"digest": locked.digest, "reason": reason.strip()}, by)


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Unprocessable("agreement.reason_missing", "Give a reason; it goes into the audit log.", "reason")
    check_no_secret(reason, "reason")


def _write_down(suspension: Suspension, verb: str, by: User) -> None:
    member_organisation = suspension.organisation
    record(
        by=by,
        verb=verb,
        subject=suspension,
        consortium_id=suspension.consortium_id,
        organisation_id=member_organisation.pk,
        detail={"organisation": member_organisation.name, "reason": suspension.reason},
    )
