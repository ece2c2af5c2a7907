"""Orders under the manifest, and answers under their orders: whether each holds, and fits what it is under."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from functools import partial
from uuid import UUID

from federation.agreements.answer_bounds import AnswerBounds, faults_of
from federation.agreements.kinds_of_order import kind_of
from federation.evidence.bundle_parser import Evidence
from federation.evidence.passport_checks import Answered
from federation.evidence.report import Fault, Report, run_check
from federation.evidence.root_documents import RootDocuments
from federation.protection import mode_of
from federation.protocol import envelope
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import OF_NO_ROUND, Manifest, Order, Refusal, Submission, verify_document
from federation.protocol.documents.versions import OUTDATED
from federation.protocol.keys import PublicKey
from federation.tasks import task_of

_CLOCKS_APART = timedelta(minutes=2)
"""By how much the clocks of platform and trainer may differ, as the trainers see it too."""


def orders_of(evidence: Evidence, found: RootDocuments, report: Report) -> Iterator[tuple[str, Order]]:
    """The orders that hold, by their names."""
    numbers: set[tuple[UUID, int]] = set()
    models: dict[int, str] = {}
    for name, sealed in evidence.orders.items():
        where = f"order {name}"
        order = run_check(where, report, partial(verify_document, Order, sealed, found.keys.keys))
        if order is None:
            continue
        report.faults.extend(Fault(where, code, what) for code, what in _order_faults(order, name, found))
        if (order.silo_id, order.number) in numbers:
            report.faults.append(Fault(where, "order.number_reused", "Its number was used before."))
        numbers.add((order.silo_id, order.number))
        if (model := order.model_digest) is not None:
            if models.setdefault(order.round, model) != model:
                message = f"Another order of round {order.round} is about another model."
                report.faults.append(Fault(where, "model.swapped", message))
            report.models[model] = max(report.models.get(model, 0), order.round - 1)
        yield name, order
    report.checked["orders"] = len(evidence.orders)


def _order_faults(order: Order, name: str, found: RootDocuments) -> Iterator[tuple[str, str]]:
    manifest = found.manifest
    if str(order.order_id) != name:
        yield "order.wrong_name", "It is the order of another name."
    if order.manifest_digest != found.manifest_digest:
        yield "order.other_manifest", "It is under another manifest."
    if order.job_id != manifest.job_id:
        yield "order.other_job", "It is of another job."
    if is_outdated(order.protocol, found):
        yield "order.outdated", f"It is of protocol {order.protocol}, and the job's manifest of {manifest.protocol}."
    if order.silo_id not in found.cohort:
        yield "order.other_silo", "Its silo is not in the cohort."
    if order.round > manifest.rounds + kind_of(order).rounds_beyond:
        yield "order.round_beyond", f"The job has {manifest.rounds} rounds."
    if order.kind not in _kinds_in(manifest):
        yield "order.task_mismatch", f"It is of the kind {order.kind} in a job whose task is {manifest.task}."
    if order.round <= 1 and order.model_digest not in {None, manifest.initial_model_digest}:
        yield "model.not_initial", "The first round begins with another model than the manifest names."


def is_outdated(protocol: str, found: RootDocuments) -> bool:
    """Whether a document of a job is of protocol 1.0, which authorises nothing, while the job began under a later one.

    A trainer refuses such an order, and the platform such an answer: that one counted was neither's doing.
    """
    return protocol == OUTDATED != found.manifest.protocol


def _kinds_in(manifest: Manifest) -> set[str]:
    """The kinds of order that a job has: its work, what its protection mode adds to rounds, and those of no round."""
    works, mode = task_of(manifest.task).work, mode_of(manifest.protection.mode)
    return {kind for work in works for kind in mode.kinds_of_round(work)} | OF_NO_ROUND


def answers_of(
    evidence: Evidence, found: RootDocuments, orders: dict[str, Order], report: Report
) -> Iterator[tuple[str, Answered]]:
    """The submissions that hold, by the names of their orders."""
    for name, sealed in evidence.answers.items():
        where = f"answer to order {name}"
        order = orders.get(name)
        if order is None or order.silo_id not in found.cohort:
            report.faults.append(Fault(where, "answer.no_order", "There is no such order that holds."))
            continue
        statement = run_check(where, report, partial(_answer, sealed, found.cohort[order.silo_id].identity_key))
        if statement is None:
            continue
        mine = (order.order_id, order.number, order.silo_id, order.job_id)
        if is_outdated(statement.protocol, found):
            message = f"It is of protocol {statement.protocol}, and the job's manifest of {found.manifest.protocol}."
            report.faults.append(Fault(where, "answer.outdated", message))
        if (statement.order_id, statement.number, statement.silo_id, statement.job_id) != mine:
            report.faults.append(Fault(where, "answer.other_order", "It answers another order."))
        if isinstance(statement, Submission):
            faults = [Fault(where, code, what) for code, what in _answer_faults(statement, order, found)]
            report.faults.extend(faults)
            if not faults:
                bounds = AnswerBounds.of(found.manifest, found.cohort[order.silo_id], found.agreement.agreement.terms)
                yield name, Answered(digest_bytes(sealed), statement, tuple(faults_of(statement, bounds)))
    report.checked["answers"] = len(evidence.answers)


def _answer(sealed: bytes, identity_key: str) -> Submission | Refusal:
    key = PublicKey.from_encoded(identity_key)
    if envelope.payload_type_of(sealed) == Refusal.payload_type:
        return verify_document(Refusal, sealed, [key])
    return verify_document(Submission, sealed, [key])


def _answer_faults(statement: Submission, order: Order, found: RootDocuments) -> Iterator[tuple[str, str]]:
    terms = found.agreement.agreement.terms
    if statement.manifest_digest != found.manifest_digest:
        yield "answer.other_manifest", "It is under another manifest."
    if (statement.round, statement.attempt, statement.kind) != (order.round, order.attempt, order.kind):
        yield "answer.other_round", "It is of another round."
    if statement.model_digest != order.model_digest:
        yield "answer.other_model", "It is about another model."
    kinds = {name: payload.kind for name, payload in statement.payloads.items()}
    if kinds != {name: grant.kind for name, grant in order.outputs.items()}:
        yield "answer.other_payloads", "It brings other payloads than its order asks for."
    if not {*kinds.values()} <= mode_of(found.manifest.protection.mode).payload_kinds:
        yield "answer.payload_kind", "It brings a payload that the job's protection does not allow."
    if order.issued_at - terms.validity.not_after >= _CLOCKS_APART:
        yield "agreement.expired", "Its order came when the agreement had expired."


def check_bounds(answers: Mapping[str, Answered], rejected: Collection[str], report: Report) -> None:
    """Find answers beyond the bounds of their silos that were not rejected: no silo spoils evidence by one that was."""
    for name, answer in answers.items():
        if name not in rejected:
            report.faults.extend(Fault(f"answer to order {name}", code, what) for code, what in answer.beyond)
