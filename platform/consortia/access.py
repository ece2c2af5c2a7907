"""What doors ask before they touch a consortium: may this person see it, and what hangs on it; may they do that?"""

from __future__ import annotations

from uuid import UUID

from accounts.models import User
from accounts.permissions import Permission
from consortia.models import Consortium, ConsortiumRole, ConsortiumRoleOffer, Invitation, Participation
from consortia.permissions import require
from consortia.selectors import consortia_visible_to, invitations_visible_to
from rest.errors import NotFound
from rest.lookups import get_or_not_found


def access_consortium(
    user: User, consortium_id: UUID | str, permission: Permission = Permission.CONSORTIUM_VIEW
) -> Consortium:
    """The consortium, for everyone who sees it and may do this in it.

    Raises NotFound alike where it is absent or not theirs, Forbidden for the rest.
    """
    try:
        wanted = consortium_id if isinstance(consortium_id, UUID) else UUID(str(consortium_id))
    except ValueError:
        raise NotFound.of("consortium") from None
    consortium = get_or_not_found(consortia_visible_to(user).filter(pk=wanted), "consortium")
    if permission is not Permission.CONSORTIUM_VIEW:
        require(user, permission, consortium=consortium)
    return consortium


def access_participation_to_leave(user: User, consortium_id: UUID, organisation_id: UUID) -> Participation:
    """An organisation's place in a consortium, for those of its people who may give it up."""
    participation = _participation(access_consortium(user, consortium_id), organisation_id)
    require(user, Permission.CONSORTIUM_LEAVE, organisation=participation.organisation)
    return participation


def access_participation_to_end(user: User, consortium_id: UUID, organisation_id: UUID) -> Participation:
    """An organisation's place in a consortium, for anyone who may take it away."""
    return _participation(access_consortium(user, consortium_id, Permission.PARTICIPANT_REMOVE), organisation_id)


def _participation(consortium: Consortium, organisation_id: UUID) -> Participation:
    rows = consortium.participations.select_related("organisation", "consortium")
    return get_or_not_found(rows.filter(organisation_id=organisation_id), "participant")


def access_consortium_role(consortium: Consortium, role_id: UUID) -> ConsortiumRole:
    """A role in this consortium. Raises NotFound for one of another."""
    return get_or_not_found(consortium.roles.select_related("user").filter(pk=role_id), "role")


def access_role_offer(consortium: Consortium, offer_id: UUID) -> ConsortiumRoleOffer:
    """An offer of a role in this consortium. Raises NotFound for one of another."""
    return get_or_not_found(consortium.role_offers.select_related("user").filter(pk=offer_id), "role offer")


def access_own_role_offer(user: User, offer_id: UUID) -> ConsortiumRoleOffer:
    """An offer to this person. Raises NotFound for anybody else's."""
    return get_or_not_found(
        ConsortiumRoleOffer.objects.select_related("consortium").filter(user=user, pk=offer_id), "role offer"
    )


def access_invitation(user: User, invitation_id: UUID) -> Invitation:
    """An invitation, for the people of the invited organisation and for who may invite. Raises NotFound otherwise."""
    return get_or_not_found(invitations_visible_to(user).filter(pk=invitation_id), "invitation")


def access_invitation_to_answer(user: User, invitation_id: UUID) -> Invitation:
    """An invitation, for anyone who may answer it for the invited organisation."""
    invitation = access_invitation(user, invitation_id)
    require(user, Permission.INVITATION_ANSWER, organisation=invitation.participation.organisation)
    return invitation


def access_invitation_to_withdraw(user: User, invitation_id: UUID) -> Invitation:
    """An invitation, for anyone who may take it back for the consortium."""
    invitation = access_invitation(user, invitation_id)
    require(user, Permission.PARTICIPANT_INVITE, consortium=invitation.participation.consortium)
    return invitation
