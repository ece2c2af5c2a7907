"""Roles as sets of permissions."""

from __future__ import annotations

import re

import pytest

from accounts.permissions import (
    ABOUT_THE_ORGANISATION,
    CONSORTIUM_ROLES,
    GRANTED_IN_CONSORTIUM_ONLY,
    ORGANISATION_ROLES,
    ROLES,
    Permission,
    Role,
    in_consortium,
    organisation_roles_allowing,
    roles_allowing,
)

P = Permission


def test_every_role_has_its_permissions() -> None:
    assert set(ROLES) == set(Role)
    assert all(ROLES.values())


def test_every_permission_is_held_by_a_role() -> None:
    assert set().union(*ROLES.values()) == set(Permission)


@pytest.mark.parametrize("permission", Permission)
def test_permissions_are_named_noun_first(permission: Permission) -> None:
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)+", permission.name)
    noun, verb = permission.value.split(".")
    assert f"{noun}_{verb}".upper() == permission.name


def test_every_role_is_held_somewhere() -> None:
    assert {*ORGANISATION_ROLES, *CONSORTIUM_ROLES, Role.PLATFORM_ADMINISTRATOR} == set(Role)


def test_who_keeps_the_platform_trains_nothing_and_takes_no_model() -> None:
    platform_admin = ROLES[Role.PLATFORM_ADMINISTRATOR]
    assert not platform_admin & {P.JOB_LAUNCH, P.JOB_CONTROL, P.MODEL_DOWNLOAD, P.SILO_CONFIRM, P.SIGNATORY_KEY_MANAGE}


def test_who_makes_the_code_does_not_confirm_the_silo() -> None:
    assert P.SILO_ENROL in ROLES[Role.SILO_IT]
    assert P.SILO_CONFIRM not in ROLES[Role.SILO_IT]


def test_an_auditor_has_only_reading_permissions() -> None:
    assert all(permission.value.endswith(".view") for permission in ROLES[Role.AUDITOR])


@pytest.mark.parametrize("role", ORGANISATION_ROLES)
def test_a_role_at_home_touches_no_other_member(role: Role) -> None:
    allowed = in_consortium(role)
    assert allowed <= ROLES[role]
    assert P.CONSORTIUM_VIEW in allowed
    assert not allowed & (GRANTED_IN_CONSORTIUM_ONLY | ABOUT_THE_ORGANISATION)
    assert P.JOB_LAUNCH not in allowed


@pytest.mark.parametrize("permission", Permission)
def test_roles_are_found_by_what_they_allow(permission: Permission) -> None:
    assert set(roles_allowing(permission)) == {role for role in Role if permission in ROLES[role]}
    assert set(organisation_roles_allowing(permission)) == {
        role for role in ORGANISATION_ROLES if permission in in_consortium(role)
    }
