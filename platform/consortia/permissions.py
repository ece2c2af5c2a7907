"""The one question that doors ask before an action: may this person do this, here?"""

from __future__ import annotations

from accounts.access import check_allowed
from accounts.models import Organisation, User
from accounts.permissions import Permission
from consortia.models import Consortium
from consortia.selectors import permissions_of
from rest.checks import boolean_twin


def require(
    user: User,
    permission: Permission,
    *,
    consortium: Consortium | None = None,
    organisation: Organisation | None = None,
) -> None:
    """Raise Forbidden `permission.denied` unless a role of this person, here or on the platform, allows it."""
    check_allowed(permissions_of(user, consortium=consortium, organisation=organisation), permission)


may = boolean_twin(require)
