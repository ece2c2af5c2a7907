"""Roles in consortia: offered, and held once the person has accepted (see `accounts.role_offers`)."""

from __future__ import annotations

from django.db import transaction

from accounts.models import OfferAnswer, User
from accounts.permissions import Role
from accounts.proving import reset_unproved_account
from accounts.role_offers import OFFERED_ALREADY, check_proved, close_offer
from audit.actions import record
from audit.actors import Actor
from consortia.actions import grant_consortium_role
from consortia.models import Consortium, ConsortiumRole, ConsortiumRoleOffer
from consortia.offer_endings import record_answer
from rest.errors import Conflict


@transaction.atomic
def give_consortium_role(
    *, user: User, consortium: Consortium, role: Role | str, by: Actor
) -> ConsortiumRole | ConsortiumRoleOffer:
    """An offer of the role; the role itself for who gives it to themselves.

    Raises Conflict `role.held_already` or `role_offer.open`.
    """
    role = Role(role)
    if by == user:
        return grant_consortium_role(user=user, consortium=consortium, role=role, by=by)
    Consortium.objects.select_for_update(no_key=True).get(pk=consortium.pk)
    if ConsortiumRole.objects.filter(user=user, consortium=consortium, role=role).exists():
        raise Conflict("role.held_already", "This person holds this role already.", "role")
    if ConsortiumRoleOffer.objects.filter(user=user, consortium=consortium, role=role, answer="").exists():
        raise Conflict("role_offer.open", OFFERED_ALREADY, "role")
    offer = ConsortiumRoleOffer.objects.create(
        user=user, consortium=consortium, role=role, offered_by=by if isinstance(by, User) else None
    )
    record(
        by=by,
        verb="role_offer.made",
        subject=user,
        consortium_id=consortium.pk,
        detail={"role": role.value, "person": user.full_name},
    )
    reset_unproved_account(user=user, by=by)
    return offer


@transaction.atomic
def accept(*, offer: ConsortiumRoleOffer, by: User) -> ConsortiumRole:
    """The person takes the role. Raises Conflict `role_offer.answered`, Forbidden `account.email_unverified`."""
    Consortium.objects.select_for_update(no_key=True).get(pk=offer.consortium_id)
    check_proved(by)
    locked = close_offer(ConsortiumRoleOffer, offer, OfferAnswer.ACCEPTED)
    record_answer(locked, by)
    return grant_consortium_role(user=by, consortium=locked.consortium, role=locked.role, by=by)
