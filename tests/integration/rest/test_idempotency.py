"""The same POST twice is done once: replayed, refused, at work, crashed, expired."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from accounts.actions import create_organisation, create_user
from accounts.models import ApiToken, Organisation, User
from audit.models import Event
from rest import idempotency
from rest.models import IdempotencyKey
from tests.support.patience import FAILS_AFTER_S
from tests.support.world import TEST, World, client_of

FOURTH = {"name": "Fourth", "slug": "fourth", "country": "CH", "kind": "bank"}
DOOR = "accounts.api.organisations.create_organisation"
FIFTH = {"name": "Fifth", "slug": "fifth", "country": "CH", "kind": "bank"}


def post(user: User, key: str | None, body: dict[str, Any], path: str = "organisations/") -> Any:
    headers = {} if key is None else {"idempotency-key": key}
    return client_of(user).post(f"/api/v1/{path}", body, format="json", headers=headers)


def test_the_same_request_again_is_answered_again_and_not_done_again(world: World) -> None:
    first, events = post(world.platform_admin, "k1", FOURTH), Event.objects.count()
    again = post(world.platform_admin, "k1", FOURTH)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert Organisation.objects.filter(slug="fourth").count() == 1
    assert Event.objects.count() == events


def test_another_request_with_the_same_key_is_refused(world: World) -> None:
    post(world.platform_admin, "k1", FOURTH)
    other = post(world.platform_admin, "k1", FIFTH)
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency.key_reused"
    assert not Organisation.objects.filter(slug="fifth").exists()


def test_keys_are_each_person_s_and_each_address_s_own(world: World) -> None:
    second = create_user(email="k2@example.org", full_name="K", is_platform_administrator=True, by=TEST)
    assert post(world.platform_admin, "k1", FOURTH).status_code == 201
    assert post(second, "k1", FIFTH).status_code == 201
    assert post(world.platform_admin, "k1", {"name": "C", "slug": "c"}, "consortia/").status_code == 201


def test_an_error_is_not_kept_and_may_be_tried_again(world: World) -> None:
    assert post(world.platform_admin, "k1", FOURTH | {"country": "Switzerland"}).status_code == 422
    assert post(world.administrator, "k1", FOURTH).status_code == 403
    assert not IdempotencyKey.objects.exists()
    assert post(world.platform_admin, "k1", FOURTH).status_code == 201


def test_a_conflict_leaves_nothing_behind(world: World) -> None:
    assert post(world.platform_admin, None, FOURTH).status_code == 201
    conflict = post(world.platform_admin, "k1", FOURTH)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "organisation.slug_taken")
    assert not IdempotencyKey.objects.exists()


def test_after_a_day_a_key_is_free_again(world: World) -> None:
    post(world.platform_admin, "k1", FOURTH)
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    assert post(world.platform_admin, "k1", FIFTH).status_code == 201
    assert IdempotencyKey.objects.count() == 1


def test_expired_answers_are_deleted(world: World) -> None:
    post(world.platform_admin, "k1", FOURTH)
    post(world.platform_admin, "k2", FIFTH)
    IdempotencyKey.objects.filter(key="k1").update(created_at=timezone.now() - timedelta(hours=25))
    assert idempotency.delete_expired() == 1
    assert IdempotencyKey.objects.get().key == "k2"


@pytest.mark.parametrize(
    ("path", "body", "member"),
    [
        ("tokens/", {"name": "t", "scopes": ["account:read"]}, "token"),
    ],
)
def test_what_is_shown_once_is_not_kept(world: World, path: str, body: dict[str, Any], member: str) -> None:
    first, again = post(world.platform_admin, "k1", body, path), post(world.platform_admin, "k1", body, path)
    secret = first.json()[member]
    assert secret
    assert again.json() == first.json() | {member: None}
    assert again["Idempotency-Replayed"] == "true"
    assert secret not in str(IdempotencyKey.objects.values())


@pytest.fixture
def platform_admin(transactional_db: None) -> User:
    """Somebody whose requests run in threads and transactions of their own."""
    return create_user(
        email="platform-admin@example.org", full_name="Platform Admin", is_platform_administrator=True, by=TEST
    )


def in_thread(work: Any) -> threading.Thread:
    """Run something elsewhere, with a database connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_second_request_meanwhile_is_informed_so_at_once(
    platform_admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = threading.Event(), threading.Event()
    answers: list[Any] = []

    def slowly(**wanted: Any) -> Organisation:
        entered.set()
        assert go_on.wait(FAILS_AFTER_S)
        return create_organisation(**wanted)

    monkeypatch.setattr(DOOR, slowly)
    thread = in_thread(lambda: answers.append(post(platform_admin, "k1", FOURTH)))
    assert entered.wait(FAILS_AFTER_S)
    meanwhile = post(platform_admin, "k1", FOURTH)
    go_on.set()
    thread.join(FAILS_AFTER_S)
    assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "idempotency.in_progress")
    assert answers[0].status_code == 201
    assert post(platform_admin, "k1", FOURTH)["Idempotency-Replayed"] == "true"


def test_many_at_once_do_it_once(platform_admin: User) -> None:
    answers: list[int] = []
    barrier = threading.Barrier(4)

    def one() -> None:
        barrier.wait(FAILS_AFTER_S)
        answers.append(post(platform_admin, "k1", FOURTH).status_code)

    for thread in [in_thread(one) for _ in range(4)]:
        thread.join(FAILS_AFTER_S)
    assert len(answers) == 4
    assert answers.count(201) >= 1
    assert set(answers) <= {201, 409}
    assert Organisation.objects.count() == 1
    assert Event.objects.filter(verb="organisation.created").count() == 1


def test_a_crash_half_way_blocks_nobody(platform_admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection dies after the work and before the commit, as when the process is killed."""

    def killed(**wanted: Any) -> Organisation:
        create_organisation(**wanted)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pid = cursor.fetchone()[0]
        others = in_thread(lambda: terminate(pid))
        others.join(FAILS_AFTER_S)
        return Organisation.objects.get(slug="fourth")

    monkeypatch.setattr(DOOR, killed)
    with pytest.raises(Exception, match=r"terminat|closed"):
        post(platform_admin, "k1", FOURTH)
    connections.close_all()
    monkeypatch.undo()
    assert not Organisation.objects.exists()
    assert post(platform_admin, "k1", FOURTH).status_code == 201


def terminate(pid: int) -> None:
    """End another connection's backend."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_token_made_twice_with_one_key_is_one_token(world: World) -> None:
    body = {"name": "t", "scopes": ["account:read"]}
    post(world.it, "k1", body, "tokens/")
    post(world.it, "k1", body, "tokens/")
    assert ApiToken.objects.filter(user=world.it).count() == 1
