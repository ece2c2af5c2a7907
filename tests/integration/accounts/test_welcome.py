"""Who may give whom a new address at which a password is chosen: anyone who has it, has the account."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.actions import create_user, grant_role, set_password
from accounts.models import User
from accounts.permissions import Role
from tests.support.world import TEST, World, client_of

PASSWORD = "correct horse battery staple"


def asked(user: User, of: User) -> Any:
    return client_of(user).post(f"/api/v1/users/{of.pk}/welcome/")


@pytest.fixture
def new(world: World) -> User:
    """Somebody for whom the administrator of north made an account that nobody has used."""
    return create_user(
        email="new@example.org",
        full_name="New",
        organisation=world.north,
        roles=[Role.AUDITOR],
        by=world.administrator,
    )


def test_of_an_unused_account_by_who_made_it(world: World, new: User) -> None:
    answer = asked(world.administrator, new)
    assert answer.status_code == 202
    assert "/welcome/" not in answer.content.decode()
    assert asked(world.it, new).status_code == 403
    assert asked(world.steward, new).status_code == 404


def test_who_has_a_password_asks_for_another_themselves(world: World, new: User) -> None:
    set_password(user=new, password=PASSWORD, by=new)
    assert asked(world.administrator, new).status_code == 403
    assert asked(new, new).status_code == 403
    answer = asked(world.platform_admin, new)
    assert (answer.status_code, answer.json()["code"]) == (409, "user.has_password")


def test_of_an_account_that_was_used(world: World, new: User) -> None:
    User.objects.filter(pk=new.pk).update(last_login=timezone.now())
    assert asked(world.administrator, new).status_code == 403


def test_an_account_of_another_organisation_is_not_won_by_giving_it_a_role(world: World, new: User) -> None:
    grant_role(user=new, organisation=world.elsewhere, role=Role.AUDITOR, by=world.outsider)
    assert asked(world.outsider, new).status_code == 403
    assert asked(world.administrator, new).status_code == 202


@pytest.mark.parametrize("platform_admin", [True, False])
def test_no_welcome_link_is_renewed_for_an_account_of_the_platform(world: World, platform_admin: bool) -> None:
    made = create_user(email="made@example.org", full_name="M", is_platform_administrator=platform_admin, by=TEST)
    grant_role(user=made, organisation=world.north, role=Role.AUDITOR, by=world.administrator)
    assert asked(world.administrator, made).status_code == 403
