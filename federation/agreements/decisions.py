"""The one function that decides whether a job may have something done at a silo. Pure: platform and trainer call it.

Nothing is decided elsewhere: the platform asks at quote and launch, so that a data scientist learns before; the
trainer asks at every order, and its answer is the one that counts. Loosening any one term, or any one limit of the
policy, never refuses more; a property test shows it over generated agreements and jobs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from federation.agreements.kinds_of_order import kind_of
from federation.agreements.policy import Policy
from federation.agreements.purposes import allowed_by, unmet_codes
from federation.agreements.rules import LOCAL_POLICY, Allowed, Violation
from federation.agreements.shares import fault_of, respects_share_cap
from federation.protocol.documents import Agreement, CoveredDataset, Manifest, Order, Terms
from federation.protocol.documents.base import Network
from federation.protocol.documents.terms_1_0 import PROTOCOL as OLD_PROTOCOL
from federation.protocol.keys import PublicKey
from federation.protocol.tensors import count_parameters
from federation.tasks import task_of

PLAN = "plan"
"""The family of models that a training plan computes."""


@dataclass(frozen=True)
class AgreementStatus:
    """An agreement version, and how it stands where the question is asked."""

    agreement: Agreement
    digest: str
    signed_by: frozenset[str]
    """Ids of the keys whose signatures over it have been verified."""
    newest_digest: str | None
    """The newest version that the silo's own organisation has signed, as the silo itself knows."""
    suspended: bool = False
    begun: bool = False
    """Whether the job was begun here before its organisation signed a newer version."""


@dataclass(frozen=True)
class SiloFacts:
    """What has been spent and done at the silo, and how much data there are."""

    rows_coarse: int
    epsilon_spent: float = 0.0
    delta_spent: float = 0.0
    rounds_today: int = 0
    code_reviewers: int = 0
    """How many people of the silo's organisation approve the job's code (``federation.plans.reviews``)."""


@dataclass(frozen=True)
class SiloContext:
    """The silo that is asked: its organisation's signatory key, the dataset, and its own policy."""

    signatory_key: str
    dataset: str
    position: SiloFacts
    policy: Policy = field(default_factory=Policy)
    network: Network | None = None
    """What its trainer says of its network; None where nothing is known."""


def authorize(
    status: AgreementStatus | None, manifest: Manifest, order: Order | None, place: SiloContext, moment: datetime
) -> Violation | None:
    """Whether this job, or this order of it, is refused at this place and why; None when it is allowed.

    Without an order the question is whether the job could be begun.
    """
    return next(violations(status, manifest, order, place, moment), None)


def violations(
    status: AgreementStatus | None, manifest: Manifest, order: Order | None, place: SiloContext, moment: datetime
) -> Iterator[Violation]:
    """Everything that speaks against it, what is graver first."""
    if status is None or manifest.agreement_digest is None:
        yield Violation("agreement.missing", "members")
        return
    yield from _of_status(status, manifest, place, moment)
    terms = status.agreement.terms
    covered = _covered(terms, place)
    if covered is None:
        yield Violation("agreement.dataset", "datasets")
        return
    yield from _of_purpose(terms, covered, manifest, moment)
    yield from _of_training_limits(terms, manifest, order)
    if terms.training_limits.trainer_network == "forbidden" and place.network == "allowed":
        yield Violation("agreement.trainer_network", "training_limits")
    yield from _of_code(terms, manifest, place.position)
    yield from _of_protection(terms, covered, manifest, place.position)
    yield from _of_cohort(terms, manifest, place.position)
    if fault_of(status.agreement, manifest) is not None:
        yield Violation("agreement.organisation_share", "cohort")
    if manifest.limits.minimum_cell < terms.disclosure.minimum_cell:
        least = Allowed("at_least", (terms.disclosure.minimum_cell,))
        yield Violation("agreement.minimum_cell", "disclosure", allowed=least)
    yield from of_policy(manifest, order, place, moment)


def _of_status(
    status: AgreementStatus, manifest: Manifest, place: SiloContext, moment: datetime
) -> Iterator[Violation]:
    agreement = status.agreement
    terms = agreement.terms
    if status.digest != manifest.agreement_digest:
        yield Violation("agreement.mismatch", "members")
    if agreement.protocol == OLD_PROTOCOL:
        yield Violation("agreement.protocol", "members")
    if agreement.consortium_id != manifest.consortium_id:
        yield Violation("agreement.other_consortium", "members")
    if place.signatory_key not in {member.signatory_key for member in terms.members}:
        yield Violation("agreement.not_a_member", "members")
    if not {_key_id(member.signatory_key) for member in terms.members} <= status.signed_by:
        yield Violation("agreement.unsigned", "members")
    if status.suspended:
        yield Violation("agreement.suspended", "amendment")
    goes_on = status.begun and terms.amendment.running_jobs == "continue"
    if status.newest_digest is None:
        yield Violation("agreement.not_signed_here", "members")
    elif status.digest != status.newest_digest and not goes_on:
        yield Violation("agreement.superseded", "amendment")
    if moment < terms.validity.not_before:
        yield Violation("agreement.not_yet_valid", "validity")
    if moment >= terms.validity.not_after:
        yield Violation("agreement.expired", "validity")


def _covered(terms: Terms, place: SiloContext) -> CoveredDataset | None:
    found = (
        covered
        for covered in terms.datasets
        if covered.signatory_key == place.signatory_key and covered.dataset == place.dataset
    )
    return next(found, None)


def _of_purpose(terms: Terms, covered: CoveredDataset, manifest: Manifest, moment: datetime) -> Iterator[Violation]:
    asked = (manifest.use, manifest.launched_by, moment.date())
    for clause, use in (("purposes", terms.purposes), ("datasets", covered.use)):
        for code in () if use is None else unmet_codes(use, *asked):
            assert use is not None
            yield Violation("agreement.purpose", clause, code, allowed=allowed_by(use, code))


def _of_training_limits(terms: Terms, manifest: Manifest, order: Order | None) -> Iterator[Violation]:
    limits = terms.training_limits
    if manifest.task not in limits.tasks:
        yield Violation("agreement.task", "training_limits", manifest.task, allowed=Allowed("one_of", limits.tasks))
    kind = kind_of(order)
    if order is not None and (kind.task or manifest.task) not in {*limits.tasks, *_implied(limits.tasks)}:
        yield Violation("agreement.task", "training_limits", order.kind)
    if manifest.model is not None and str(manifest.model.get("family")) not in limits.families:
        yield Violation("agreement.family", "training_limits", allowed=Allowed("one_of", limits.families))
    if count_parameters(manifest.layout) > limits.parameters_max:
        yield Violation("agreement.parameters", "training_limits", allowed=Allowed("at_most", (limits.parameters_max,)))
    if manifest.rounds > limits.rounds_max:
        yield Violation("agreement.rounds", "training_limits", allowed=Allowed("at_most", (limits.rounds_max,)))
    if order is not None and order.round > manifest.rounds + kind.rounds_beyond:
        yield Violation("order.round_beyond", "training_limits")
    if manifest.limits.update_norm_l2_max > limits.update_norm_l2_max:
        yield Violation(
            "agreement.update_norm", "training_limits", allowed=Allowed("at_most", (limits.update_norm_l2_max,))
        )


def _of_code(terms: Terms, manifest: Manifest, position: SiloFacts) -> Iterator[Violation]:
    """A plan's model and the plan belong together: neither hides behind the other."""
    family = None if manifest.model is None else manifest.model.get("family")
    if manifest.code_digest is None:
        if family == PLAN:
            yield Violation("agreement.code", "code")
        return
    if manifest.code_digest not in terms.code.digests or family != PLAN:
        yield Violation("agreement.code", "code")
    if position.code_reviewers < terms.code.reviewers:
        yield Violation("agreement.code_review", "code")


def _implied(tasks: tuple[str, ...]) -> tuple[str, ...]:
    """Who may train may have the model evaluated: every train order does so first, and the last round of the job."""
    return tuple(closing for task in tasks if (closing := task_of(task).closes_with) is not None)


def _of_protection(
    terms: Terms, covered: CoveredDataset, manifest: Manifest, position: SiloFacts
) -> Iterator[Violation]:
    if manifest.protection.mode not in terms.protection:
        mode = manifest.protection.mode
        yield Violation("agreement.protection", "protection", mode, allowed=Allowed("one_of", terms.protection))
    cost = manifest.privacy_cost
    if cost is None:
        if terms.privacy.required or (covered.epsilon_max is not None and task_of(manifest.task).trains):
            yield Violation("agreement.privacy_required", "privacy")
        return
    if terms.privacy.epsilon_max is not None and cost.epsilon > terms.privacy.epsilon_max:
        yield Violation("agreement.epsilon", "privacy", allowed=Allowed("at_most", (terms.privacy.epsilon_max,)))
    if terms.privacy.delta_max is not None and cost.delta > terms.privacy.delta_max:
        yield Violation("agreement.delta", "privacy", allowed=Allowed("at_most", (terms.privacy.delta_max,)))
    if covered.epsilon_max is not None and position.epsilon_spent + cost.epsilon > covered.epsilon_max:
        yield Violation("agreement.dataset_epsilon", "datasets")
    if covered.delta_max is not None and position.delta_spent + cost.delta > covered.delta_max:
        yield Violation("agreement.dataset_delta", "datasets")


def _of_cohort(terms: Terms, manifest: Manifest, position: SiloFacts) -> Iterator[Violation]:
    members = {member.signatory_key for member in terms.members}
    cohort = {member.signatory_key for member in manifest.cohort}
    if not cohort <= members:
        yield Violation("agreement.cohort", "members")
    if _counts_twice(manifest):
        yield Violation("cohort.twice", "cohort")
    if _participants(manifest) < terms.cohort.minimum_participants:
        least = Allowed("at_least", (terms.cohort.minimum_participants,))
        yield Violation("agreement.minimum_participants", "cohort", allowed=least)
    if position.rows_coarse < terms.cohort.minimum_rows:
        least = Allowed("at_least", (terms.cohort.minimum_rows,))
        yield Violation("agreement.minimum_rows", "cohort", allowed=least)


def _counts_twice(manifest: Manifest) -> bool:
    """Whether somebody may count twice: each silo has one id and one key, each organisation one name and one key."""
    cohort = manifest.cohort
    owners = {(member.organisation, member.signatory_key) for member in cohort}
    return (
        len({member.silo_id for member in cohort}) < len(cohort)
        or len({member.identity_key for member in cohort}) < len(cohort)
        or len({organisation for organisation, _ in owners}) < len(owners)
        or len({signatory for _, signatory in owners}) < len(owners)
    )


def participants(organisations: Iterable[str], quorum: int) -> int:
    """How many organisations are sure to be in each round: those that the quorum may come from at worst.

    `organisations` names each silo's. Participants are organisations: three silos of one hide nobody behind each
    other, and a round closes with the quorum, whose silos may be those of the organisations that have the most.
    """
    silos, answered = Counter(organisations), 0
    for number, (_organisation, count) in enumerate(silos.most_common(), start=1):
        answered += count
        if answered >= quorum:
            return number
    return len(silos)


def _participants(manifest: Manifest) -> int:
    return participants((member.signatory_key for member in manifest.cohort), manifest.quorum)


def of_policy(manifest: Manifest, order: Order | None, place: SiloContext, moment: datetime) -> Iterator[Violation]:
    """What the silo's own policy says against it. `policy` as the clause: these are no clauses of the agreement."""
    policy, position = place.policy, place.position
    if policy.epsilon_max is not None and (
        manifest.privacy_cost is None or position.epsilon_spent + manifest.privacy_cost.epsilon > policy.epsilon_max
    ):
        yield _local(policy, "policy.epsilon")
    family = None if manifest.model is None else str(manifest.model.get("family"))
    if policy.families is not None and family is not None and family not in policy.families:
        yield _local(policy, "policy.family")
    if policy.parameters_max is not None and count_parameters(manifest.layout) > policy.parameters_max:
        yield _local(policy, "policy.parameters")
    if manifest.code_digest is not None and policy.custom_code == "never":
        yield _local(policy, "policy.code")
    if _participants(manifest) < policy.minimum_participants:
        yield _local(policy, "policy.minimum_participants")
    if position.rows_coarse < policy.minimum_rows:
        yield _local(policy, "policy.minimum_rows")
    if policy.organisation_share_max is not None and not respects_share_cap(manifest, policy.organisation_share_max):
        yield _local(policy, "policy.organisation_share")
    if order is not None and policy.is_quiet(moment):
        yield _local(policy, "policy.quiet_hours")
    if (
        kind_of(order).begins_round
        and policy.rounds_per_day_max is not None
        and position.rounds_today >= policy.rounds_per_day_max
    ):
        yield _local(policy, "policy.rounds_per_day")


def _local(policy: Policy, code: str) -> Violation:
    return Violation(code, "policy", disclosed_as=code if policy.disclose_rule else LOCAL_POLICY)


def _key_id(encoded: str) -> str:
    return PublicKey.from_encoded(encoded).key_id
