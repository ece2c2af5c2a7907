"""The terms of a data-use agreement. Loosening a term never forbids more (``federation.agreements.decisions``)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticKnownError

from federation.protocol.documents.base import Digest, Encoded, Name, Part, Text, UtcDatetime
from federation.protocol.documents.protection import ProtectionMode
from federation.protocol.documents.purposes import UseConditions
from federation.targets import figure_names
from federation.tasks import TASKS


def _task(given: object) -> str:
    if not isinstance(given, str) or given not in TASKS:
        *others, last = (f"'{name}'" for name in TASKS)
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(others)} or {last}"})
    return given


TaskName = Annotated[str, BeforeValidator(_task), WithJsonSchema({"type": "string", "enum": list(TASKS)})]
"""A task (``federation.tasks``). Who does not know it does not understand the document."""


def _figure(name: str) -> str:
    if name not in figure_names():
        raise ValueError(f"The figures are {', '.join(figure_names())}.")
    return name


_FIGURE_LENGTH_MAX = 40
FigureName = Annotated[
    str,
    Field(max_length=_FIGURE_LENGTH_MAX),
    AfterValidator(_figure),
    WithJsonSchema({"type": "string", "maxLength": _FIGURE_LENGTH_MAX, "description": "A figure."}),
]
"""A figure that some target has. Who knows no such target does not understand the term, and signs nothing with it."""
DatasetName = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=100)]
Epsilon = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Delta = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


class Member(Part):
    """An organisation that is bound, and the key with which it signs."""

    organisation: Name
    signatory_key: Encoded


class CoveredDataset(Part):
    """Data that a member brings, and what it allows beyond the agreement's own purposes being met."""

    signatory_key: Encoded
    dataset: DatasetName
    use: UseConditions | None = None
    epsilon_max: Epsilon | None = None
    delta_max: Delta | None = None


class TrainingLimits(Part):
    """What jobs may do."""

    tasks: tuple[TaskName, ...] = Field(min_length=1, max_length=20)
    families: tuple[Name, ...] = Field(min_length=1, max_length=50)
    parameters_max: Annotated[int, Field(ge=1, le=10**10)]
    rounds_max: Annotated[int, Field(ge=1, le=100_000)]
    update_norm_l2_max: Annotated[float, Field(gt=0, le=1e9)]
    trainer_network: Literal["forbidden", "allowed"] = "allowed"
    """Whether a trainer may work that was started with a network. Allowed as in 1.0, which did not ask."""


class CustomCode(Part):
    """Training plans that members wrote themselves: by hash only, none if the list is empty."""

    digests: tuple[Digest, ...] = Field(default=(), max_length=200)
    reviewers: Literal[1, 2] = 1


class Privacy(Part):
    """Differential privacy: whether every job needs it, and what one job may cost at most."""

    required: bool = False
    epsilon_max: Epsilon | None = None
    delta_max: Delta | None = None


class Cohort(Part):
    """How many must take part, so that nobody's part can be inferred from the sum."""

    minimum_participants: Annotated[int, Field(ge=1, le=10_000)]
    minimum_rows: Annotated[int, Field(ge=0, le=10**9)] = 0
    organisation_share_max: Annotated[float, Field(gt=0, le=0.5, allow_inf_nan=False)] | None = None
    """What one organisation may weigh at most among all. None as in 1.0: what the platform holds to by itself."""


class DisclosureTerms(Part):
    """What may leave a silo and the consortium, and to whom."""

    metrics: tuple[FigureName, ...] = Field(default=(), max_length=50)
    minimum_cell: Annotated[int, Field(ge=1, le=1000)]
    round_models: bool = False
    final_model: bool = True
    recipients: tuple[Name, ...] = Field(default=(), max_length=500)
    """Organisations beyond the members that may have a model."""
    release_confirmed_by_each: bool = False


class Validity(Part):
    """From when to when jobs may be begun and orders carried out."""

    not_before: UtcDatetime
    not_after: UtcDatetime


class Retention(Part):
    """How long things are kept."""

    updates_rounds: Annotated[int, Field(ge=1, le=1000)] = 1
    models_days: Annotated[int, Field(ge=1, le=36500)] | None = None


class AmendmentTerms(Part):
    """What happens to what runs when the agreement changes or a member leaves."""

    running_jobs: Literal["continue", "stop"] = "stop"
    on_leaving: Literal["models_stay", "models_retired"] = "models_stay"


class Terms(Part):
    """All that members agree on."""

    members: tuple[Member, ...] = Field(min_length=1, max_length=250)
    purposes: UseConditions
    datasets: tuple[CoveredDataset, ...] = Field(min_length=1, max_length=10_000)
    training_limits: TrainingLimits
    code: CustomCode = Field(default_factory=CustomCode)
    protection: tuple[ProtectionMode, ...] = Field(min_length=1, max_length=10)
    clear_reason: Text = ""
    """Why updates may leave in clear, where they may. Empty as in 1.0, which did not ask."""
    privacy: Privacy = Field(default_factory=Privacy)
    cohort: Cohort
    disclosure: DisclosureTerms
    validity: Validity
    retention: Retention = Field(default_factory=Retention)
    amendment: AmendmentTerms = Field(default_factory=AmendmentTerms)
    notes: Text = ""
    """What the members want to say beyond this. It binds people; no machine checks it."""
