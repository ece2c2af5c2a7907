"""Consortia, who takes part in them and as what: one noun a file."""

from consortia.models.consortium import Consortium
from consortia.models.offer import ConsortiumRoleOffer
from consortia.models.participation import Invitation, InvitationAnswer, Participation
from consortia.models.role import ConsortiumRole

__all__ = ["Consortium", "ConsortiumRole", "ConsortiumRoleOffer", "Invitation", "InvitationAnswer", "Participation"]
