"""The plan of the demo's consortium, as `manage.py demo_seed` takes it: who there is, and what they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from demo.hospitals import (
    AUDITOR,
    CONSORTIUM,
    CONSORTIUM_ADMINISTRATOR,
    COORDINATOR,
    DATA_SCIENTIST,
    HOSPITALS,
    PLATFORM_ADMINISTRATOR,
    STEWARD,
    Hospital,
    Person,
)

Plan = dict[str, Any]
DESCRIPTION = (
    "Four hospitals that learn together to tell coronary heart disease from thirteen clinical attributes, "
    "without a patient's record leaving any of them."
)


def plan(password: str, second_factors: Mapping[str, str]) -> Plan:
    """The whole plan; `second_factors` are the secrets in people's authenticator apps, by e-mail address."""
    return {
        "name": CONSORTIUM,
        "slug": "heart-disease",
        "description": DESCRIPTION,
        "password": password,
        "second_factors": dict(second_factors),
        "coordinator": {
            "name": COORDINATOR,
            "slug": "cardio-data-trust",
            "country": "NL",
            "kind": "other",
            "people": [
                _person(PLATFORM_ADMINISTRATOR, "platform_administrator"),
                _person(CONSORTIUM_ADMINISTRATOR, "consortium_administrator"),
                _person(DATA_SCIENTIST, "data_scientist"),
                _person(AUDITOR, "auditor"),
                _person(STEWARD, "steward"),
            ],
        },
        "members": [_member(hospital) for hospital in HOSPITALS],
    }


def _person(person: Person, role: str) -> Plan:
    return {"email": person.email, "name": person.name, "role": role}


def _member(hospital: Hospital) -> Plan:
    people = (
        (hospital.administrator, "organisation_administrator"),
        (hospital.steward, "steward"),
        (hospital.silo_it, "silo_it"),
    )
    return {
        "name": hospital.organisation,
        "slug": hospital.key,
        "country": hospital.country,
        "kind": "hospital",
        "people": [{"email": hospital.email(role), "name": name, "role": role} for name, role in people],
        "silos": [hospital.silo],
    }
