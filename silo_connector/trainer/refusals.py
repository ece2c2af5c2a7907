"""Every way in which a trainer says no: a stable code, and the one sentence about it that may leave the site.

What exactly was wrong is in the local log; nothing of it is ever put into these sentences.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from federation.agreements.rendering import CLAUSES
from federation.agreements.rules import LOCAL_POLICY, RULES, Violation
from federation.agreements.vocabulary import MODIFIERS, PERMISSIONS
from federation.errors import FederationError
from federation.protection import MODES
from federation.protocol.documents import Environment, KeptHead, OrderKind, Refusal, now
from federation.tasks import TASKS

FALLBACK = "trainer.failed"
POLICY = "policy"
"""What a refusal names instead of a clause when it was the site's own policy, which is reported only if the site
wants.
"""
WHATS = frozenset({*PERMISSIONS, *MODIFIERS, *OrderKind})
"""What may stand in a refusal's sentence beside the words of the table: codes of documents that all members have."""

PLAN_FAILED = "code.failed"
_ERROR_TYPES = frozenset(
    name for name, one in vars(builtins).items() if isinstance(one, type) and issubclass(one, BaseException)
)
_FAULT = re.compile(r"(?P<type>[A-Za-z]+)( in line [1-9][0-9]{0,5})?")

REFUSALS: Mapping[str, str] = MappingProxyType(
    {
        **{code: rule.meaning for code, rule in RULES.items()},
        # the order
        "order.expired": "The order has expired.",
        "order.not_yet_valid": "The order was issued in the future; compare the clocks.",
        "order.kind_not_supported": "This connector does not carry out orders of this kind.",
        "order.number_reused": "The order's once-only number has been used by another order.",
        "order.reordered": "An order for a later round of the job has been carried out already.",
        "order.task_mismatch": "The job's task does not include this kind of order.",
        "order.model_missing": "The order names no model.",
        "order.upload_missing": "The order says nothing about where the update goes.",
        "order.malformed": "The order can't be read.",
        "protocol.version": "This connector speaks another version of the protocol.",
        "document.malformed": "The manifest can't be read.",
        "manifest.missing": "The manifest did not come with the order.",
        "manifest.untrusted": "The manifest is not signed by the platform's key.",
        "manifest.digest_mismatch": "The manifest is not the one that the order refers to.",
        "manifest.job_mismatch": "The manifest belongs to another job than the order.",
        "manifest.weights": "The manifest weighs data by other figures than this silo registered.",
        "manifest.changed": "The job began here under another manifest.",
        # the platform's record
        "checkpoint.untrusted": "The head of the record is not signed by the platform's key, or can't be read.",
        "checkpoint.goes_back": "The record is shorter than this silo has countersigned before: something was removed.",
        "checkpoint.forked": "The record is not the one that this silo has countersigned before: it was rewritten.",
        "checkpoint.unproven": "Nothing shows that the record goes on from what this silo has countersigned before.",
        "checkpoint.other_head": "This silo keeps another head of the record than the one that the proof is for.",
        "checkpoint.too_many": "More chains of the record are shown than this silo keeps.",
        "checkpoints.unreadable": "What this silo has countersigned before can't be read.",
        # the agreement, beyond what its terms say (those are in federation.agreements.rules)
        "agreement.forged": "A signature on the agreement does not hold.",
        "agreements.unreadable": "The agreements that this silo has signed can't be read.",
        # what is not built yet is refused, never passed over
        "protocol.critical": "The order or its manifest has a field that must be understood and is not known here.",
        "protocol.outdated": "The order or its manifest is of protocol 1.0: the platform has to be upgraded.",
        "order.artefacts": "The order brings or asks for something that its kind does not have.",
        "order.parameters": "The order has a parameter that its kind does not know.",
        "protection.not_supported": "This connector does not support the job's protection mode.",
        "privacy.not_supported": "This connector does not support the job's privacy settings.",
        # custom code
        "code.no_runner": "This silo has no runner for custom code, or lost it.",
        "code.privacy": "Custom code can't be run under differential privacy: its gradients are not by record.",
        "code.other_model": "The job's model is not the one that its training plan declares.",
        "code.failed": "The training plan failed.",
        "code.timeout": "The training plan took longer than this silo allows.",
        "code.memory": "The training plan needed more memory than this silo allows.",
        "code.wrong_answer": "The training plan's answer was not what it has to be: finite tensors of its shapes.",
        "plans.unreadable": "The training plans that this silo has reviewed can't be read.",
        # who takes part, with what
        "cohort.not_a_member": "This silo is not in the job's cohort.",
        "cohort.uncertified": "The cohort has a silo that its organisation has not certified.",
        "cohort.identity_mismatch": "The cohort names another identity key for this silo.",
        "cohort.signatory_mismatch": "The cohort names another signatory key for this silo.",
        "dataset.unknown": "This silo has no dataset of that name.",
        "dataset.schema_changed": "The dataset's schema is not the one that the job was launched with.",
        "dataset.unreadable": "The dataset's declaration can't be read.",
        "dataset.invalid": "The dataset's declaration is not valid.",
        # the model
        "model.unavailable": "The model could not be fetched.",
        "model.digest_mismatch": "The model is not what its digest says.",
        "model.not_initial": "The first round's model is not the one that the manifest names.",
        "model.swapped": "Another model was given for the same round before.",
        "model.size_mismatch": "The model's size is not the one in the order.",
        "model.too_large": "The model is larger than this silo allows.",
        "input.unavailable": "Something that the order brings could not be fetched.",
        "input.digest_mismatch": "Something that the order brings is not what its digest says.",
        "input.size_mismatch": "Something that the order brings has another size than the order says.",
        "input.too_large": "Something that the order brings is larger than this silo allows.",
        "model.unknown_family": "This connector does not know the model's family.",
        "model.invalid": "The model's specification is not valid.",
        "model.duplicate": "The model names a tensor twice.",
        "model.layout": "The model's tensors are not those of the job.",
        "model.layout_mismatch": "The manifest's tensors are not those of the model's family.",
        "model.does_not_fit": "The model does not fit the dataset.",
        "tensors.header": "The model file's header is not valid.",
        "tensors.truncated": "The model file is truncated.",
        "tensors.trailing": "The model file has bytes after its tensors.",
        "tensors.metadata": "The model file carries metadata.",
        "tensors.duplicate": "The model file names a tensor twice.",
        "tensors.dtype": "The model file has another element type than 32-bit floats.",
        "tensors.shape": "The model file has an impossible shape.",
        "tensors.offsets": "The model file's offsets are not contiguous.",
        "tensors.too_large": "The model file is too large.",
        # the work
        "local.invalid": "The job's local training is not valid.",
        "training.no_rows": "There are no rows to train on.",
        "training.diverged": "Training diverged: the update is not finite.",
        "evaluation.not_finite": "The model's loss is not finite on this silo's rows.",
        "update.norm_exceeded": "The update is larger than the job's bound.",
        "egress.not_allowed": "The outcome held something that may not leave the site.",
        # the data: never which row, column or value
        "data.unreadable": "The data can't be read.",
        "data.encoding": "The data are not in the expected encoding.",
        "data.malformed": "The data file is malformed.",
        "data.missing_column": "A declared column is missing.",
        "data.wrong_delimiter": "The data are divided by another delimiter than declared.",
        "data.duplicate_column": "A column occurs twice.",
        "data.column_count": "The data have another number of columns than declared.",
        "data.bad_type": "A column has another type than declared.",
        "data.bad_value": "A value is not as declared.",
        "data.missing_value": "A value is missing where none may be.",
        "data.not_finite": "A feature is not a finite number.",
        "data.too_many_columns": "The data have too many columns.",
        "data.too_large": "The data are too large.",
        "data.no_rows": "No rows are left.",
        "data.changed": "The data changed while they were read.",
        "data.invalid": "The data are not as declared.",
        # statistics
        "statistics.unknown_column": "The dataset has no column of that name that has statistics.",
        "statistics.per_day": "The dataset has answered as many jobs of statistics today as its silo lets it; it "
        "answers again from 00:00 UTC on.",
        "statistics.rows_too_near": "The dataset's rows have changed by too few since it was asked for statistics; it "
        "answers again when they have changed by the minimum cell.",
        "statistics.minimum_cell": "Statistics use the agreement's minimum cell size, and no larger one.",
        "statistics.minimum_cell_least": "Statistics need a minimum cell size of 3 at least.",
        "statistics.asked_again": "The job has asked this dataset too often; launch another one.",
        "statistics.too_few_rows": "The dataset has fewer rows than the minimum cell.",
        "statistics.too_large": "The statistics of these columns are too large; ask for fewer columns.",
        # what this silo keeps over restarts
        "trainer.state_older": "What this silo keeps is older than its journal; its organisation has to confirm.",
        "trainer.clock_back": "This silo's clock is behind what the silo has seen before; it has to be set right.",
        "order.number_lost": "The order's number may have been used by an order that this silo has lost.",
        "job.state_lost": "What this silo did for the job was lost; launch the job again.",
        # the trainer itself
        "trainer.crashed": "The trainer was stopped too often while it worked on this order.",
        "trainer.failed": "The trainer could not carry out the order; its local log says why.",
    }
)


class Refused(FederationError):
    """An order that will not be carried out. `message` is for the local log; the code's own sentence leaves.

    `decision` is the agreement's or the policy's, where it was one of them that refused; `what` is what exactly was at
    fault, where that may leave the site; `kept` is the head of the platform's audit log that is kept here instead;
    `highest_number` the highest of all orders' numbers, where this one's was used before.
    """

    def __init__(
        self,
        code: str,
        message: str,
        field: str | None = None,
        *,
        decision: Violation | None = None,
        what: str = "",
        kept: KeptHead | None = None,
        highest_number: int | None = None,
    ) -> None:
        super().__init__(code, message, field)
        self.decision = decision
        self.what = what
        self.kept = kept
        self.highest_number = highest_number

    @classmethod
    def by(cls, decision: Violation) -> Refused:
        """What an agreement or the policy has decided."""
        return cls(decision.code, f"{decision.meaning} {decision.remedy}", decision=decision)

    @property
    def clause(self) -> str | None:
        """The clause of the agreement, or ``policy``, that refused."""
        return None if self.decision is None else self.decision.clause


@dataclass(frozen=True)
class OrderHead:
    """What is needed to answer an order, even one that can't be read whole."""

    order_id: UUID
    number: int
    silo_id: UUID
    job_id: UUID | None
    """None where the order belongs to no job."""
    digest: str = ""
    """Of the order as it was sealed."""
    issued_at: str | None = None
    """As the order says; None where it says nothing that could be meant."""


def document(head: OrderHead, refused: Refused, environment: Environment) -> Refusal:
    """What leaves of a refusal: a code that may, its sentence, and the clause unless it is the site's secret."""
    decision = refused.decision
    code = public_code(refused.code if decision is None else decision.outward_code)
    what = refused.what if decision is None else decision.what if code == decision.code else ""
    return Refusal(
        order_id=head.order_id,
        number=head.number,
        silo_id=head.silo_id,
        job_id=head.job_id,
        code=code,
        message=sentence(code, what if may_be_named(code, what) else ""),
        rule=None if decision is None or code == LOCAL_POLICY else decision.clause,
        kept=refused.kept,
        highest_number=refused.highest_number,
        environment=environment,
        created_at=now(),
    )


def sentence(code: str, what: str = "") -> str:
    """The words for a code, with what exactly was at fault."""
    text = REFUSALS[code]
    return f"{text[:-1]}: {what}." if what else text


def may_be_named(code: str, what: str) -> bool:
    """Whether this may stand beside the sentence of a code."""
    if code == PLAN_FAILED:
        found = _FAULT.fullmatch(what)
        return found is not None and found["type"] in error_types()
    return code in RULES and (what in WHATS or what in MODES or what in TASKS)


def error_types() -> frozenset[str]:
    """Python's own errors: of a plan's fault no other is named, for a plan could put data into a name."""
    return _ERROR_TYPES


def is_standard_sentence(refusal: Refusal) -> bool:
    """Whether a refusal's sentence is one of the table's."""
    if refusal.code not in REFUSALS:
        return False
    begin = REFUSALS[refusal.code][:-1]
    what = refusal.message.removeprefix(f"{begin}: ")[:-1]
    return refusal.message == sentence(refusal.code) or (
        may_be_named(refusal.code, what) and refusal.message == sentence(refusal.code, what)
    )


def may_name(refusal: Refusal) -> bool:
    """Whether the rule that a refusal names goes with its code: a clause, or the policy where it is reported."""
    if refusal.rule is None:
        return True
    if refusal.code.startswith("policy."):
        return refusal.rule == POLICY
    return refusal.code in RULES and refusal.code != LOCAL_POLICY and refusal.rule in CLAUSES


def public_code(code: str) -> str:
    """The code that may leave for a code that occurred: itself if it is in the table."""
    if code in REFUSALS:
        return code
    return "data.invalid" if code.startswith("data.") else FALLBACK
