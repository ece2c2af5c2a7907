"""Organisations, people, the roles they hold, keys and tokens: one noun a file."""

from accounts.models.organisation import Organisation, OrganisationKind, OrganisationName, SignatoryKey
from accounts.models.role import OrganisationRole
from accounts.models.sign_in import SignInFailure
from accounts.models.token import ApiToken, Scope
from accounts.models.user import User

__all__ = [
    "ApiToken",
    "Organisation",
    "OrganisationKind",
    "OrganisationName",
    "OrganisationRole",
    "Scope",
    "SignInFailure",
    "SignatoryKey",
    "User",
]
