"""What doors ask before they touch a consortium: may this person see it, and what hangs on it?"""

from __future__ import annotations

from uuid import UUID

from accounts.models import User
from consortia.models import Consortium, ConsortiumRole, Invitation, Participation
from consortia.selectors import access_consortium, invitations_visible_to
from rest.errors import NotFound

__all__ = ["access_consortium", "access_consortium_role", "access_invitation", "access_participation"]


def access_participation(consortium: Consortium, organisation_id: UUID) -> Participation:
    """An organisation's place in this consortium. Raises NotFound where it never had one."""
    found = (
        consortium.participations.select_related("organisation", "consortium")
        .filter(organisation_id=organisation_id)
        .first()
    )
    if found is None:
        raise NotFound.of("participant")
    return found


def access_consortium_role(consortium: Consortium, role_id: UUID) -> ConsortiumRole:
    """A role in this consortium. Raises NotFound for one of another."""
    found = consortium.roles.select_related("user").filter(pk=role_id).first()
    if found is None:
        raise NotFound.of("role")
    return found


def access_invitation(user: User, invitation_id: UUID) -> Invitation:
    """An invitation, for the people of the invited organisation and for who may invite. Raises NotFound otherwise."""
    found = invitations_visible_to(user).filter(pk=invitation_id).first()
    if found is None:
        raise NotFound.of("invitation")
    return found
