"""Holding models' passports against a job's evidence: whether the weights can have come from the answers they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from federation.evidence.passports import Participant, Passport
from federation.protocol.documents import UPDATE, Manifest, Order, Submission
from federation.tasks import kinds_that_train


@dataclass(frozen=True)
class Answered:
    """An answer that holds: its bytes' digest, and what it says."""

    digest: str
    said: Submission
    beyond: tuple[tuple[str, str], ...] = ()
    """What it says beyond the bounds of its silo: codes, and what they mean. Such an answer may not have counted."""


def faults_of(
    passport: Passport,
    weights_digest: str,
    manifest: Manifest,
    manifest_digest: str,
    orders: Mapping[str, Order],
    answers: Mapping[str, Answered],
) -> Iterator[tuple[str, str]]:
    """What is wrong with a passport: a code, and what it means."""
    mine = (manifest_digest, manifest.job_id, manifest.consortium_id)
    if (passport.manifest_digest, passport.job_id, passport.consortium_id) != mine:
        yield "passport.other_manifest", "It is of another job."
        return
    if (passport.agreement_digest, passport.code_digest) != (manifest.agreement_digest, manifest.code_digest):
        yield "passport.other_agreement", "It names another agreement, or other code, than the manifest."
    if passport.round == 0:
        if weights_digest != manifest.initial_model_digest:
            yield "passport.other_model", "The job began with other weights."
        if passport.participants:
            yield "passport.participants", "Nobody has worked on a model as it begins."
        return
    trains = kinds_that_train()
    begun = {order.model_digest for order in orders.values() if order.round == passport.round and order.kind in trains}
    if passport.base_digest not in begun:
        yield "passport.other_base", "Its round began with other weights."
    silos = {one.silo_id for one in (orders.get(str(one.order_id)) for one in passport.participants) if one is not None}
    if len(silos) < manifest.quorum or len(silos) != len(passport.participants):
        yield "passport.too_few", f"It names {len(silos)} silos; the quorum is {manifest.quorum}, and each counts once."
    names = {one.silo_id: (one.organisation, one.silo, one.dataset) for one in manifest.cohort}
    for participant in passport.participants:
        fault = _misfit(participant, passport, answers, names)
        if fault is not None:
            yield "passport.other_answer", f"{participant.silo}: {fault}"


def models_issued_after_round(round_number: int, orders: Mapping[str, Order]) -> set[str]:
    """The digests of the weights that were sent out after a round."""
    return {
        order.model_digest
        for order in orders.values()
        if order.round == round_number + 1 and order.model_digest is not None
    }


def _misfit(
    participant: Participant,
    passport: Passport,
    answers: Mapping[str, Answered],
    names: Mapping[UUID, tuple[str, str, str]],
) -> str | None:
    answer = answers.get(str(participant.order_id))
    if answer is None:
        return "there is no such answer that holds."
    if answer.said.round != passport.round or answer.said.model_digest != passport.base_digest:
        return "the answer is of another round."
    update = answer.said.payloads[UPDATE].digest if UPDATE in answer.said.payloads else None
    if (answer.digest, update) != (participant.answer_digest, participant.update_digest):
        return "the answer says something else."
    if (participant.organisation, participant.silo, participant.dataset) != names.get(answer.said.silo_id):
        return "the answer is of another silo than it names."
    return None
