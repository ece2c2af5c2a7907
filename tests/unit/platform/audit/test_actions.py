"""What an event's detail must not hold."""

from __future__ import annotations

import pytest

from accounts.models import ApiToken, User
from audit.actors import Actor, System
from audit.statements import check_no_secret
from federation.errors import Invalid
from federation.protocol.keys import PrivateKey


@pytest.mark.parametrize(
    "detail",
    [
        {"password": "x"},
        {"new_password": "x"},
        {"token": "x"},
        {"a": [{"b": {"enrolment_code": "x"}}]},
        {"private_key": "x"},
        {"note": ApiToken.new_secret()},
        {"note": ["see " + ApiToken.new_secret() + "!"]},
        {"note": "-----BEGIN PRIVATE KEY-----"},
    ],
    ids=lambda detail: next(iter(detail)),  # not the values: a token differs from process to process
)
def test_what_looks_like_a_secret_is_refused(detail: object) -> None:
    with pytest.raises((ValueError, Invalid), match=r"must not hold|Leave it out"):
        check_no_secret(detail)


def test_what_is_no_secret_is_taken() -> None:
    key = PrivateKey.generate().public
    check_no_secret(
        {
            "code": "data.unreadable",
            "key_id": key.key_id,
            "fingerprint": key.fingerprint,
            "tokens": 3,
            "rows": [1, None],
        }
    )


def test_users_and_the_platform_are_actors() -> None:
    sweep = System("sweep")
    assert isinstance(sweep, Actor)
    assert (sweep.actor_kind, sweep.actor_id, sweep.actor_name) == ("system", "sweep", "sweep")
    user = User(full_name="Ada")
    assert isinstance(user, Actor)
    assert (user.actor_kind, user.actor_id, user.actor_name) == ("user", str(user.pk), "Ada")
