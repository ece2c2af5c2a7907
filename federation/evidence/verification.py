"""Checking a job's evidence offline: who signed what, under what, and whether it fits together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from uuid import UUID

from federation.evidence.grounds import Grounds, grounds_of
from federation.evidence.passports import open_passport
from federation.evidence.reading import Evidence
from federation.evidence.report import Fault, Report, guarded
from federation.evidence.tracing import Answered, faults_of, sent_after
from federation.protocol import envelope
from federation.protocol.chains import Break, chain_of, verify_chain
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import AuditCheckpoint, Order, OrderKind, Refusal, Submission, open_sealed
from federation.protocol.keys import PublicKey


def verify_evidence(
    evidence: Evidence, pinned: str | None = None, kept: Mapping[str, tuple[int, str]] | None = None
) -> Report:
    """Check a bundle. `pinned` is the fingerprint of the platform's key as it is known from elsewhere.

    Never raises for what is in the bundle: every fault is in the report. Without `pinned` the bundle's own word is
    taken for the platform's key, and only for that. `kept` has, by chain, the position and digest of a head that was
    seen earlier: a history that has been rewritten since does not lead through it.
    """
    report = Report()
    found = guarded("bundle", report, lambda: grounds_of(evidence, pinned, report))
    if found is None:
        return report
    orders = dict(_orders(evidence, found, report))
    answers = dict(_answers(evidence, found, orders, report))
    _passports(evidence, found, orders, answers, report)
    _chain(evidence, found, report, kept or {})
    return report


def _orders(evidence: Evidence, found: Grounds, report: Report) -> Iterator[tuple[str, Order]]:
    """The orders that hold, by their names."""
    numbers: set[tuple[UUID, int]] = set()
    for name, sealed in evidence.orders.items():
        where = f"order {name}"
        order = guarded(where, report, partial(open_sealed, Order, sealed, found.keys.keys))
        if order is None:
            continue
        last = found.manifest.rounds + (order.kind is OrderKind.EVALUATE)
        for wrong, code, what in (
            (str(order.order_id) != name, "order.wrong_name", "It is the order of another name."),
            (order.manifest_digest != found.manifest_digest, "order.other_manifest", "It is under another manifest."),
            (order.job_id != found.manifest.job_id, "order.other_job", "It is of another job."),
            (order.silo_id not in found.cohort, "order.other_silo", "Its silo is not in the cohort."),
            (order.round > last, "order.round_beyond", f"The job has {found.manifest.rounds} rounds."),
            ((order.silo_id, order.number) in numbers, "order.number_reused", "Its number was used before."),
        ):
            if wrong:
                report.faults.append(Fault(where, code, what))
        numbers.add((order.silo_id, order.number))
        if order.model is not None:
            report.models[order.model.digest] = max(report.models.get(order.model.digest, 0), order.round - 1)
        yield name, order
    report.checked["orders"] = len(evidence.orders)


def _answers(
    evidence: Evidence, found: Grounds, orders: dict[str, Order], report: Report
) -> Iterator[tuple[str, Answered]]:
    """The submissions that hold, by the names of their orders."""
    for name, sealed in evidence.answers.items():
        where = f"answer to order {name}"
        order = orders.get(name)
        if order is None or order.silo_id not in found.cohort:
            report.faults.append(Fault(where, "answer.no_order", "There is no such order that holds."))
            continue
        said = guarded(where, report, partial(_answer, sealed, found.cohort[order.silo_id].identity_key))
        if said is None:
            continue
        mine = (order.order_id, order.number, order.silo_id, order.job_id)
        if (said.order_id, said.number, said.silo_id, said.job_id) != mine:
            report.faults.append(Fault(where, "answer.other_order", "It answers another order."))
        if isinstance(said, Submission):
            faults = list(_fits(said, order, found, where))
            report.faults.extend(faults)
            if not faults:
                yield name, Answered(digest_bytes(sealed), said)
    report.checked["answers"] = len(evidence.answers)


def _passports(
    evidence: Evidence, found: Grounds, orders: dict[str, Order], answers: dict[str, Answered], report: Report
) -> None:
    for name, sealed in evidence.passports.items():
        where = f"passport {name}"
        opened = guarded(where, report, partial(open_passport, sealed, found.keys.keys))
        if opened is None:
            continue
        digest, passport = opened
        said = list(faults_of(passport, digest, found.manifest, found.manifest_digest, orders, answers))
        sent = sent_after(passport.round, orders)
        if sent and digest not in sent:
            said.append(("passport.other_model", f"Other weights were sent out after round {passport.round}."))
        report.faults.extend(Fault(where, code, what) for code, what in said)
        if not said:
            report.passports[digest] = passport
    if evidence.passports:
        report.checked["passports"] = len(evidence.passports)


def _fits(said: Submission, order: Order, found: Grounds, where: str) -> Iterator[Fault]:
    if said.manifest_digest != found.manifest_digest:
        yield Fault(where, "answer.other_manifest", "It is under another manifest.")
    if (said.round, said.attempt, said.kind) != (order.round, order.attempt, order.kind):
        yield Fault(where, "answer.other_round", "It is of another round.")
    if order.model is not None and said.model_digest != order.model.digest:
        yield Fault(where, "answer.other_model", "It is about another model.")


def _answer(sealed: bytes, identity_key: str) -> Submission | Refusal:
    key = PublicKey.from_encoded(identity_key)
    if envelope.payload_type_of(sealed) == Refusal.payload_type:
        return open_sealed(Refusal, sealed, [key])
    return open_sealed(Submission, sealed, [key])


def _chain(evidence: Evidence, found: Grounds, report: Report, kept: Mapping[str, tuple[int, str]]) -> None:
    if evidence.checkpoint is None:
        report.faults.append(Fault("audit", "checkpoint.missing", "The platform has signed no head of the chain."))
        return
    sealed = evidence.checkpoint
    said = guarded("checkpoint", report, lambda: open_sealed(AuditCheckpoint, sealed, found.keys.keys))
    if said is None:
        return
    if said.chain != chain_of(found.manifest.consortium_id):
        told = f"The head that is signed is of the chain {said.chain}, the job's is another."
        report.faults.append(Fault("checkpoint", "checkpoint.other_chain", told))
        return
    upto = [link for link in evidence.links if link[0] <= said.position]
    outcome = verify_chain(said.chain, upto, bytes.fromhex(said.digest))
    if isinstance(outcome, Break):
        report.faults.append(Fault("audit", outcome.code, outcome.what))
    elif outcome != said.position:
        report.faults.append(Fault("audit", "chain.gap", f"{outcome} records are there, {said.position} are signed."))
    position, digest = kept.get(said.chain, (0, ""))
    if 0 < position <= said.position and {at: link for at, _, link in upto}.get(position, b"").hex() != digest:
        told = f"It does not lead through the head that was kept at event {position}: history was rewritten."
        report.faults.append(Fault("audit", "checkpoint.rewritten", told))
    if len(upto) != len(evidence.links):
        report.faults.append(Fault("audit", "chain.unsigned", "There are records after the head that is signed."))
    report.checked["audit records"] = len(evidence.links)
