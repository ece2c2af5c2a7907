"""A mode, a kind of order and a kind of payload of other people: launched, issued, answered, checked and closed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from audit import chaining, checkpoints
from evidence import passports
from evidence.bundles import bundle_of
from federation.errors import Invalid
from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import Entry, read_bundle
from federation.evidence.verification import verify_evidence
from federation.protocol.digests import digest_bytes
from tests.support.federation import TEST, Federation
from tests.support.greeted import GOOD, carry_out, greet, launched_greeted, open_order
from training.engine import answers, closing, issuing
from training.models import Job, Payload, Round
from training.transitions import JobState, OrderState, RoundState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, blob_root: Path) -> tuple[Federation, Job]:
    found = launched_greeted(monkeypatch)
    heard().clear()
    return found


def heard() -> list[tuple[str, ...]]:
    """By the kind of order as the engine has found it."""
    found: list[tuple[str, ...]] = import_module("training.engine.kinds.words").HEARD
    return found


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


def test_an_order_that_brings_no_model_is_answered_with_no_figure_of_one(job: tuple[Federation, Job]) -> None:
    federation, launched = job
    played = federation.silos[0]
    order = open_order(launched, played)
    payloads = {
        name: {"kind": "words.ascii", "digest": digest_bytes(one), "size_bytes": len(one)} for name, one in GOOD.items()
    }
    document = played.train(order, 0.0, payloads=payloads, model_digest=None)
    with pytest.raises(Invalid, match="no figure of one"):
        answers.answer(document=document, by=played.silo, payloads=GOOD)
    assert order.payloads.count() == 0


def bundle_of_completed(federation: Federation, launched: Job) -> list[Entry]:
    """The job is carried out to its end, and signed for: its bundle."""
    carry_out(federation, launched)
    passports.issue_missing(issuing.signing_key())
    chaining.chain_new()
    checkpoints.sign_heads(issuing.signing_key())
    return list(read_bundle(bundle_of(launched)))


def test_its_evidence_holds_offline(job: tuple[Federation, Job]) -> None:
    report = verify_evidence(gather(bundle_of_completed(*job)))
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
