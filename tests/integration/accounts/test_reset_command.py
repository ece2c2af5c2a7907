"""The way out for anyone who lost their telephone and their recovery codes."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.second_factor.requirements import has_second_factor
from tests.support.second_factors import telephone
from tests.support.world import World


def test_reset_command_removes_the_factor_and_ends_sessions(world: World) -> None:
    telephone(world.it)
    client = Client()
    client.force_login(world.it)
    assert client.get("/account/").status_code == 200
    statement = StringIO()
    call_command("reset_second_factor", " IT@example.org", stdout=statement)
    assert "It is signed out" in statement.getvalue()
    assert not has_second_factor(world.it)
    assert client.get("/account/").status_code == 302


@pytest.mark.parametrize(("email", "said"), [("none@example.org", "Nobody"), ("it@example.org", "no second factor")])
def test_reset_command_refuses_wrong_input(world: World, email: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("reset_second_factor", email)
