"""A mode, a kind of order and a kind of payload of other people: launched, issued, answered, checked and closed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from audit import chaining, checkpoints
from evidence import passports
from evidence.bundles import bundle_of
from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import Entry, read_bundle
from federation.evidence.verification import verify_evidence
from federation.protocol.digests import digest_bytes
from silos.models import Silo
from tests.support.federation import TEST, Federation, PlayedSilo, capabilities, make_federation
from tests.support.plugins.added import OF_THE_PLATFORM, add_parts
from training.engine import answers, closing, issuing, start
from training.launch.actions import launch
from training.models import Job, Order, Payload, Round
from training.transitions import OUTSTANDING, JobState, OrderState, RoundState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]
GOOD = {"greeting": b"good\nmorning\n", "signature": b"a\nhospital\n"}


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, blob_root: Path) -> tuple[Federation, Job]:
    add_parts(monkeypatch, OF_THE_PLATFORM)
    heard().clear()
    federation = make_federation(agreed=False)
    can = capabilities(protection=["clear", "greeted"], payloads=["update.f32", "words.ascii"])
    Silo.objects.update(capabilities=can)  # their connectors have the added parts too
    federation.agree(protection=("greeted",), clear_reason="They greet.")
    asked = federation.request(rounds=1, protection={"mode": "greeted", "language": "en"})
    job = launch(consortium=federation.consortium, request=asked, by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return federation, job


def heard() -> list[tuple[str, ...]]:
    """By the kind of order as the engine has found it."""
    found: list[tuple[str, ...]] = import_module("training.engine.kinds.words").HEARD
    return found


def open_order(job: Job, played: PlayedSilo) -> Order:
    return Order.objects.get(step__round__job=job, silo=played.silo, state__in=OUTSTANDING)


def greet(job: Job, played: PlayedSilo, said: dict[str, bytes]) -> Order:
    """Answer an order to greet with these words, which come along."""
    order = open_order(job, played)
    payloads = {
        name: {"kind": "words.ascii", "digest": digest_bytes(one), "size_bytes": len(one)} for name, one in said.items()
    }
    document = played.train(order, 0.0, payloads=payloads, evaluation=None, model_digest=None)
    answers.answer(document=document, by=played.silo, payloads=said)
    return order


def test_a_job_under_an_added_mode_is_carried_out_to_its_end(job: tuple[Federation, Job]) -> None:
    federation, launched = job
    for number in (1, 2):
        for played in federation.silos:
            order = greet(launched, played, GOOD)
        closing.close_step(step_id=order.round_step.id, by=TEST)
        assert Payload.objects.filter(order=order).count() == 2
        for played in federation.silos:
            order = open_order(launched, played)
            answers.answer(document=played.train(order, 1.0), by=played.silo)
        closing.close_step(step_id=order.round_step.id, by=TEST)
        assert Round.objects.get(job=launched, number=number).state == RoundState.CLOSED
    launched.refresh_from_db()
    assert launched.state == JobState.COMPLETED
    assert [tuple(one.decode() for one in GOOD.values())] * 6 == heard()


def completed(federation: Federation, launched: Job) -> list[Entry]:
    """The job is carried out to its end, and signed for: its bundle."""
    for _ in range(2):
        for played in federation.silos:
            order = greet(launched, played, GOOD)
        closing.close_step(step_id=order.round_step.id, by=TEST)
        for played in federation.silos:
            order = open_order(launched, played)
            answers.answer(document=played.train(order, 1.0), by=played.silo)
        closing.close_step(step_id=order.round_step.id, by=TEST)
    passports.issue_missing(issuing.signing_key())
    chaining.chain_new()
    checkpoints.sign_heads(issuing.signing_key())
    launched.refresh_from_db()
    return list(read_bundle(bundle_of(launched)))


def test_its_evidence_holds_offline(job: tuple[Federation, Job]) -> None:
    report = verify_evidence(gather(completed(*job)))
    assert not report.faults
    assert report.ended == "completed"
    assert (report.checked["rounds"], report.checked["orders"], report.checked["answers"]) == (2, 12, 12)
    assert len(report.passports) == 2


def test_what_the_kind_of_payload_refuses_does_not_count(job: tuple[Federation, Job]) -> None:
    federation, launched = job
    bad = greet(launched, federation.silos[0], GOOD | {"greeting": b"patient 17\n"})
    for played in federation.silos[1:]:
        order = greet(launched, played, GOOD)
    closing.close_step(step_id=order.round_step.id, by=TEST)
    bad.refresh_from_db()
    assert (bad.state, bad.code) == (OrderState.REJECTED, "words.not_letters")
    assert len(heard()) == 2
