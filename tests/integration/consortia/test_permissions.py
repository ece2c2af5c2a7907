"""What people may do, asked of the database."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.actions import grant_role
from accounts.permissions import ROLES, Permission, Role, in_consortium
from accounts.selectors import organisations_where
from consortia.access import access_consortium
from consortia.actions import grant_consortium_role, leave_consortium
from consortia.identity import identity_of
from consortia.permissions import may, require
from consortia.selectors import consortia_visible_to, consortia_where, permissions_of
from rest.errors import Forbidden, NotFound
from tests.support.every import every
from tests.support.world import TEST, World, client_of, make_organisation

P = Permission
PEOPLE = ("platform_admin", "administrator", "steward", "it", "auditor", "scientist", "outsider", "nobody")


def test_of_each_in_the_consortium(world: World) -> None:
    def allowed(who: str) -> frozenset[Permission]:
        return permissions_of(getattr(world, who), consortium=world.consortium)

    assert allowed("platform_admin") == ROLES[Role.PLATFORM_ADMINISTRATOR]
    assert allowed("administrator") == ROLES[Role.CONSORTIUM_ADMINISTRATOR] | in_consortium(
        Role.ORGANISATION_ADMINISTRATOR
    )
    assert allowed("scientist") == ROLES[Role.DATA_SCIENTIST]
    assert allowed("steward") == in_consortium(Role.STEWARD)
    assert allowed("it") == in_consortium(Role.SILO_IT)
    assert allowed("auditor") == in_consortium(Role.AUDITOR)
    assert allowed("outsider") == allowed("nobody") == frozenset()


def test_of_each_in_an_organisation(world: World) -> None:
    def allowed(who: str) -> frozenset[Permission]:
        return permissions_of(getattr(world, who), organisation=world.south)

    assert allowed("steward") == ROLES[Role.STEWARD]
    assert allowed("administrator") == allowed("scientist") == frozenset()
    assert permissions_of(world.steward) == frozenset()


def test_a_scientist_of_an_organisation_reads_and_launches_nothing(world: World) -> None:
    grant_role(user=world.nobody, organisation=world.south, role=Role.DATA_SCIENTIST, by=TEST)
    assert may(world.nobody, P.DATASET_VIEW, consortium=world.consortium)
    assert may(world.nobody, P.MODEL_DOWNLOAD, consortium=world.consortium)
    assert not may(world.nobody, P.JOB_LAUNCH, consortium=world.consortium)
    grant_consortium_role(user=world.nobody, consortium=world.consortium, role=Role.DATA_SCIENTIST, by=TEST)
    assert may(world.nobody, P.JOB_LAUNCH, consortium=world.consortium)
    assert not may(world.nobody, P.JOB_LAUNCH, consortium=world.other_consortium)


def test_permission_ends_when_the_organisation_leaves(world: World) -> None:
    assert may(world.auditor, P.EVENT_VIEW, consortium=world.consortium)
    leave_consortium(participation=world.participation, by=world.steward)
    assert permissions_of(world.auditor, consortium=world.consortium) == frozenset()


def test_refused_with_the_name_of_what_is_missing(world: World) -> None:
    with pytest.raises(Forbidden, match=r"job\.launch") as caught:
        require(world.steward, P.JOB_LAUNCH, consortium=world.consortium)
    assert caught.value.code == "permission.denied"
    require(world.scientist, P.JOB_LAUNCH, consortium=world.consortium)


@pytest.mark.parametrize("wrong", ["rubbish", "", "00000000-0000-0000-0000-000000000000"])
def test_absent_and_not_theirs_read_alike(world: World, wrong: str) -> None:
    messages = []
    for wanted in (wrong, world.consortium.pk):
        with pytest.raises(NotFound) as caught:
            access_consortium(world.outsider, wanted)
        messages.append((caught.value.code, caught.value.message, caught.value.fields))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("who", PEOPLE)
def test_the_questions_about_many_agree_with_the_question_about_one(world: World, who: str) -> None:
    user = getattr(world, who)
    for permission in every(Permission):
        for consortium in (world.consortium, world.other_consortium):
            assert may(user, permission, consortium=consortium) == (consortium in consortia_where(user, permission)), (
                permission
            )
        for organisation in (world.north, world.south, world.elsewhere):
            assert may(user, permission, organisation=organisation) == (
                organisation in organisations_where(user, permission)
            ), permission
    assert set(consortia_visible_to(user)) == set(consortia_where(user, P.CONSORTIUM_VIEW))


@pytest.mark.parametrize("who", PEOPLE)
def test_who_one_is_says_the_same(world: World, who: str) -> None:
    user = getattr(world, who)
    identity = identity_of(user)
    assert [one.id for one in identity.consortia] == [one.pk for one in consortia_visible_to(user)]
    allowed = [permissions_of(user, consortium=consortium) for consortium in consortia_visible_to(user)]
    assert [one.permissions for one in identity.consortia] == [sorted(one.value for one in each) for each in allowed]


def test_asking_takes_one_query_and_knowing_oneself_four(world: World) -> None:
    with CaptureQueriesContext(connection) as queries:
        permissions_of(world.administrator, consortium=world.consortium)
    assert len(queries) == 1
    for number in range(5):
        grant_role(
            user=world.administrator, organisation=make_organisation(f"more-{number}"), role=Role.AUDITOR, by=TEST
        )
    with CaptureQueriesContext(connection) as queries:
        identity = identity_of(world.administrator)
    assert len(queries) == 4
    assert len(identity.organisations) == 6


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("me/", 6),
        ("organisations/", 3),
        ("organisations/{north}/people/", 5),
        ("organisations/{north}/roles/", 4),
        ("users/", 3),
        ("consortia/", 3),
        ("consortia/{consortium}/participants/", 4),
        ("consortia/{consortium}/roles/", 4),
        ("invitations/", 3),
        ("events/", 3),
    ],
)
def test_how_many_queries_an_endpoint_takes(world: World, path: str, most: int) -> None:
    client = client_of(world.administrator)
    place = "/api/v1/" + path.format(north=world.north.pk, consortium=world.consortium.pk)
    client.get(place)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(place).status_code == 200
    assert len(queries) <= most, [query["sql"][:100] for query in queries]
