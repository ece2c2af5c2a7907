"""What a job is."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from federation.errors import Invalid
from federation.protocol.documents.base import (
    Count,
    Digest,
    Document,
    Encoded,
    Name,
    Part,
    PlainObject,
    Rows,
    Text,
    UtcDatetime,
)
from federation.protocol.documents.protection import AnyProtection
from federation.protocol.documents.purposes import Purpose
from federation.protocol.documents.statistics import StatisticsRequest
from federation.protocol.documents.terms import TaskName
from federation.protocol.tensors import TENSORS_MAX, TensorSpec
from federation.targets import Target, target_of
from federation.tasks import task_of
from federation.validation.bounds import ROWS_MAX

CERTIFICATE_LENGTH_MAX = 4000
"""Of a sealed certificate in characters. A longer one can't be put into a manifest, so no silo enrols with it."""


class CohortMember(Part):
    """One silo of a job: who it is, and with which data."""

    silo_id: UUID
    organisation: Name
    silo: Name
    dataset_id: UUID
    dataset: Name
    schema_digest: Digest
    identity_key: Encoded
    signatory_key: Encoded
    certificate: Annotated[str, Field(max_length=CERTIFICATE_LENGTH_MAX)] | None = None
    """The sealed word of the signatory for the identity key, as JSON: what shows that the silo is the member's."""
    rows_coarse: Rows | None = None
    """What the silo had registered at launch. None in manifests of 1.0, which hold nobody to it."""
    weight_max: Annotated[Rows, Field(ge=1)] | None = None
    """The largest weight of the silo in a round, in rows (``federation.agreements.shares``). None in 1.0: no limit."""


class DifferentialPrivacy(Part):
    """How training is made differentially private. Nothing carries it out yet: such a manifest is refused.

    Attributes:
        mechanism: What noise is drawn from.
        sampler: How records come into a batch: each by itself (``poisson``), or all of them (``full``).
        sample_rate: The chance of each record to be in a batch, above 0 and at most 1.
        expected_batch: How many records a batch has on average: the sum of gradients is divided by it.
        clipping_norm: The largest L2 norm that a record's gradient counts with.
        noise_multiplier: The noise's deviation in clipping norms.
        steps: How many batches a silo takes in the whole job.
        unit: Whose presence is hidden: that of one record.
        population: How many records the accounting goes by.
        delta: The delta of (epsilon, delta).
    """

    mechanism: Literal["gaussian", "discrete_gaussian"]
    sampler: Literal["poisson", "full"]
    sample_rate: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    expected_batch: Annotated[int, Field(ge=1, le=ROWS_MAX)]
    clipping_norm: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
    noise_multiplier: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
    steps: Annotated[int, Field(ge=1, le=10**9)]
    unit: Literal["record"] = "record"
    population: Annotated[int, Field(ge=1, le=ROWS_MAX)]
    delta: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class PrivacyCost(Part):
    """What a job costs every record of each dataset, as declared at launch: record-level (epsilon, delta)."""

    epsilon: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
    delta: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


class Weighting(Part):
    """How largest weights came about: the share of one organisation, and what part of all rows is trained on."""

    organisation_share_max: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    """None where there are too few organisations for a cap."""
    train_fraction: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0


class Limits(Part):
    """Bounds that every silo and the platform hold to."""

    update_norm_l2_max: Annotated[float, Field(gt=0, le=1e9)] = 1e4
    minimum_cell: Annotated[int, Field(ge=1, le=1000)] = 5


_NEEDED_OF_MODEL = ("model", "n_features", "layout", "initial_model_digest", "strategy", "local")
_OF_MODEL = (*_NEEDED_OF_MODEL, "target", "n_classes")


class Manifest(Document):
    """Everything that a job is: fixed at launch, referred to by its digest ever after (signed by the platform)."""

    payload_type = "application/vnd.consilience.manifest.v1+json"

    job_id: UUID
    consortium_id: UUID
    name: Name
    launched_by: Name
    task: TaskName
    purpose: Text
    use: Purpose | None = None
    """The purpose as it can be checked; `purpose` is the launcher's own words."""
    agreement_digest: Digest | None = None
    code_digest: Digest | None = None
    privacy: DifferentialPrivacy | None = None
    privacy_cost: PrivacyCost | None = None
    model: Annotated[PlainObject | None, Field(exclude_if=lambda given: given is None)] = None
    """What the job is about, with all down to `local`; nothing of it in a job that is about no model."""
    n_features: Annotated[int | None, Field(ge=1, le=1_000_000, exclude_if=lambda given: given is None)] = None
    target: Annotated[Name | None, Field(exclude_if=lambda given: given is None)] = None
    """What models are asked for, where it does not follow from the number of classes (``federation.targets``)."""
    n_classes: Annotated[int | None, Field(ge=2, le=100_000, exclude_if=lambda given: given is None)] = None
    """None where a target is named that has no classes."""
    layout: Annotated[tuple[TensorSpec, ...], Field(max_length=TENSORS_MAX, exclude_if=lambda given: not given)] = ()
    initial_model_digest: Annotated[Digest | None, Field(exclude_if=lambda given: given is None)] = None
    strategy: Annotated[PlainObject | None, Field(exclude_if=lambda given: given is None)] = None
    local: Annotated[PlainObject | None, Field(exclude_if=lambda given: given is None)] = None
    statistics: Annotated[StatisticsRequest | None, Field(exclude_if=lambda given: given is None)] = None
    """What is asked of the columns, in a job of the task ``statistics``."""
    rounds: Annotated[int, Field(ge=0, le=100_000)]
    quorum: Annotated[int, Field(ge=1, le=10_000)]
    round_deadline_s: Annotated[float, Field(gt=0, le=30 * 86400)]
    wait: Literal["all", "quorum", "adaptive"] = "all"
    """For whom a round waits beyond its quorum. Since 1.1; under 1.0 every round waited for all until its deadline."""
    protection: AnyProtection
    limits: Limits
    weighting: Weighting | None = None
    """None in manifests of 1.0, in which each silo weighs what it says."""
    seed: Count
    cohort: tuple[CohortMember, ...] = Field(min_length=1, max_length=10_000)
    created_at: UtcDatetime

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Demand exactly what the task needs."""
        about_model = [name for name in _OF_MODEL if name in self.model_fields_set]
        task = task_of(self.task)
        if (self.statistics is None) == (task.asks_with == "statistics"):
            raise ValueError("a job of statistics names columns, and no other job does")
        if not task.is_about_model:
            if about_model or self.rounds or self.code_digest is not None:
                raise ValueError(f"a job of the task {self.task} names no model and no rounds")
            return self
        if missing := [name for name in _NEEDED_OF_MODEL if name not in about_model or getattr(self, name) is None]:
            raise ValueError(f"{missing[0]} is missing")
        if self.target is None and self.n_classes is None:
            raise ValueError("n_classes is missing, and no target is named that has none")
        try:
            target_of(self.target, self.n_classes)
        except Invalid as error:
            raise ValueError(error.message) from error
        return self

    @property
    def is_about_model(self) -> bool:
        """Whether there is a model that the job trains or evaluates."""
        return self.model is not None

    @property
    def target_kind(self) -> Target:
        """The target, as it is named or follows from the classes. Raises Invalid where the job is about no model."""
        return target_of(self.target, self.n_classes)
