"""Who may see, negotiate, approve and suspend which agreement."""

from __future__ import annotations

from uuid import UUID

from accounts.models import Organisation, User
from accounts.permissions import Permission
from agreements.models import AgreementVersion
from agreements.selectors import organisations_in, versions_visible_to
from agreements.transitions import AgreementState
from consortia.permissions import require
from rest.errors import Forbidden
from rest.lookups import get_or_not_found


def access_version(
    user: User, version_id: UUID, permission: Permission = Permission.AGREEMENT_VIEW
) -> AgreementVersion:
    """The version, for who may do this to it. Raises NotFound alike where it is absent or hidden, else Forbidden."""
    version = get_or_not_found(versions_visible_to(user).filter(pk=version_id), "agreement")
    require(user, permission, consortium=version.consortium)
    return version


def access_version_to_revise(user: User, version_id: UUID) -> AgreementVersion:
    """The version, for who may change its wording: a draft is its drafters', what is proposed every member's."""
    version = access_version(user, version_id)
    is_draft = version.state == AgreementState.DRAFT
    wanted = Permission.AGREEMENT_DRAFT if is_draft else Permission.AGREEMENT_NEGOTIATE
    require(user, wanted, consortium=version.consortium)
    return version


def access_version_for_organisation(
    user: User, version_id: UUID, permission: Permission, organisation_id: UUID | None = None
) -> tuple[AgreementVersion, Organisation]:
    """The version, and the organisation of theirs for which they may do this; which, is said where there are several.

    Raises NotFound where they don't see it, Forbidden ``permission.denied`` where they speak for no member.
    """
    version = access_version(user, version_id)
    organisations = organisations_in(user, version.consortium, permission)
    if organisation_id is not None:
        organisations = organisations.filter(pk=organisation_id)
    organisation = organisations.first()
    if organisation is None:
        raise Forbidden(
            "permission.denied",
            "This is for the steward of an organisation that takes part, and you are none there.",
        )
    return version, organisation
