"""Organisations, people, the roles they hold, keys and tokens: one noun a file."""

from accounts.models.offer import OfferAnswer, OrganisationRoleOffer, RoleOffer
from accounts.models.organisation import Organisation, OrganisationKind, OrganisationName, SignatoryKey
from accounts.models.role import OrganisationRole
from accounts.models.sign_in import SignInFailure
from accounts.models.token import ApiToken, Scope
from accounts.models.user import User

__all__ = [
    "ApiToken",
    "OfferAnswer",
    "Organisation",
    "OrganisationKind",
    "OrganisationName",
    "OrganisationRole",
    "OrganisationRoleOffer",
    "RoleOffer",
    "Scope",
    "SignInFailure",
    "SignatoryKey",
    "User",
]
