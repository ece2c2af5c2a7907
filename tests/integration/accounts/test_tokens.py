"""API tokens: issued, shown once, used within their scopes, expired, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.actions import deactivate_user
from accounts.models import ApiToken, Scope, User
from accounts.tokens import TOUCH_EVERY, issue_token, revoke_token
from audit.models import Event
from rest.errors import Conflict
from tests.support.world import TEST, World, client_of


def token_for(user: User, *scopes: Scope, days: int = 1) -> tuple[ApiToken, str]:
    return issue_token(user=user, name="test", scopes=scopes, lifetime=timedelta(days=days), by=user)


def with_token(secret: str) -> APIClient:
    return APIClient(headers={"authorization": f"Bearer {secret}"})


def reported(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def test_only_a_hash_is_kept(world: World) -> None:
    token, secret = token_for(world.it, Scope.ACCOUNT_READ)
    assert secret.startswith("cns_")
    assert len(secret) == 4 + 43  # 256 bits in base64
    row = str(ApiToken.objects.filter(pk=token.pk).values())
    assert secret not in row
    assert secret[4:] not in row
    events = str(list(Event.objects.filter(subject_id=str(token.pk)).values()))
    assert secret[4:] not in events
    assert ApiToken.digest_of(secret) in row


def test_a_token_acts_for_its_person_within_its_scopes(world: World) -> None:
    _, secret = token_for(world.administrator, Scope.ACCOUNT_READ, Scope.CONSORTIA_READ)
    client = with_token(secret)
    assert client.get("/api/v1/me/").json()["email"] == "administrator@example.org"
    assert client.get("/api/v1/consortia/").status_code == 200
    assert client.head("/api/v1/consortia/").status_code == 200
    body = {"name": "n", "slug": "s", "organisation": str(world.north.pk)}
    assert reported(client.post("/api/v1/consortia/", body, format="json")) == (403, "scope.missing")
    assert reported(client.get("/api/v1/events/")) == (403, "scope.missing")
    assert reported(client.put("/api/v1/consortia/")) == (405, "method.not_allowed")


def test_a_scope_gives_no_right_that_the_person_lacks(world: World) -> None:
    _, secret = token_for(world.it, *Scope)
    client = with_token(secret)
    path = f"/api/v1/consortia/{world.consortium.pk}/"
    assert reported(client.patch(path, {"name": "mine"}, format="json")) == (403, "permission.denied")
    assert reported(client.get(f"/api/v1/consortia/{world.other_consortium.pk}/")) == (404, "consortium.not_found")


def test_no_token_makes_or_revokes_tokens(world: World) -> None:
    token, secret = token_for(world.it, *Scope)
    client = with_token(secret)
    body = {"name": "more", "scopes": ["account:read"]}
    assert reported(client.post("/api/v1/tokens/", body, format="json")) == (403, "scope.session_only")
    assert reported(client.delete(f"/api/v1/tokens/{token.pk}/")) == (403, "scope.session_only")
    assert client.get("/api/v1/tokens/").status_code == 200


def test_a_token_needs_no_csrf_token(world: World) -> None:
    _, secret = token_for(world.administrator, Scope.CONSORTIA_WRITE)
    client = APIClient(enforce_csrf_checks=True, headers={"authorization": f"Bearer {secret}"})
    body = {"name": "n", "slug": "s", "organisation": str(world.north.pk)}
    assert client.post("/api/v1/consortia/", body, format="json").status_code == 201


def test_a_session_needs_a_csrf_token(world: World) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(world.administrator)
    body = {"name": "n", "slug": "s", "organisation": str(world.north.pk)}
    assert reported(client.post("/api/v1/consortia/", body, format="json")) == (403, "csrf.failed")


def test_an_expired_token_is_refused(world: World) -> None:
    token, secret = token_for(world.it, Scope.ACCOUNT_READ)
    ApiToken.objects.filter(pk=token.pk).update(
        created_at=timezone.now() - timedelta(days=2), expires_at=timezone.now() - timedelta(seconds=1)
    )
    assert reported(with_token(secret).get("/api/v1/me/")) == (401, "token.expired")


def test_a_revoked_token_is_refused(world: World) -> None:
    token, secret = token_for(world.it, Scope.ACCOUNT_READ)
    assert client_of(world.it).delete(f"/api/v1/tokens/{token.pk}/").status_code == 204
    assert reported(with_token(secret).get("/api/v1/me/")) == (401, "token.revoked")
    again = client_of(world.it).delete(f"/api/v1/tokens/{token.pk}/")
    assert reported(again) == (409, "api_token.revoked_already")
    with pytest.raises(Conflict):
        revoke_token(token=token, by=world.it)


def test_a_token_of_a_closed_account_is_unknown(world: World) -> None:
    _, secret = token_for(world.it, Scope.ACCOUNT_READ)
    deactivate_user(user=world.it, by=world.platform_admin)
    assert reported(with_token(secret).get("/api/v1/me/")) == (401, "token.unknown")


def test_its_use_is_noted_once_a_minute(world: World) -> None:
    token, secret = token_for(world.it, Scope.ACCOUNT_READ)
    client = with_token(secret)
    client.get("/api/v1/me/")
    token.refresh_from_db()
    first = token.last_used_at
    assert first is not None
    client.get("/api/v1/me/")
    token.refresh_from_db()
    assert token.last_used_at == first
    long_ago = timezone.now() - TOUCH_EVERY - timedelta(seconds=1)
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=long_ago)
    client.get("/api/v1/me/")
    token.refresh_from_db()
    assert token.last_used_at is not None
    assert token.last_used_at > long_ago


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "t"}, "scopes"),
        ({"name": "t", "scopes": []}, "scopes"),
        ({"name": "t", "scopes": ["everything"]}, "scopes.0"),
        ({"name": "", "scopes": ["account:read"]}, "name"),
        ({"name": "t", "scopes": ["account:read"], "expires_in_days": 0}, "expires_in_days"),
        ({"name": "t", "scopes": ["account:read"], "expires_in_days": 367}, "expires_in_days"),
        ({"name": "t", "scopes": ["account:read"], "user": "somebody"}, "user"),
    ],
)
def test_an_invalid_token_request_is_refused(world: World, body: dict[str, Any], field: str) -> None:
    answer = client_of(world.it).post("/api/v1/tokens/", body, format="json")
    assert reported(answer) == (422, "input.invalid")
    assert list(answer.json()["fields"]) == [field]
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("days", [0, -1, 367])
def test_no_token_lives_for_ever(world: World, days: int) -> None:
    with pytest.raises(ValueError, match="lives"):
        issue_token(user=world.it, name="t", scopes=["account:read"], lifetime=timedelta(days=days), by=TEST)


@pytest.mark.parametrize(
    ("changed", "constraint"),
    [
        ({"digest": "not a hash"}, "api_token_digest_sha256"),
        ({"scopes": []}, "api_token_has_scope"),
        ({"expires_at": timezone.now() - timedelta(days=400)}, "api_token_expires_later"),
    ],
)
def test_the_database_refuses_impossible_tokens(world: World, changed: dict[str, Any], constraint: str) -> None:
    token, _ = token_for(world.it, Scope.ACCOUNT_READ)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        ApiToken.objects.filter(pk=token.pk).update(**changed)
