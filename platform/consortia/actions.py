"""What is done to consortia: founded, edited, joined, left, ended for a member; and the roles in them."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Organisation, OrganisationRole, User
from accounts.permissions import Role
from audit.actions import record
from audit.actors import Actor
from audit.statements import check_no_secret
from consortia.models import Consortium, ConsortiumRole, ConsortiumRoleOffer, Participation
from consortia.offer_endings import withdraw
from consortia.transitions import ParticipationState, check_participation_transition
from rest.errors import CHANGED_MEANWHILE, Conflict, Unprocessable


@transaction.atomic
def found_consortium(
    *, name: str, slug: str, description: str = "", organisation: Organisation | None = None, by: User
) -> Consortium:
    """Found a consortium; the founder becomes its administrator, their organisation (if named) its first member."""
    consortium = Consortium.objects.create(name=name, slug=slug, description=description, founded_by=by)
    record(
        by=by,
        verb="consortium.founded",
        subject=consortium,
        consortium_id=consortium.id,
        organisation_id=organisation.id if organisation else None,
        detail={"name": name, "slug": slug},
    )
    grant_consortium_role(user=by, consortium=consortium, role=Role.CONSORTIUM_ADMINISTRATOR, by=by)
    if organisation is not None:
        Participation.objects.create(
            consortium=consortium, organisation=organisation, state=ParticipationState.ACTIVE, joined_at=timezone.now()
        )
        record(
            by=by,
            verb="participation.joined",
            subject=organisation,
            consortium_id=consortium.id,
            organisation_id=organisation.id,
        )
    return consortium


@transaction.atomic
def edit_consortium(
    *, consortium: Consortium, name: str, description: str, seen: str | None = None, by: Actor
) -> Consortium:
    """Say better what the consortium is for; its slug stays.

    `seen` is the `description_digest` that the person who edits had before them. Raises Conflict
    `consortium.changed_meanwhile` where it is another one by now. None overwrites whatever is there.
    """
    locked = Consortium.objects.select_for_update(no_key=True).get(pk=consortium.pk)
    if seen is not None and seen != locked.description_digest:
        raise Conflict("consortium.changed_meanwhile", CHANGED_MEANWHILE)
    locked.name, locked.description = name, description
    locked.save(update_fields=["name", "description"])
    record(by=by, verb="consortium.edited", subject=locked, consortium_id=locked.id, detail={"name": name})
    return locked


def leave_consortium(*, participation: Participation, by: Actor) -> Participation:
    """An organisation leaves. The roles of those of its people who belong to no other member end with it.

    Raises Conflict `participation.transition`, and `consortium.last_administrator` where nobody would be left to
    run the consortium.
    """
    return _end(participation, "participation.left", {}, by)


def end_participation(*, participation: Participation, reason: str, by: Actor) -> Participation:
    """The consortium ends an organisation's participation. It is as if that had left, and the reason is recorded.

    Raises what `leave_consortium` raises, and Unprocessable `participation.reason_missing`.
    """
    if not reason.strip():
        raise Unprocessable("participation.reason_missing", "Give a reason; it goes into the audit log.", "reason")
    check_no_secret(reason, "reason")
    return _end(participation, "participation.ended", {"reason": reason.strip()}, by)


@transaction.atomic
def _end(participation: Participation, verb: str, detail: dict[str, str], by: Actor) -> Participation:
    Consortium.objects.select_for_update(no_key=True).get(pk=participation.consortium_id)
    locked = (
        Participation.objects.select_for_update(of=("self",))
        .select_related("consortium", "organisation")
        .get(pk=participation.pk)
    )
    check_participation_transition(ParticipationState(locked.state), ParticipationState.LEFT)
    locked.state = ParticipationState.LEFT
    locked.left_at = timezone.now()
    locked.save(update_fields=["state", "left_at"])
    record(
        by=by,
        verb=verb,
        subject=locked.organisation,
        consortium_id=locked.consortium_id,
        organisation_id=locked.organisation_id,
        detail={"organisation": locked.organisation.name, **detail},
    )
    theirs = _people_who_leave_with(locked)
    for granted in ConsortiumRole.objects.filter(consortium=locked.consortium, user__in=theirs).select_related("user"):
        revoke_consortium_role(granted=granted, by=by)
    for offer in ConsortiumRoleOffer.objects.filter(consortium=locked.consortium, user__in=theirs, answer=""):
        withdraw(offer=offer, by=by)
    return locked


def _people_who_leave_with(left: Participation) -> QuerySet[User]:
    """The leaving organisation's people who belong to no other member."""
    theirs = OrganisationRole.objects.filter(organisation=left.organisation).values("user")
    of_others = OrganisationRole.objects.filter(
        organisation__participations__consortium=left.consortium,
        organisation__participations__state=ParticipationState.ACTIVE,
    ).values("user")
    return User.objects.filter(pk__in=theirs).exclude(pk__in=of_others)


@transaction.atomic
def grant_consortium_role(*, user: User, consortium: Consortium, role: Role | str, by: Actor) -> ConsortiumRole:
    """Give a person a role in a consortium, at once: what `consortia.role_offers` does once they have accepted.

    Raises Conflict `role.held_already`.
    """
    role = Role(role)
    Consortium.objects.select_for_update(no_key=True).get(pk=consortium.pk)
    if ConsortiumRole.objects.filter(user=user, consortium=consortium, role=role).exists():
        raise Conflict("role.held_already", "This person holds this role already.", "role")
    granted = ConsortiumRole.objects.create(user=user, consortium=consortium, role=role)
    record(
        by=by,
        verb="consortium_role.granted",
        subject=user,
        consortium_id=consortium.id,
        detail={"role": role.value, "person": user.full_name},
    )
    return granted


@transaction.atomic
def revoke_consortium_role(*, granted: ConsortiumRole, by: Actor) -> None:
    """Take a role back. A consortium keeps one administrator: raises Conflict `consortium.last_administrator`."""
    Consortium.objects.select_for_update(no_key=True).get(pk=granted.consortium_id)
    administrators = ConsortiumRole.objects.filter(
        consortium=granted.consortium_id, role=Role.CONSORTIUM_ADMINISTRATOR, user__is_active=True
    )
    if granted.role == Role.CONSORTIUM_ADMINISTRATOR and not administrators.exclude(pk=granted.pk).exists():
        raise Conflict(
            "consortium.last_administrator", "Every consortium keeps one administrator; name another one first."
        )
    removed, _ = ConsortiumRole.objects.filter(pk=granted.pk).delete()
    if not removed:
        raise Conflict("role.revoked_already", "This role has been taken back already.")
    record(
        by=by,
        verb="consortium_role.revoked",
        subject=granted.user,
        consortium_id=granted.consortium_id,
        detail={"role": granted.role, "person": granted.user.full_name},
    )
