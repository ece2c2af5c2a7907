"""Who takes part in the demo: the four hospitals of the UCI heart-disease files, their people and the coordinator's."""

from __future__ import annotations

from dataclasses import dataclass

DECLARATION_NAME = "heart-disease"
CONSORTIUM = "Heart Disease Collaborative"
COORDINATOR = "Cardio Data Trust"
DOMAIN = "demo.consilience.test"


@dataclass(frozen=True)
class Hospital:
    """One member of the consortium and its one silo."""

    key: str
    organisation: str
    country: str
    silo: str
    file: str
    sha256: str
    steward: str
    silo_it: str
    administrator: str

    def email(self, role: str) -> str:
        """The sign-in of one of its people: `organisation_administrator`, `steward` or `silo_it`."""
        local = {"organisation_administrator": "administrator", "silo_it": "it"}.get(role, role)
        return f"{local}@{self.key}.{DOMAIN}"


HOSPITALS = (
    Hospital(
        key="cleveland",
        organisation="Cleveland Clinic Foundation",
        country="US",
        silo="cleveland",
        file="processed.cleveland.data",
        sha256="a74b7efa387bc9d108d7d0115d831fe9b414b29ae7124f331b622b4efa0427c8",
        steward="Ruth Okafor",
        silo_it="Sam Whitfield",
        administrator="Helen Marsh",
    ),
    Hospital(
        key="budapest",
        organisation="Hungarian Institute of Cardiology",
        country="HU",
        silo="budapest",
        file="processed.hungarian.data",
        sha256="d1ad108f785768cd3d7e82dc522e6f5a61eea93cccfb3a46ee8076f73fc3d796",
        steward="Katalin Szabó",
        silo_it="Gergő Varga",
        administrator="Ilona Kiss",
    ),
    Hospital(
        key="switzerland",
        organisation="University Hospitals Zurich and Basel",
        country="CH",
        silo="switzerland",
        file="processed.switzerland.data",
        sha256="834a405ccf5b66ab4056bb77794adc8df0b7125186454c0a1d002d33c6c3b314",
        steward="Ursina Caduff",
        silo_it="Beat Zellweger",
        administrator="Regula Ammann",
    ),
    Hospital(
        key="longbeach",
        organisation="V.A. Medical Center Long Beach",
        country="US",
        silo="longbeach",
        file="processed.va.data",
        sha256="e7c93d8d0d2acdadfa4c5e8de768e2191e7f618b952e29623f1f0d5949ff6b8f",
        steward="Marcus Bell",
        silo_it="Dana Nguyen",
        administrator="Joyce Alvarado",
    ),
)


@dataclass(frozen=True)
class Person:
    """Somebody at the coordinator who signs in."""

    email: str
    name: str
    does: str


PLATFORM_ADMINISTRATOR = Person(f"operator@{DOMAIN}", "Olga Petrov", "keeps the platform")
CONSORTIUM_ADMINISTRATOR = Person(f"administrator@{DOMAIN}", "Anneke de Vries", "administers the consortium")
DATA_SCIENTIST = Person(f"scientist@{DOMAIN}", "Tomás Herrera", "launches jobs")
STEWARD = Person(f"steward@{DOMAIN}", "Pieter Bakker", "signs for the coordinator")
AUDITOR = Person(f"auditor@{DOMAIN}", "Miriam Adler", "reads what was done")
# Anyone who administers something or is a steward shows a code when signing in.
WITH_SECOND_FACTOR = (
    PLATFORM_ADMINISTRATOR.email,
    CONSORTIUM_ADMINISTRATOR.email,
    STEWARD.email,
    *(hospital.email(role) for hospital in HOSPITALS for role in ("organisation_administrator", "steward")),
)
PEOPLE = (CONSORTIUM_ADMINISTRATOR, DATA_SCIENTIST, AUDITOR, STEWARD, PLATFORM_ADMINISTRATOR)
