"""What is let go of, and the first person on a fresh platform."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import SignInFailure, User
from accounts.tasks import forget
from audit.models import Event
from rest.models import IdempotencyKey
from tests.support.world import World


def test_what_is_over_goes_and_what_is_not_stays(world: World) -> None:
    now = timezone.now()
    events = Event.objects.count()
    for name, at in (("old", now - timedelta(days=2)), ("new", now)):
        Session.objects.create(session_key=name, session_data="", expire_date=at + timedelta(hours=1))
        SignInFailure.objects.create(email_digest=name, address="192.0.2.1", at=at)
        IdempotencyKey.objects.create(
            user=world.it,
            key=name,
            method="POST",
            path="/",
            request_digest="",
            response_status=201,
            response_body=None,
            created_at=at,
        )
    forget()
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
    assert list(SignInFailure.objects.values_list("email_digest", flat=True)) == ["new"]
    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["new"]
    assert Event.objects.count() == events


def test_command_creates_the_first_administrator(db: None, client: Client) -> None:
    reported = StringIO()
    call_command("create_administrator", "First@Example.org", "The First", stdout=reported)
    first = User.objects.get()
    assert (first.email, first.is_platform_administrator) == ("first@example.org", True)
    found = re.search(r"http://testserver(/welcome/\S+)", reported.getvalue())
    assert found
    assert client.get(found[1], follow=True).context["validlink"]
    assert Event.objects.get(verb="user.created").actor_name == "create_administrator"
    with pytest.raises(CommandError, match="already"):
        call_command("create_administrator", "FIRST@example.org", "Again")
