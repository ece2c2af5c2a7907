"""How offers of roles in consortia end without a role: declined by the person, taken back by the consortium."""

from __future__ import annotations

from django.db import transaction

from accounts.models import OfferAnswer, User
from accounts.role_offers import close_offer
from audit.actions import record
from audit.actors import Actor
from consortia.models import ConsortiumRoleOffer


@transaction.atomic
def decline(*, offer: ConsortiumRoleOffer, by: User) -> ConsortiumRoleOffer:
    """The person does not want the role. Raises Conflict `role_offer.answered`."""
    return record_answer(close_offer(ConsortiumRoleOffer, offer, OfferAnswer.DECLINED), by)


@transaction.atomic
def withdraw(*, offer: ConsortiumRoleOffer, by: Actor) -> ConsortiumRoleOffer:
    """The consortium takes the offer back. Raises Conflict `role_offer.answered`."""
    return record_answer(close_offer(ConsortiumRoleOffer, offer, OfferAnswer.WITHDRAWN), by)


def record_answer(locked: ConsortiumRoleOffer, by: Actor) -> ConsortiumRoleOffer:
    """Records, in the transaction that notes it, how an offer has ended."""
    record(
        by=by,
        verb=f"role_offer.{locked.answer}",
        subject=locked.user,
        consortium_id=locked.consortium_id,
        detail={"role": locked.role, "person": locked.user.full_name},
    )
    return locked
