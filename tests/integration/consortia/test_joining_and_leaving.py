"""Founding, inviting, joining, leaving; and what becomes of people's roles."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from accounts.actions import create_user, deactivate_user, grant_role, reactivate_user, revoke_role
from accounts.models import OrganisationRole, User
from accounts.permissions import Role
from accounts.role_offers import invite_or_create_user
from audit.models import Event
from consortia import invitations
from consortia.actions import (
    end_participation,
    found_consortium,
    grant_consortium_role,
    leave_consortium,
    revoke_consortium_role,
)
from consortia.models import ConsortiumRole, Invitation, InvitationAnswer, Participation
from consortia.selectors import consortia_visible_to
from consortia.transitions import ParticipationState
from rest.errors import Conflict, Unprocessable
from tests.support.patience import FAILS_AFTER_S
from tests.support.world import TEST, World, client_of, make_organisation, make_world, person


def refused(code: str, work: Callable[[], object]) -> None:
    """Assert that something is refused with a code and leaves nothing behind."""
    events = Event.objects.count()
    with pytest.raises((Conflict, Unprocessable)) as caught, transaction.atomic():
        work()
    assert caught.value.code == code
    assert Event.objects.count() == events


def test_an_organisation_belongs_to_several(world: World) -> None:
    second = found_consortium(name="Lungs", slug="lungs", organisation=world.north, by=world.administrator)
    sent = invitations.invite(consortium=second, organisation=world.south, by=world.administrator)
    invitations.accept(invitation=sent, by=world.steward)
    assert set(consortia_visible_to(world.steward)) == {world.consortium, second}
    assert list(consortia_visible_to(world.scientist)) == [world.consortium]


def test_an_invitation_is_answered_once(world: World) -> None:
    sent = invitations.invite(consortium=world.consortium, organisation=world.elsewhere, by=world.administrator)
    invitations.decline(invitation=sent, by=world.outsider)
    for act in (invitations.accept, invitations.decline, invitations.withdraw):
        refused("invitation.answered", lambda act=act: act(invitation=sent, by=world.outsider))  # type: ignore[misc]
    sent.refresh_from_db()
    assert (sent.answer, sent.answered_by) == (InvitationAnswer.DECLINED, world.outsider)


def test_an_invitation_alone_shows_nothing_of_the_consortium(world: World) -> None:
    sent = invitations.invite(
        consortium=world.consortium, organisation=world.elsewhere, message="Join us.", by=world.administrator
    )
    client = client_of(world.outsider)
    body = client.get("/api/v1/invitations/?open=true").json()["results"]
    assert [(one["id"], one["consortium"]["name"], one["message"]) for one in body] == [
        (str(sent.pk), "Hearts", "Join us.")
    ]
    assert client.get(f"/api/v1/consortia/{world.consortium.pk}/").status_code == 404
    assert client.post(f"/api/v1/invitations/{sent.pk}/accept/").status_code == 200
    assert client.get(f"/api/v1/consortia/{world.consortium.pk}/").status_code == 200
    assert client.get("/api/v1/invitations/?open=true").json()["results"] == []


def test_nobody_is_invited_twice(world: World) -> None:
    refused(
        "participation.active",
        lambda: invitations.invite(consortium=world.consortium, organisation=world.south, by=world.administrator),
    )
    invitations.invite(consortium=world.consortium, organisation=world.elsewhere, by=world.administrator)
    refused(
        "participation.invited",
        lambda: invitations.invite(consortium=world.consortium, organisation=world.elsewhere, by=world.administrator),
    )


@pytest.mark.parametrize("end", ["declined", "withdrawn", "left"])
def test_who_went_may_be_invited_again(world: World, end: str) -> None:
    sent = invitations.invite(consortium=world.consortium, organisation=world.elsewhere, by=world.administrator)
    if end == "left":
        leave_consortium(participation=invitations.accept(invitation=sent, by=world.outsider), by=world.outsider)
    else:
        act = invitations.decline if end == "declined" else invitations.withdraw
        act(invitation=sent, by=world.outsider)
    again = invitations.invite(consortium=world.consortium, organisation=world.elsewhere, by=world.administrator)
    joined = invitations.accept(invitation=again, by=world.outsider)
    assert (joined.state, joined.left_at) == (ParticipationState.ACTIVE, None)
    assert Participation.objects.filter(consortium=world.consortium, organisation=world.elsewhere).count() == 1
    assert Invitation.objects.filter(participation=joined).count() == 2


def test_inviting_an_unknown_organisation_is_refused(world: World) -> None:
    path = f"/api/v1/consortia/{world.consortium.pk}/participants/"
    answer = client_of(world.administrator).post(path, {"organisation": "nowhere"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (422, "organisation.unknown")
    assert list(answer.json()["fields"]) == ["organisation"]


def test_who_leaves_takes_their_people_along(world: World) -> None:
    grant_consortium_role(user=world.auditor, consortium=world.consortium, role=Role.AUDITOR, by=world.administrator)
    both = person("both")
    grant_role(user=both, organisation=world.north, role=Role.AUDITOR, by=TEST)
    grant_role(user=both, organisation=world.south, role=Role.AUDITOR, by=TEST)
    grant_consortium_role(user=both, consortium=world.consortium, role=Role.AUDITOR, by=world.administrator)
    left = leave_consortium(participation=world.participation, by=world.steward)
    assert left.left_at is not None
    held = set(ConsortiumRole.objects.filter(consortium=world.consortium).values_list("user", flat=True))
    assert held == {world.administrator.pk, world.scientist.pk, both.pk}
    assert world.consortium not in consortia_visible_to(world.steward)
    assert world.consortium not in consortia_visible_to(world.auditor)
    gone = Event.objects.get(verb="consortium_role.revoked")
    assert (gone.subject_id, gone.actor_id) == (str(world.auditor.pk), str(world.steward.pk))
    refused("participation.transition", lambda: leave_consortium(participation=world.participation, by=world.steward))


def test_the_consortium_can_end_a_participation_and_says_why(world: World) -> None:
    grant_consortium_role(user=world.auditor, consortium=world.consortium, role=Role.AUDITOR, by=world.administrator)
    ended = end_participation(participation=world.participation, reason=" No contract. ", by=world.administrator)
    assert (ended.state, ended.left_at is not None) == (ParticipationState.LEFT, True)
    event = Event.objects.get(verb="participation.ended")
    assert event.detail == {"organisation": "South", "reason": "No contract."}
    assert (event.consortium_id, event.organisation_id) == (world.consortium.pk, world.south.pk)
    assert not Event.objects.filter(verb="participation.left").exists()
    assert not ConsortiumRole.objects.filter(user=world.auditor).exists()
    assert world.consortium not in consortia_visible_to(world.steward)
    body = client_of(world.steward).get(f"/api/v1/events/?organisation={world.south.pk}").json()["results"]
    assert "No contract." in [one["detail"].get("reason") for one in body], "its own people can read why"
    refused(
        "participation.transition",
        lambda: end_participation(participation=world.participation, reason="Again.", by=world.administrator),
    )
    again = invitations.invite(consortium=world.consortium, organisation=world.south, by=world.administrator)
    assert invitations.accept(invitation=again, by=world.steward).state == ParticipationState.ACTIVE


def test_who_is_only_invited_is_not_removed(world: World) -> None:
    sent = invitations.invite(consortium=world.consortium, organisation=world.elsewhere, by=world.administrator)
    refused(
        "participation.transition",
        lambda: end_participation(participation=sent.participation, reason="No.", by=world.administrator),
    )


def test_the_organisation_of_the_last_administrator_is_not_removed(world: World) -> None:
    north = Participation.objects.get(consortium=world.consortium, organisation=world.north)
    refused(
        "consortium.last_administrator",
        lambda: end_participation(participation=north, reason="All of us.", by=world.administrator),
    )
    path = f"/api/v1/consortia/{world.consortium.pk}/participants/{world.north.pk}/remove/"
    answer = client_of(world.administrator).post(path, {"reason": "All of us."}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "consortium.last_administrator")
    grant_consortium_role(
        user=world.steward, consortium=world.consortium, role=Role.CONSORTIUM_ADMINISTRATOR, by=world.administrator
    )
    end_participation(participation=north, reason="They want to.", by=world.steward)
    assert world.consortium not in consortia_visible_to(world.administrator)


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ({}, "input.invalid", 422),
        ({"reason": ""}, "input.invalid", 422),
        ({"reason": "   "}, "input.invalid", 422),
        ({"reason": "x" * 2001}, "input.invalid", 422),
        ({"reason": "They know cns_" + "a" * 30}, "text.secret", 422),
    ],
)
def test_a_removal_needs_a_reason_that_can_be_kept(world: World, body: dict[str, str], code: str, status: int) -> None:
    path = f"/api/v1/consortia/{world.consortium.pk}/participants/{world.south.pk}/remove/"
    answer = client_of(world.administrator).post(path, body, format="json")
    assert (answer.status_code, answer.json()["code"], list(answer.json()["fields"])) == (status, code, ["reason"])
    assert world.participation.state == ParticipationState.ACTIVE
    refused(
        "participation.reason_missing",
        lambda: end_participation(participation=world.participation, reason=" ", by=world.administrator),
    )


def test_a_consortium_keeps_an_administrator(world: World) -> None:
    refused(
        "consortium.last_administrator",
        lambda: leave_consortium(
            participation=Participation.objects.get(consortium=world.consortium, organisation=world.north),
            by=world.administrator,
        ),
    )
    held = ConsortiumRole.objects.get(user=world.administrator, consortium=world.consortium)
    refused("consortium.last_administrator", lambda: revoke_consortium_role(granted=held, by=world.administrator))
    grant_consortium_role(
        user=world.steward, consortium=world.consortium, role=Role.CONSORTIUM_ADMINISTRATOR, by=world.administrator
    )
    revoke_consortium_role(granted=held, by=world.steward)
    refused("role.revoked_already", lambda: revoke_consortium_role(granted=held, by=world.steward))


def test_an_administrator_who_can_t_sign_in_counts_for_nothing(world: World) -> None:
    second = person("second")
    grant_role(user=second, organisation=world.north, role=Role.ORGANISATION_ADMINISTRATOR, by=TEST)
    deactivate_user(user=second, by=world.platform_admin)
    held = OrganisationRole.objects.get(user=world.administrator, organisation=world.north)
    refused("organisation.last_administrator", lambda: revoke_role(granted=held, by=world.administrator))
    reactivate_user(user=second, by=world.platform_admin)
    revoke_role(granted=held, by=world.administrator)


def test_an_organisation_keeps_an_administrator(world: World) -> None:
    held = OrganisationRole.objects.get(user=world.administrator, organisation=world.north)
    path = f"/api/v1/organisations/{world.north.pk}/roles/{held.pk}/"
    answer = client_of(world.administrator).delete(path)
    assert (answer.status_code, answer.json()["code"]) == (409, "organisation.last_administrator")
    assert OrganisationRole.objects.filter(pk=held.pk).exists()


def test_nobody_closes_their_own_account(world: World) -> None:
    answer = client_of(world.platform_admin).patch(
        f"/api/v1/users/{world.platform_admin.pk}/", {"is_active": False}, format="json"
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "user.self")


@pytest.mark.parametrize(
    ("path", "email"),
    [("organisations/{north}/roles/", "it@example.org"), ("consortia/{consortium}/roles/", "scientist@example.org")],
)
def test_a_role_is_held_once(world: World, path: str, email: str) -> None:
    place = "/api/v1/" + path.format(north=world.north.pk, consortium=world.consortium.pk)
    role = "silo_it" if email.startswith("it@") else "data_scientist"
    client = client_of(world.administrator)
    answer = client.post(place, {"email": email, "role": role}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "role.held_already")
    unknown = client.post(place, {"email": "unheard@example.org", "role": role}, format="json")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "user.unknown")
    wrong = client.post(place, {"email": email, "role": "platform_administrator"}, format="json")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "input.invalid")


def test_a_role_of_another_organisation_is_not_found_here(world: World) -> None:
    held = OrganisationRole.objects.get(user=world.outsider)
    path = f"/api/v1/organisations/{world.north.pk}/roles/{held.pk}/"
    assert client_of(world.administrator).delete(path).status_code == 404
    other = ConsortiumRole.objects.get(user=world.outsider)
    path = f"/api/v1/consortia/{world.consortium.pk}/roles/{other.pk}/"
    assert client_of(world.administrator).delete(path).status_code == 404
    assert OrganisationRole.objects.filter(pk=held.pk).exists()


def test_an_administrator_can_t_open_an_account_in_another_organisation(world: World) -> None:
    body = {"email": "n@example.org", "full_name": "N", "organisation": str(world.south.pk), "roles": ["steward"]}
    assert client_of(world.administrator).post("/api/v1/users/", body, format="json").status_code == 404
    nowhere = {"email": "n@example.org", "full_name": "N"}
    assert client_of(world.administrator).post("/api/v1/users/", nowhere, format="json").status_code == 403
    assert not User.objects.filter(email="n@example.org").exists()


@pytest.mark.parametrize("roles", [{}, {"roles": []}])
def test_an_account_may_be_made_without_roles_and_given_one_later(world: World, roles: dict[str, list[str]]) -> None:
    client = client_of(world.administrator)
    body = {"email": "n@example.org", "full_name": "N", "organisation": str(world.north.pk), **roles}
    answer = client.post("/api/v1/users/", body, format="json")
    assert answer.status_code == 201, answer.content
    made = User.objects.get(email="n@example.org")
    assert (made.home, made.organisation_roles.count()) == (world.north, 0)
    assert client.get(f"/api/v1/users/{made.pk}/").status_code == 200
    for other in (world.it, world.steward, world.outsider):
        assert client_of(other).get(f"/api/v1/users/{made.pk}/").status_code == 404
    assert client_of(made).get("/api/v1/organisations/").json()["results"] == []
    path = f"/api/v1/organisations/{world.north.pk}/roles/"
    assert client.post(path, {"email": made.email, "role": "auditor"}, format="json").status_code == 201
    nowhere = {"email": "m@example.org", "full_name": "M", "roles": ["auditor"]}
    assert client_of(world.platform_admin).post("/api/v1/users/", nowhere, format="json").status_code == 422


def test_an_address_has_one_account(world: World) -> None:
    body = {"email": "IT@Example.ORG", "full_name": "N", "organisation": str(world.north.pk), "roles": ["steward"]}
    answer = client_of(world.administrator).post("/api/v1/users/", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "user.email_taken")
    given = invite_or_create_user(
        organisation=world.north, email="IT@EXAMPLE.org", full_name="", role="steward", by=TEST
    )
    assert isinstance(given, OrganisationRole)
    assert given.user == world.it


def test_a_signatory_key_is_one_organisation_s_and_the_only_one(world: World) -> None:
    from federation.protocol.keys import PrivateKey

    key = PrivateKey.generate().public
    client = client_of(world.administrator)
    path = f"/api/v1/organisations/{world.north.pk}/signatory-keys/"
    first = client.post(path, {"public_key": key.encoded}, format="json").json()
    assert first["key_id"] == key.key_id
    assert first["fingerprint"] == key.fingerprint
    assert first["public_key"] == key.encoded
    second = client.post(path, {"public_key": PrivateKey.generate().public.encoded}, format="json")
    assert (second.status_code, second.json()["code"]) == (409, "signatory_key.one_active")
    assert client.delete(f"{path}{first['id']}/").status_code == 204
    again = client.delete(f"{path}{first['id']}/")
    assert (again.status_code, again.json()["code"]) == (409, "signatory_key.transition")
    same = client.post(path, {"public_key": key.encoded}, format="json")
    assert (same.status_code, same.json()["code"]) == (409, "signatory_key.known")
    other = f"/api/v1/organisations/{world.elsewhere.pk}/signatory-keys/"
    stolen = client_of(world.outsider).post(other, {"public_key": key.encoded}, format="json")
    assert (stolen.status_code, stolen.json()["code"]) == (409, "signatory_key.known")
    new = client.post(path, {"public_key": PrivateKey.generate().public.encoded}, format="json")
    assert new.status_code == 201
    for text in ("", "AAAA", "not base64", "A" * 100):
        wrong = client.post(path, {"public_key": text}, format="json")
        assert wrong.status_code == 422
        assert list(wrong.json()["fields"]) == ["public_key"] if text == "" else wrong.json()["code"] == "key.invalid"


@pytest.mark.parametrize(
    ("changed", "constraint"),
    [
        ({"state": "nothing"}, "participation_state_known"),
        ({"state": "left"}, "participation_left_at_iff_left"),
        ({"left_at": timezone.now()}, "participation_left_at_iff_left"),
        ({"joined_at": None}, "participation_joined_if_active"),
    ],
)
def test_the_database_knows_what_goes_together(world: World, changed: dict[str, Any], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Participation.objects.filter(pk=world.participation.pk).update(**changed)


def at_once(*works: Callable[[], object]) -> list[str]:
    """Run things at the same moment, each in a thread of its own; how each ended, by its code."""
    ended: list[str] = []
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        try:
            barrier.wait(FAILS_AFTER_S)
            work()
            ended.append("done")
        except Conflict as problem:
            ended.append(problem.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(FAILS_AFTER_S)
    return sorted(ended)


@pytest.mark.django_db(transaction=True)
def test_two_answers_at_once_are_one() -> None:
    world = make_world()
    sent = invitations.invite(consortium=world.consortium, organisation=world.elsewhere, by=world.administrator)
    ended = at_once(
        lambda: invitations.accept(invitation=sent, by=world.outsider),
        lambda: invitations.decline(invitation=sent, by=world.outsider),
        lambda: invitations.withdraw(invitation=sent, by=world.administrator),
    )
    assert ended == ["done", "invitation.answered", "invitation.answered"]


@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_go_at_once_leave_one() -> None:
    world = make_world()
    second = create_user(email="second@example.org", full_name="Second", by=TEST)
    role = Role.CONSORTIUM_ADMINISTRATOR
    held = [
        ConsortiumRole.objects.get(user=world.administrator, consortium=world.consortium),
        grant_consortium_role(user=second, consortium=world.consortium, role=role, by=TEST),
    ]
    ended = at_once(*(lambda one=one: revoke_consortium_role(granted=one, by=TEST) for one in held))
    assert ended == ["consortium.last_administrator", "done"]
    assert ConsortiumRole.objects.filter(consortium=world.consortium, role=role).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_invitations_at_once_are_one() -> None:
    world = make_world()
    fourth = make_organisation("fourth")
    one = lambda: invitations.invite(consortium=world.consortium, organisation=fourth, by=world.administrator)  # noqa: E731
    assert at_once(one, one, one) == ["done", "participation.invited", "participation.invited"]
