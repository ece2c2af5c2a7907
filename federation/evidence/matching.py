"""Documents and events held against one another, both ways: each document has its event, each event its document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from federation.errors import FederationError
from federation.evidence.bundle_parser import Evidence
from federation.evidence.judgements import misjudged
from federation.evidence.passport_checks import Answered
from federation.evidence.passports import Passport
from federation.evidence.report import Fault, Report
from federation.evidence.root_documents import RootDocuments
from federation.evidence.round_events import History, RoundEvents, StepEvents
from federation.protocol import envelope
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Manifest, Order, Refusal, Submission
from federation.tasks import task_of, task_of_kind


@dataclass(frozen=True)
class Opened:
    """The documents of a bundle that hold by themselves."""

    orders: Mapping[str, Order]
    answers: Mapping[str, Answered]
    passports: Mapping[str, tuple[str, Passport]]
    """By their names: the weights' digest, and what is said of them."""


def check_matching(evidence: Evidence, opened: Opened, history: History, found: RootDocuments, report: Report) -> None:
    """Find documents that no event has, events whose document is not here, and those that say different things."""
    unread = set().union(*(step.unread for step in history.steps))
    by_name = {
        "order": {key: digest for step in history.steps for key, digest in step.orders.items()},
        "answer": {k: digest for k, digest in history.answers.items() if k in evidence.answers or k not in unread},
    }
    for kind, documents in (("order", evidence.orders), ("answer", evidence.answers)):
        report.faults.extend(_both_ways(kind, documents, by_name[kind]))
    report.faults.extend(_passports(evidence, opened, history, found.manifest))
    for one in history.rounds:
        report.faults.extend(_of_round(one, opened))
    for step in history.steps:
        report.faults.extend(_of_kind(step, evidence))
    for step in history.apart:
        report.faults.extend(_of_no_round(step, opened))
    if history.ended == "job.completed" and _ends_evaluated(found.manifest):
        report.faults.extend(_evaluated_at_the_end(opened, history, found))
    _open_ends(history, opened, found, report)


def _both_ways(kind: str, documents: Mapping[str, bytes], reported: Mapping[str, str]) -> Iterator[Fault]:
    for key, digest in reported.items():
        if key not in documents:
            yield Fault(f"{kind} {key}", f"{kind}.left_out", "The log has it, and it is not in the bundle.")
        elif digest_bytes(documents[key]) != digest:
            yield Fault(f"{kind} {key}", f"{kind}.other_document", "It is not the document that the log has.")
    for key in documents.keys() - reported.keys():
        yield Fault(f"{kind} {key}", f"{kind}.not_in_log", "The log has no such document.")


def _of_round(reported: RoundEvents, opened: Opened) -> Iterator[Fault]:
    """Whether the orders of an attempt are about what its openings say, and go to silos that have got so far."""
    before: StepEvents | None = None
    for step in reported.steps:
        here = {key: order for key in step.orders if (order := opened.orders.get(key)) is not None}
        for key, order in here.items():
            if (order.round, order.attempt, order.kind) != (reported.number, reported.attempt, step.kind):
                yield Fault(
                    f"order {key}", "order.other_round", "It is of another round or kind than the log has it in."
                )
            is_without = order.model_digest is None and not _brings_model(order)
            if not is_without and order.model_digest != reported.base:
                yield Fault(f"order {key}", "model.swapped", "It is about another model than the log says.")
        if before is not None:
            went_on = {opened.orders[key].silo_id for key in before.counting if key in opened.orders}
            for key in (key for key, order in here.items() if order.silo_id not in went_on):
                reason = "Its silo's answer in the step before does not count."
                yield Fault(f"order {key}", "order.silo_not_counted", reason)
        before = step


def _brings_model(order: Order) -> bool:
    task = task_of_kind(order.kind)
    return task is not None and task.brings_model


def _of_no_round(reported: StepEvents, opened: Opened) -> Iterator[Fault]:
    for key in reported.orders:
        order = opened.orders.get(key)
        if order is not None and (order.round, order.kind) != (0, reported.kind):
            yield Fault(f"order {key}", "order.other_round", "It is of a round, or of another kind than in the log.")


def _of_kind(reported: StepEvents, evidence: Evidence) -> Iterator[Fault]:
    """Whether what the log calls a refusal is one: else an answer that was given could be left out as refused."""
    for taken, payload_type in ((reported.answers, Submission.payload_type), (reported.refusals, Refusal.payload_type)):
        for key in taken.keys() & evidence.answers.keys():
            if _type_of(evidence.answers[key]) not in {payload_type, None}:
                yield Fault(f"answer {key}", "answer.other_kind", "The log has an answer as refused, or the reverse.")


def _type_of(sealed: bytes) -> str | None:
    """None for what can't be read, which has its fault already."""
    try:
        return envelope.payload_type_of(sealed)
    except FederationError:
        return None


def _passports(evidence: Evidence, opened: Opened, history: History, manifest: Manifest) -> Iterator[Fault]:
    by_name = {digest: (number, model) for number, model, digest in history.passports}
    made = {one.number: one for one in history.closed if one.makes_model}
    after = {one.number - 1: one for one in history.closed}
    rounds: set[int] = set()
    for name, sealed in evidence.passports.items():
        where = f"passport {name}"
        if digest_bytes(sealed) not in by_name:
            yield Fault(where, "passport.not_in_log", "The log has no such passport.")
        if name not in opened.passports:
            continue
        model, statement = opened.passports[name]
        if statement.round in rounds:
            yield Fault(where, "passport.twice", f"Round {statement.round} has two passports.")
        rounds.add(statement.round)
        if by_name.get(digest_bytes(sealed), (statement.round, model)) != (statement.round, model):
            yield Fault(where, "passport.other_model", "The log has it for other weights.")
        one = made.get(statement.round)
        if statement.round and (one is None or one.model != model or one.base != statement.base_digest):
            yield Fault(where, "passport.other_model", f"Round {statement.round} made other weights, by the log.")
        elif one is not None and {str(p.order_id): p.answer_digest for p in statement.participants} != one.counted:
            yield Fault(where, "passport.other_answer", f"Round {statement.round} counted other answers, by the log.")
        if (fault := misjudged(statement.evaluation, after.get(statement.round), opened.answers, manifest)) is not None:
            yield Fault(where, "passport.other_evaluation", fault)
    here = {digest_bytes(sealed) for sealed in evidence.passports.values()}
    for digest, (number, _) in by_name.items():
        if digest not in here:
            yield Fault(f"passport of round {number}", "passport.left_out", "The log has it; it is not in the bundle.")


def _ends_evaluated(manifest: Manifest) -> bool:
    """Whether the last round of such a job evaluates its model."""
    last = task_of_kind(task_of(manifest.task).work[-1])
    return last is not None and last.evaluates


def _evaluated_at_the_end(opened: Opened, history: History, found: RootDocuments) -> Iterator[Fault]:
    """A completed job's model was tried by as many silos as its quorum, who have signed so over the model's digest."""
    last = history.closed[-1] if history.closed else None
    kind, counted = (last.work, last.counted or {}) if last is not None and last.evaluates else ("", {})
    tried = {
        answer.said.silo_id
        for key in counted
        if (answer := opened.answers.get(key)) is not None
        and answer.said.kind == kind
        and answer.said.evaluation is not None
        and answer.said.model_digest == history.ends_with
    }
    if len(tried) < found.manifest.quorum:
        message = (
            f"{len(tried)} silos have signed an evaluation of the final model; the quorum is {found.manifest.quorum}."
        )
        yield Fault("history", "evaluation.missing", message)


def _open_ends(history: History, opened: Opened, found: RootDocuments, report: Report) -> None:
    """What is still to come, or never came: a job's end, passports, silos that have tried the last model."""
    if not history.ended:
        message = f"The job goes on: the log has {len(history.closed)} rounds of it so far, and no end."
        report.limits.append(Fault("history", "evidence.job_goes_on", message))
    issued = {number for number, _, _ in history.passports}
    missing = [one.number for one in history.closed if one.makes_model and one.number not in issued]
    if history.ended and missing and task_of(found.manifest.task).trains:
        message = f"{len(missing)} models have no passport yet, first the one of round {missing[0]}."
        report.limits.append(Fault("history", "evidence.passports_missing", message))
    last = history.closed[-1] if history.closed else None
    if history.ended and last is not None and last.makes_model:
        tried = {one.said.silo_id for one in opened.answers.values() if one.said.model_digest == last.model}
        if len(tried) < found.manifest.quorum:
            message = (
                f"The job ended before the model of round {last.number} was tried: {len(tried)} silos have signed that "
                "they had it. Which weights that round made is the platform's word alone."
            )
            report.limits.append(Fault("history", "evidence.model_untried", message))
