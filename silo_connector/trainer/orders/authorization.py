"""Whether the agreement, the site's policy and the cohort's certificates allow an order: asked at every one.

The deciding is ``federation.agreements.decisions``, the same that the platform asks. What is from here is what the
platform can't change: the newest version that was signed here, suspensions, the policy, and what was done before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from federation.agreements.decisions import AgreementStatus, SiloContext, SiloFacts, authorize
from federation.agreements.policy import Policy
from federation.agreements.rules import LOCAL_POLICY, Violation
from federation.agreements.signing import SignedAgreement, open_agreement
from federation.errors import FederationError, Invalid, Untrusted
from federation.learning.models import parse_model
from federation.plans.declaration import Plan
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Order
from federation.protocol.documents.base import Network
from federation.protocol.rows import coarse
from silo_connector import spool
from silo_connector.agreements import Store, StoredAgreement
from silo_connector.config import Config
from silo_connector.folders import SafeDir
from silo_connector.plans import PlanStore, ReviewedPlan
from silo_connector.policy import PolicyFile
from silo_connector.trainer.orders.certificates import Certificates
from silo_connector.trainer.orders.verification import JobTask, Task, Trust
from silo_connector.trainer.protection import check_supported
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.jobs import Begun, Jobs

_OPENED_MAX = 32
_ENOUGH_ROWS = 10**15


@dataclass(frozen=True)
class Permit:
    """An order is allowed, and this is what may leave of it."""

    metrics: frozenset[str]
    minimum_cell: int
    policy: Policy = field(default_factory=Policy)
    """The site's own, as it was when the order was allowed."""
    plan: Plan | None = None
    """The training plan that computes the job's model, where it has one."""


class Authorizer:
    """Decides; what does not change from order to order is looked at once."""

    def __init__(
        self,
        config: Config,
        jobs: Jobs,
        network: Network,
        clock: Callable[[], datetime],
        round_kinds: frozenset[str],
    ) -> None:
        """`round_kinds` are the kinds of order that count as a round of the day where the policy bounds them."""
        self._config = config
        self._network = network
        self._clock = clock
        self._jobs = jobs
        self._round_kinds = round_kinds
        self._policy = PolicyFile(config.policy)
        self._certificates = Certificates()
        self._opened: OrderedDict[str, SignedAgreement] = OrderedDict()
        self._store: Store | None = None
        self._signatory = ""

    def authorize(
        self, task: JobTask, manifest: bytes, folder: SafeDir, trust: Trust, rows_total: Callable[[], int]
    ) -> Permit:
        """Allow an order, and remember that it was; `manifest` is the sealed one. Raises Refused.

        The rows are asked for last: anyone who is refused anyway learns nothing about the data, not even by a code.
        """
        order, moment = task.order, self._clock()
        sealed = _sealed_agreement(folder)
        status = None if sealed is None else self._status(sealed, task, trust)
        policy = self._policy_now()
        today = self._jobs.rounds_since(midnight(moment, policy), self._round_kinds, order.order_id)
        reviewed = self._reviewed(task.manifest.code_digest, trust)
        reviewers = 0 if reviewed is None else reviewed.reviewers

        def judge(rows_coarse: int) -> None:
            position = SiloFacts(rows_coarse, rounds_today=today, code_reviewers=reviewers)
            place = SiloContext(trust.signatory_key.encoded, task.member.dataset, position, policy, self._network)
            refused = authorize(status, task.manifest, order, place, moment)
            if refused is not None:
                raise Refused.by(refused)

        judge(_ENOUGH_ROWS)
        plan = None if reviewed is None else self._runnable(reviewed.plan, task)
        reported = coarse(rows_total())
        judge(reported)
        assert status is not None, "an order without an agreement is refused"
        assert sealed is not None, "and so is one whose agreement did not come with it"
        check_supported(task.manifest)
        self._check_weighed(task, reported)
        self._certificates.check(order.manifest_digest, task.manifest.cohort, moment)
        self._jobs.check_known(order.job_id, task.manifest.created_at)
        self._jobs.check_order(order)
        self._jobs.allow(order, status.digest, manifest, sealed)
        disclosure = status.agreement.terms.disclosure
        minimum_cell = max(disclosure.minimum_cell, self._config.limits.minimum_cell)
        return Permit(frozenset(disclosure.metrics), minimum_cell, policy, plan)

    def _check_weighed(self, task: JobTask, rows_coarse: int) -> None:
        """A manifest may not weigh others by more rows than these here had when its job began.

        Data that become fewer later, as when somebody takes a consent back, are no reason to stop.
        """
        reported = task.member.rows_coarse
        if reported is not None and reported > rows_coarse and self._jobs.begun(task.order.job_id) is None:
            raise Refused("manifest.weights", f"The manifest says that about {reported} rows were registered here.")

    def _reviewed(self, code_digest: str | None, trust: Trust) -> ReviewedPlan | None:
        """The plan that a job names, as it was reviewed here; nothing that came with the order is looked at."""
        if code_digest is None:
            return None
        try:
            return PlanStore(self._config.trainer_state, trust.signatory_key).find(code_digest)
        except (Invalid, OSError) as error:
            raise Refused("plans.unreadable", str(error)) from error

    def _runnable(self, plan: Plan, task: JobTask) -> Plan:
        """The plan, if it is the job's model that it computes, and here is what runs it."""
        if not isinstance(task, Task) or parse_model(plan.model)[1] != task.spec:
            raise Refused("code.other_model", "The plan declares other parameters than the manifest's model.")
        if task.manifest.privacy is not None or task.manifest.privacy_cost is not None:
            raise Refused("code.privacy", "The gradients of a plan are those of whole batches.")
        if self._config.runner is None:
            raise Refused("code.no_runner", "connector.toml has no [runner].")
        return plan

    def _policy_now(self) -> Policy:
        try:
            return self._policy.now()
        except Invalid as error:  # what the site wants can't be read, so nothing is sure to be wanted
            raise Refused(LOCAL_POLICY, error.message) from error

    def _status(self, sealed: bytes, task: JobTask, trust: Trust) -> AgreementStatus:
        opened = self._open(sealed)
        kept = self._kept(opened, trust)
        return agreement_status(opened, kept, self._jobs.begun(task.order.job_id), task.order)

    def _kept(self, opened: SignedAgreement, trust: Trust) -> StoredAgreement | None:
        if self._store is None or self._signatory != trust.signatory_key.encoded:
            self._store = Store(self._config.trainer_state, trust.signatory_key)
            self._signatory = trust.signatory_key.encoded
        try:
            return self._store.find(opened.agreement.agreement_id)
        except (Invalid, OSError) as error:
            raise Refused("agreements.unreadable", str(error)) from error

    def _open(self, sealed: bytes) -> SignedAgreement:
        """An agreement with every signature verified; those that were seen of late are known."""
        digest = digest_bytes(sealed)
        opened = self._opened.get(digest)
        if opened is None:
            opened = open_or_refuse(sealed)
            self._opened[digest] = opened
            if len(self._opened) > _OPENED_MAX:
                self._opened.popitem(last=False)
        return opened


def open_or_refuse(sealed: bytes) -> SignedAgreement:
    """Read an agreement and verify its signatures. Raises Refused ``agreement.forged``, ``agreement.malformed``."""
    try:
        return open_agreement(sealed)
    except Untrusted as error:
        if error.code == "agreement.malformed":
            raise Refused.by(Violation("agreement.malformed", "members")) from error
        raise Refused("agreement.forged", error.message) from error
    except FederationError as error:
        raise Refused.by(Violation("agreement.malformed", "members")) from error


def agreement_status(
    opened: SignedAgreement, kept: StoredAgreement | None, begun: Begun | None, order: Order | None
) -> AgreementStatus:
    """How an agreement that came with an order stands here.

    A job goes on under a superseded version if an order of the very same manifest was allowed before the newer version
    was signed here.
    """
    goes_on = (
        kept is not None
        and begun is not None
        and begun.agreement_digest == opened.digest
        and (order is None or begun.manifest_digest == order.manifest_digest)
        and begun.begun_at < kept.signed_at
    )
    return AgreementStatus(
        opened.agreement,
        opened.digest,
        opened.signed_by,
        newest_digest=None if kept is None else kept.digest,
        suspended=kept is not None and kept.suspension is not None,
        begun=goes_on,
    )


def midnight(moment: datetime, policy: Policy) -> datetime:
    """When today began, by the policy's time zone."""
    local = moment.astimezone(ZoneInfo(policy.time_zone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def _sealed_agreement(folder: SafeDir) -> bytes | None:
    """The agreement that came with an order; None if none did. Raises Refused if what came is no file."""
    if not folder.exists(spool.AGREEMENT):
        return None
    try:
        return folder.read(spool.AGREEMENT, spool.DOCUMENT_BYTES_MAX)
    except Invalid as error:
        raise Refused.by(Violation("agreement.malformed", "members")) from error
