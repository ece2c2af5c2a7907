"""The codes for uses of data, with what they mean.

Source: GA4GH Data Use Ontology (EBISPOT/DUO, CC BY 4.0), ids, shorthands, labels and definitions as published there;
the sentences on what the platform asks of a job are ours, and so are the purposes of banks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class UseCode:
    """A code: its id where it was published, a label, its definition, and how it is checked here."""

    code: str
    id: str
    label: str
    meaning: str
    judged: str


def _table(*codes: UseCode) -> Mapping[str, UseCode]:
    return MappingProxyType({code.code: code for code in codes})


PERMISSIONS = _table(
    UseCode("NRES", "DUO:0000004", "no restriction", "There is no restriction on use.", "Every job may use the data."),
    UseCode(
        "GRU",
        "DUO:0000042",
        "general research use",
        "Use is allowed for general research use for any research purpose.",
        "Every research job may use the data; clinical care only with CC.",
    ),
    UseCode(
        "HMB",
        "DUO:0000006",
        "health or medical or biomedical research",
        "Use is allowed for health/medical/biomedical purposes; does not include the study of population origins or "
        "ancestry.",
        "The job's category must be health, a disease, or methods.",
    ),
    UseCode(
        "DS",
        "DUO:0000007",
        "disease specific research",
        "Use is allowed provided it is related to the specified disease.",
        "Each disease of the job must be one of those named, or a narrower one. Data for cancer serve a study of lung "
        "cancer, not the reverse.",
    ),
    UseCode(
        "POA",
        "DUO:0000011",
        "population origins or ancestry research only",
        "Use of the data is limited to the study of population origins or ancestry.",
        "The job's category must be population origins.",
    ),
    UseCode(
        "FIN",
        "consilience:FIN",
        "named purposes of a bank",
        "Use is allowed for the purposes that are named, and for no other.",
        "The job's category must be one of those named.",
    ),
)

MODIFIERS = _table(
    UseCode(
        "RS",
        "DUO:0000012",
        "research specific restrictions",
        "Use is limited to studies of a certain research type.",
        "The type is stated in words; the person who launches a job declares that it is kept to.",
    ),
    UseCode(
        "NMDS",
        "DUO:0000015",
        "no general methods research",
        "Use does not allow methods development research (e.g., development of software or algorithms).",
        "The job's category must not be methods.",
    ),
    UseCode(
        "GSO",
        "DUO:0000016",
        "genetic studies only",
        "Use is limited to genetic studies only (i.e., studies that include genotype research alone or both genotype "
        "and phenotype research, but not phenotype research exclusively).",
        "The job must be declared a genetic study.",
    ),
    UseCode(
        "NPUNCU",
        "DUO:0000018",
        "not for profit, non commercial use only",
        "Use of the data is limited to not-for-profit organizations and not-for-profit use, non-commercial use.",
        "The job must be neither commercial nor for an organisation that works for profit.",
    ),
    UseCode(
        "PUB",
        "DUO:0000019",
        "publication required",
        "The requestor agrees to make results of studies using the data available to the larger scientific community.",
        "The job must declare that its results will be published.",
    ),
    UseCode(
        "COL",
        "DUO:0000020",
        "collaboration required",
        "The requestor must agree to collaboration with the primary study investigator(s).",
        "The job must declare collaboration with those who hold the data.",
    ),
    UseCode(
        "IRB",
        "DUO:0000021",
        "ethics approval required",
        "The requestor must provide documentation of local IRB/ERB approval.",
        "The job must name its ethics approval.",
    ),
    UseCode(
        "GS",
        "DUO:0000022",
        "geographical restriction",
        "Use is limited to within a specific geographic region.",
        "The job must name where its results are used; all of these countries must be among those named here.",
    ),
    UseCode(
        "MOR",
        "DUO:0000024",
        "publication moratorium",
        "The requestor agrees not to publish results of studies until a specific date.",
        "A job that publishes must name a date from which on, and it must not be before the moratorium ends.",
    ),
    UseCode(
        "TS",
        "DUO:0000025",
        "time limit on use",
        "Use is approved for a specific number of months.",
        "Nothing is done after the last day named.",
    ),
    UseCode(
        "US",
        "DUO:0000026",
        "user specific restriction",
        "Use is limited to use by approved users.",
        "The person who launches the job must be among those named.",
    ),
    UseCode(
        "PS",
        "DUO:0000027",
        "project specific restriction",
        "Use is limited to use within an approved project.",
        "The job must name its project, and it must be among those named.",
    ),
    UseCode(
        "IS",
        "DUO:0000028",
        "institution specific restriction",
        "Use is limited to use within an approved institution.",
        "The job must name who uses its results; all must be among those named.",
    ),
    UseCode(
        "RTN",
        "DUO:0000029",
        "return to database or resource",
        "The requestor must return derived/enriched data to the database/resource.",
        "The job must declare that its results are returned.",
    ),
    UseCode(
        "CC",
        "DUO:0000043",
        "clinical care use",
        "Use is allowed for clinical use and care.",
        "Jobs for clinical care are allowed too.",
    ),
    UseCode(
        "NPOA",
        "DUO:0000044",
        "population origins or ancestry research prohibited",
        "Use for purposes of population, origin, or ancestry research is prohibited.",
        "The job's category must not be population origins.",
    ),
    UseCode(
        "NPU",
        "DUO:0000045",
        "not for profit organisation use only",
        "Use of the data is limited to not-for-profit organizations.",
        "The job must not be for an organisation that works for profit.",
    ),
    UseCode(
        "NCU",
        "DUO:0000046",
        "non-commercial use only",
        "Use of the data is limited to not-for-profit use.",
        "The job must not be commercial.",
    ),
)

FINANCE = _table(
    UseCode(
        "credit_risk",
        "consilience:credit_risk",
        "credit risk",
        "Estimating how likely a borrower is to default.",
        "Equal to the job's category.",
    ),
    UseCode("fraud", "consilience:fraud", "fraud", "Finding fraudulent transactions.", "Equal to the job's category."),
    UseCode(
        "aml",
        "consilience:aml",
        "anti-money laundering",
        "Finding signs of money laundering or of the financing of terrorism.",
        "Equal to the job's category.",
    ),
    UseCode(
        "stress_testing",
        "consilience:stress_testing",
        "stress testing",
        "Estimating losses under adverse scenarios.",
        "Equal to the job's category.",
    ),
)

CATEGORIES: Mapping[str, str] = MappingProxyType(
    {
        "general_research": "research of any kind",
        "health": "health, medical or biomedical research",
        "disease": "research on named diseases",
        "population_origins": "research on population origins or ancestry",
        "methods": "development of methods",
        "clinical_care": "clinical care",
        **{code: use.label for code, use in FINANCE.items()},
    }
)
"""The kinds of use that a job can declare."""
