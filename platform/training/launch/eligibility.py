"""Which silos may join a job, and which clause says no to the others: the function that every trainer asks as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from agreements import selectors
from agreements.models import AgreementVersion
from agreements.refusals import allowed_by, meaning_of, remedy_of
from consortia.models import Consortium
from federation.agreements.decisions import AgreementStatus, SiloContext, SiloFacts, violations
from federation.agreements.policy import Policy
from federation.agreements.rules import Violation
from federation.agreements.shares import train_fraction_of
from federation.agreements.signing import SignedAgreement, open_agreement
from federation.learning.models import parse_model
from federation.protocol.documents import Manifest
from federation.protocol.tensors import Layout, TensorSpec
from federation.tasks import task_of
from plans.models import TrainingPlan
from plans.review_status import reviewers_at
from registry.models import ModelVersion
from silos.capabilities import Needs, lacks
from silos.models import Dataset, Silo
from silos.selectors import declaration_of
from training.launch.cohorts import cohort_of
from training.launch.needs import needs_of
from training.launch.requests import JobRequest, local_of

_UNKNOWN = UUID(int=0)
_UNKNOWN_DIGEST = "sha256:" + "0" * 64
_OF_ITS_OWN = Policy(custom_code="approved")
"""What the platform takes a silo's own policy to be, which it does not know."""


@dataclass(frozen=True)
class ModelAsked:
    """The model that a job is about: its specification and its tensors."""

    specification: Mapping[str, Any]
    layout: Layout
    code_digest: str | None = None
    """The hash of the training plan that computes it."""


@dataclass(frozen=True)
class Reason:
    """A refusal in the reader's language."""

    code: str
    clause: str
    meaning: str
    allowed: str
    """What the agreement would have allowed; empty where the meaning says it."""
    remedy: str

    @classmethod
    def of(cls, refusal: Violation) -> Reason:
        """What a refusal comes to for a reader."""
        return cls(refusal.code, refusal.clause, meaning_of(refusal), allowed_by(refusal), remedy_of(refusal))


@dataclass(frozen=True)
class Verdict:
    """Whether a data set may be used for a job, as far as the platform knows."""

    dataset: Dataset
    refusals: tuple[Violation, ...] = ()
    """Everything that speaks against it, the gravest first."""
    weight_max: int | None = None
    """The most rows with which it would count; None where nothing is agreed."""

    @property
    def is_held(self) -> bool:
        """Whether it would count with fewer rows than it is expected to train on."""
        expected = self.dataset.rows_coarse * train_fraction_of(declaration_of(self.dataset))
        return self.weight_max is not None and self.weight_max < int(expected)

    @property
    def silo(self) -> Silo:
        """Where the data are."""
        return self.dataset.silo

    @property
    def refusal(self) -> Violation | None:
        """The gravest refusal: the one that its trainer would answer with."""
        return self.refusals[0] if self.refusals else None

    @property
    def allowed(self) -> bool:
        """Whether the silo may join."""
        return self.refusal is None

    @property
    def code(self) -> str:
        """The code of the refusal, empty when there is none."""
        return self.refusal.code if self.refusal else ""

    @property
    def clause(self) -> str:
        """The clause that refuses."""
        return self.refusal.clause if self.refusal else ""

    @property
    def meaning(self) -> str:
        """What the refusal means."""
        return meaning_of(self.refusal) if self.refusal else ""

    @property
    def remedy(self) -> str:
        """What can be done about it."""
        return remedy_of(self.refusal) if self.refusal else ""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Everything that speaks against it, for a reader."""
        return tuple(map(Reason.of, self.refusals))


def model_of(
    asked: JobRequest, version: ModelVersion | None, datasets: Sequence[Dataset], plan: TrainingPlan | None = None
) -> ModelAsked | None:
    """The model that a job is about: the stored one, or the one that it would make, perhaps by a training plan.

    None where it is about none.
    """
    if not task_of(asked.task).is_about_model:
        return None
    if version is not None:
        stored = version.model
        layout = tuple(TensorSpec(spec["name"], tuple(spec["shape"]), spec["dtype"]) for spec in stored.layout)
        return ModelAsked(stored.specification, layout, stored.code_digest or None)
    given = plan.model if plan else asked.model
    assert given is not None
    family, specification = parse_model(given)
    layout = family.layout(specification, datasets[0].n_features, datasets[0].target_kind)
    return ModelAsked(given, layout, plan.digest if plan else None)


def verdicts(
    *,
    consortium: Consortium,
    asked: JobRequest,
    datasets: Sequence[Dataset],
    model: ModelAsked | None,
    by: User,
    under: AgreementVersion | None = None,
) -> tuple[AgreementVersion | None, list[Verdict]]:
    """The agreement in force, or the one `under` which the job was launched, and what it says of each of its silos."""
    newest = selectors.in_force(consortium)
    version = under or newest
    needs = _needs(asked, model, datasets)
    if version is None:
        missing = Violation("agreement.missing", "members")
        return None, [Verdict(dataset, (missing, *lacks(dataset.silo, needs))) for dataset in datasets]
    opened = opened_agreement(selectors.complete_envelope(version))
    suspended = selectors.suspended_in(version)
    manifest = _manifest(consortium, asked, datasets, model, opened, by)
    weights = {member.dataset_id: member.weight_max for member in manifest.cohort}
    now = timezone.now()
    reviewers = _reviewers(None if model is None else model.code_digest, datasets)

    def checked(dataset: Dataset) -> Verdict:
        assert dataset.silo.signatory_key is not None
        status = AgreementStatus(
            agreement=opened.agreement,
            digest=opened.digest,
            signed_by=opened.signed_by,
            newest_digest=newest.digest if newest else opened.digest,
            suspended=dataset.silo.organisation_id in suspended,
        )
        place = SiloContext(
            signatory_key=dataset.silo.signatory_key.key.encoded,
            dataset=dataset.name,
            position=SiloFacts(
                rows_coarse=dataset.rows_coarse, code_reviewers=reviewers.get(dataset.silo.organisation_id, 0)
            ),
            policy=_OF_ITS_OWN,
            network=dataset.silo.stated_network,
        )
        found = (*violations(status, manifest, None, place, now), *lacks(dataset.silo, needs))
        return Verdict(dataset, found, weights[dataset.id])

    return version, [checked(dataset) for dataset in datasets]


def _needs(asked: JobRequest, model: ModelAsked | None, datasets: Sequence[Dataset]) -> Needs:
    if model is None:
        return needs_of(asked.task, asked.protection.mode)
    family = str(model.specification.get("family"))
    return needs_of(asked.task, asked.protection.mode, family, datasets[0].target_kind.name)


def _reviewers(code_digest: str | None, datasets: Sequence[Dataset]) -> dict[UUID, int]:
    """How many people of each organisation approve the job's code, by the key that its silo's trainer believes."""
    if code_digest is None:
        return {}
    keys = {
        dataset.silo.organisation_id: dataset.silo.signatory_key.key
        for dataset in datasets
        if dataset.silo.signatory_key is not None
    }
    return reviewers_at(code_digest, keys)


@lru_cache(maxsize=64)
def opened_agreement(envelope: bytes) -> SignedAgreement:
    """An agreement with its signatures verified; the same bytes only once."""
    return open_agreement(envelope)


def _manifest(
    consortium: Consortium,
    asked: JobRequest,
    datasets: Sequence[Dataset],
    model: ModelAsked | None,
    opened: SignedAgreement,
    by: User,
) -> Manifest:
    """The manifest that the job would have, as far as an agreement is concerned with it."""
    cohort, weighting = cohort_of(datasets, opened.agreement.terms.cohort.organisation_share_max)
    return Manifest.model_validate(
        {
            "job_id": _UNKNOWN,
            "consortium_id": consortium.id,
            "name": asked.name,
            "launched_by": str(by.id),
            "task": asked.task,
            "purpose": asked.purpose,
            "use": asked.use,
            "agreement_digest": opened.digest,
            "rounds": asked.rounds if task_of(asked.task).trains else 0,
            "quorum": asked.effective_quorum,
            "round_deadline_s": asked.round_deadline_s,
            "wait": asked.wait,
            "protection": asked.protection,
            "limits": asked.limits,
            "seed": asked.seed,
            "cohort": cohort,
            "weighting": weighting,
            "created_at": timezone.now(),
            **({"statistics": asked.statistics} if model is None else _about(model, asked, datasets[0])),
        }
    )


def _about(model: ModelAsked, asked: JobRequest, dataset: Dataset) -> dict[str, object]:
    """What the manifest says of the job's model."""
    return {
        "model": model.specification,
        "code_digest": model.code_digest,
        "n_features": dataset.n_features,
        "n_classes": dataset.n_classes,
        "target": dataset.target or None,
        "layout": model.layout,
        "initial_model_digest": _UNKNOWN_DIGEST,
        "strategy": asked.strategy,
        "local": local_of(asked.model_dump(mode="json")),
    }
