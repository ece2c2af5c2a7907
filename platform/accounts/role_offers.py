"""Roles given to people: at once where they are at home, elsewhere once they have accepted.

A person's home is the organisation that made their account. A role anywhere else could lock them out until they have a
second factor, and could go to anyone who holds an account that is not theirs: so it is offered, and the person answers.
So is a role at home, once the person has one elsewhere too: the person who made their account must not lock them out
there.
"""

from __future__ import annotations

from typing import TypeVar

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from accounts.actions import create_user, grant_role
from accounts.models import OfferAnswer, Organisation, OrganisationRole, OrganisationRoleOffer, RoleOffer, User
from accounts.permissions import Role
from accounts.proving import reset_unproved_account
from audit.actions import record
from audit.actors import Actor
from rest.errors import Conflict, Forbidden, Unprocessable

ANSWERED = {
    OfferAnswer.ACCEPTED: _("This role has been accepted already."),
    OfferAnswer.DECLINED: _("This role has been declined already. It can be offered again."),
    OfferAnswer.WITHDRAWN: _("This offer has been taken back. It can be made again."),
}
OFFERED_ALREADY = _("This person has been offered this role already.")
Offer = TypeVar("Offer", bound=RoleOffer)


@transaction.atomic
def invite_or_create_user(
    *, organisation: Organisation, email: str, full_name: str, role: Role | str, by: Actor
) -> User | OrganisationRole | OrganisationRoleOffer:
    """Somebody joins an organisation. Returns the account that was made for who had none, else their role or its offer.

    Raises Unprocessable `user.name_missing` where a new account has no name, and what `give_role` raises.
    """
    known = User.objects.with_address(email)
    if known is not None:
        return give_role(user=known, organisation=organisation, role=role, by=by)
    if not full_name:
        raise Unprocessable("user.name_missing", "Nobody has an account with this address: give a name.", "full_name")
    return create_user(email=email, full_name=full_name, organisation=organisation, roles=[role], by=by)


@transaction.atomic
def give_role(
    *, user: User, organisation: Organisation, role: Role | str, by: Actor
) -> OrganisationRole | OrganisationRoleOffer:
    """The role itself for who is at home there and nowhere else, or takes it themselves; else an offer of it.

    Raises Conflict `role.held_already` or `role_offer.open`.
    """
    role = Role(role)
    if by == user or (user.home_id == organisation.pk and not _has_role_outside(user, organisation)):
        return grant_role(user=user, organisation=organisation, role=role, by=by)
    Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)
    if OrganisationRole.objects.filter(user=user, organisation=organisation, role=role).exists():
        raise Conflict("role.held_already", "This person holds this role already.", "role")
    if OrganisationRoleOffer.objects.filter(user=user, organisation=organisation, role=role, answer="").exists():
        raise Conflict("role_offer.open", OFFERED_ALREADY, "role")
    offer = OrganisationRoleOffer.objects.create(
        user=user, organisation=organisation, role=role, offered_by=by if isinstance(by, User) else None
    )
    record(
        by=by,
        verb="role_offer.made",
        subject=user,
        organisation_id=organisation.pk,
        detail={"role": role.value, "person": user.full_name},
    )
    reset_unproved_account(user=user, by=by)
    return offer


def _has_role_outside(user: User, organisation: Organisation) -> bool:
    return OrganisationRole.objects.filter(user=user).exclude(organisation=organisation).exists()


@transaction.atomic
def accept(*, offer: OrganisationRoleOffer, by: User) -> OrganisationRole:
    """The person takes the role. Raises Conflict `role_offer.answered`, Forbidden `account.email_unverified`."""
    Organisation.objects.select_for_update(no_key=True).get(pk=offer.organisation_id)
    check_proved(by)
    locked = close_offer(OrganisationRoleOffer, offer, OfferAnswer.ACCEPTED)
    _record_answer(locked, by)
    return grant_role(user=by, organisation=locked.organisation, role=locked.role, by=by)


@transaction.atomic
def decline(*, offer: OrganisationRoleOffer, by: User) -> OrganisationRoleOffer:
    """The person does not want the role. Raises Conflict `role_offer.answered`."""
    return _record_answer(close_offer(OrganisationRoleOffer, offer, OfferAnswer.DECLINED), by)


@transaction.atomic
def withdraw(*, offer: OrganisationRoleOffer, by: Actor) -> OrganisationRoleOffer:
    """The organisation takes the offer back. Raises Conflict `role_offer.answered`."""
    return _record_answer(close_offer(OrganisationRoleOffer, offer, OfferAnswer.WITHDRAWN), by)


def check_proved(user: User) -> None:
    """Raise Forbidden `account.email_unverified` unless the account is known to be its owner's."""
    if not User.objects.filter(pk=user.pk, proved_at__isnull=False).exists():
        raise Forbidden(
            "account.email_unverified",
            "Show first that the e-mail address is yours. Sign out, then ask for a new password at the sign-in page.",
        )


def close_offer(kind: type[Offer], offer: Offer, answer: OfferAnswer) -> Offer:
    """Note how an offer ends, under a lock of its row. Raises Conflict `role_offer.answered`."""
    locked = kind._default_manager.select_for_update(of=("self",)).get(pk=offer.pk)
    if locked.answer:
        raise Conflict("role_offer.answered", ANSWERED[OfferAnswer(locked.answer)])
    locked.answer, locked.answered_at = answer, timezone.now()
    locked.save(update_fields=["answer", "answered_at"])
    return locked


def _record_answer(locked: OrganisationRoleOffer, by: Actor) -> OrganisationRoleOffer:
    record(
        by=by,
        verb=f"role_offer.{locked.answer}",
        subject=locked.user,
        organisation_id=locked.organisation_id,
        detail={"role": locked.role, "person": locked.user.full_name},
    )
    return locked
