"""What data may be used for, and what a job is for: two sides of the same vocabulary."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from federation.protocol.documents.base import Day, Name, Part, Text

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""
Permission = Literal["NRES", "GRU", "HMB", "DS", "POA", "FIN"]
"""GA4GH DUO's data use permissions, and FIN for the named purposes of a bank."""
Modifier = (
    Literal["RS", "NMDS", "GSO", "NPUNCU", "PUB", "COL", "IRB", "GS", "MOR"]
    | Literal["TS", "US", "PS", "IS", "RTN", "CC", "NPOA", "NPU", "NCU"]
)
"""GA4GH DUO's data use modifiers."""
FinancePurpose = Literal["credit_risk", "fraud", "aml", "stress_testing"]
Category = (
    Literal["general_research", "health", "disease", "population_origins", "methods", "clinical_care"] | FinancePurpose
)
"""What kind of use a job is."""
CATEGORIES: tuple[Category, ...] = tuple(one for kinds in get_args(Category) for one in get_args(kinds))
DiseaseCode = Annotated[str, Field(pattern=r"^(ICD-10:[A-Z][0-9]{0,2}(\.[0-9A-Z]{1,4})?|MONDO:[0-9]{7})$")]
"""`ICD-10:` and a code or the beginning of one, or `MONDO:` and a whole code."""


class UseConditions(Part):
    """What data may be used for: a permission, and modifiers with what they need to be checked."""

    permission: Permission
    diseases: tuple[DiseaseCode, ...] = Field(default=(), max_length=200)
    finance: tuple[FinancePurpose, ...] = Field(default=(), max_length=10)
    modifiers: tuple[Modifier, ...] = Field(default=(), max_length=30)
    countries: tuple[Country, ...] = Field(default=(), max_length=250)
    institutions: tuple[Name, ...] = Field(default=(), max_length=500)
    users: tuple[Name, ...] = Field(default=(), max_length=500)
    projects: tuple[Name, ...] = Field(default=(), max_length=100)
    until: Day | None = None
    moratorium_until: Day | None = None
    research: Text = ""
    """In words, what kind of research an RS modifier limits the use to."""


class Purpose(Part):
    """What a job is for, as the person who launches it declares."""

    category: Category
    diseases: tuple[DiseaseCode, ...] = Field(default=(), max_length=50)
    commercial: bool = False
    for_profit: bool = False
    """Whether an organisation that works for profit uses the result."""
    countries: tuple[Country, ...] = Field(default=(), max_length=250)
    """Where the result is used."""
    institutions: tuple[Name, ...] = Field(default=(), max_length=100)
    """Who uses the result."""
    project: Name | None = None
    genetic: bool = False
    ethics_approval: Name | None = None
    """The reference of an approval by an ethics board."""
    publishes: bool = False
    publishes_from: Day | None = None
    collaborates: bool = False
    returns_results: bool = False
    restrictions_accepted: bool = False
    """Whether restrictions that are stated in words have been read and are kept to."""
