"""Showing again who one is, at the very moment at which something is approved."""

from __future__ import annotations

from accounts.models import User
from accounts.second_factor.codes import use_code
from accounts.second_factor.requirements import has_second_factor
from accounts.sign_in import check_credentials

BY_CODE, BY_PASSWORD = "second factor", "password"


def check_reauthentication(*, user: User, proof: str, address: str) -> str:
    """How they showed it: by a code of their app where they have one, else by their password.

    Raises Unauthenticated `second_factor.wrong` or `sign_in.failed`, TooMany `sign_in.too_many`. A code works once.
    """
    if has_second_factor(user):
        use_code(user=user, code=proof, address=address)
        return BY_CODE
    check_credentials(email=user.email, password=proof, address=address)
    return BY_PASSWORD
