"""A mode, a kind of order and a kind of payload of other people: launched, issued, answered, checked and closed.

Its updates are no tensors of the model, and are added up a step later than they come.
"""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Never

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone
from numpy.typing import NDArray

from agreements.selectors import complete_envelope
from artefacts import store
from audit import chaining, checkpoints
from evidence import passports
from evidence.bundles import bundle_of
from federation.aggregation.combine import UpdatesRejectedError
from federation.agreements.rendering import plain_text
from federation.errors import Invalid
from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import Entry, read_bundle
from federation.evidence.verification import verify_evidence
from federation.learning.weights import read_flat
from federation.protocol.digests import digest_bytes
from silos.models import Silo
from tests.support.every import every
from tests.support.federation import TEST, Federation, capabilities, make_federation
from tests.support.greeted import GOOD, answer_last, carry_out, greet, launched_greeted, nothing_more, open_order, work
from tests.support.plugins.added import OF_THE_PLATFORM, add_parts
from training.engine import answers, closing, issuing, start
from training.engine.kinds.models import layout_of
from training.launch.actions import launch
from training.launch.eligibility import opened_agreement
from training.models import Job, Order, Payload, Round, Step
from training.transitions import JobState, OrderState, RoundState, StepState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, blob_root: Path) -> tuple[Federation, Job]:
    found = launched_greeted(monkeypatch)
    heard().clear()
    opened().clear()
    return found


def heard() -> list[tuple[str, ...]]:
    """By the kind of order as the engine has found it."""
    found: list[tuple[str, ...]] = import_module("training.engine.kinds.words").HEARD
    return found


def opened() -> list[tuple[int, ...]]:
    """How many answers each step had of the rounds that were opened."""
    found: list[tuple[int, ...]] = import_module("training.protocols.greeted").OPENED
    return found


def versions(job: Job) -> list[int]:
    """The rounds of which there are versions of the model."""
    assert job.model is not None
    return list(job.model.versions.order_by("round_number").values_list("round_number", flat=True))


def weights_of(job: Job, number: int) -> NDArray[np.float32]:
    """A version of the model, flat."""
    assert job.model is not None
    version = job.model.versions.get(round_number=number)
    return read_flat(store.path_of(version.digest), layout_of(version))


def test_a_job_under_an_added_mode_is_carried_out_to_its_end(job: tuple[Federation, Job]) -> None:
    federation, launched = job
    for number in (1, 2):
        for played in federation.silos:
            order = greet(launched, played, GOOD)
        closing.close_step(step_id=order.round_step.id, by=TEST)
        assert Payload.objects.filter(order=order).count() == 2
        work(launched, federation.silos)
        assert Round.objects.get(job=launched, number=number).state == RoundState.OPEN
        assert versions(launched) == [0, 1][:number], "the work makes no version yet"
        answer_last(launched, federation.silos)
        assert Round.objects.get(job=launched, number=number).state == RoundState.CLOSED
    launched.refresh_from_db()
    assert launched.state == JobState.COMPLETED
    assert versions(launched) == [0, 1]
    assert opened() == [(3, 3, 3)], "the round of the evaluation has nothing to open"
    first, second = (weights_of(launched, number) for number in (0, 1))
    np.testing.assert_allclose(second - first, (0.5 - 1.25 + 3.0) / 3, atol=1e-6)
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
    assert (report.checked["rounds"], report.checked["orders"], report.checked["answers"]) == (2, 18, 18)
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


def test_who_is_lost_after_the_work_is_in_the_sum_all_the_same(job: tuple[Federation, Job]) -> None:
    federation, launched = job
    for played in federation.silos:
        order = greet(launched, played, GOOD)
    closing.close_step(step_id=order.round_step.id, by=TEST)
    work(launched, federation.silos)
    Step.objects.filter(state=StepState.COLLECTING).update(deadline_at=timezone.now() + timedelta(hours=1))
    for played in federation.silos[:2]:
        order = open_order(launched, played)
        answers.answer(document=nothing_more(played, order), by=played.silo)
    Step.objects.filter(id=order.round_step.id).update(deadline_at=timezone.now())
    closing.close_step(step_id=order.round_step.id, by=TEST)
    assert opened() == [(3, 3, 2)]
    np.testing.assert_allclose(weights_of(launched, 1) - weights_of(launched, 0), (0.5 - 1.25 + 3.0) / 3, atol=1e-6)


def test_a_sum_that_cannot_be_opened_gives_the_round_up(
    job: tuple[Federation, Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    federation, launched = job
    for played in federation.silos:
        order = greet(launched, played, GOOD)
    closing.close_step(step_id=order.round_step.id, by=TEST)
    work(launched, federation.silos)
    (lost,) = Payload.objects.filter(order__silo=federation.silos[0].silo, name="update")

    def refused(*given: object, **named: object) -> Never:
        raise UpdatesRejectedError({0: Invalid("update.greeting", "It does not fit the others.")})

    monkeypatch.setattr(import_module("training.protocols.greeted").Summed, "blocks", refused)
    answer_last(launched, federation.silos)
    first, again = Round.objects.filter(job=launched).order_by("attempt")
    assert (first.state, first.reason_code) == (RoundState.ABANDONED, "update.greeting")
    assert again.state == RoundState.OPEN
    assert versions(launched) == [0]
    assert Order.objects.get(payloads=lost).state == OrderState.APPLIED, "it has counted when its step was over"


def test_an_added_task_is_launched_ordered_answered_and_closed(
    monkeypatch: pytest.MonkeyPatch, blob_root: Path, client: Client
) -> None:
    add_parts(monkeypatch, OF_THE_PLATFORM)
    federation = make_federation(agreed=False)
    agreed = federation.agree(protection=("greeted", "clear"))  # with all tasks that there are now
    trained = launch(consortium=federation.consortium, request=federation.request(), by=federation.scientist)
    start.start(job_id=trained.id, by=TEST)
    trained.refresh_from_db()
    assert trained.model is not None
    version = str(trained.model.versions.get().id)
    asked = federation.request(
        task="roll_call", model=None, model_version=version, protection={"mode": "greeted", "language": "en"}
    )
    with pytest.raises(Invalid) as lacking:
        launch(consortium=federation.consortium, request=asked, by=federation.scientist)
    assert lacking.value.code == "silo.lacks_payload"
    Silo.objects.update(capabilities=capabilities(payloads=["update.f32", "words.ascii"]))
    called = launch(consortium=federation.consortium, request=asked, by=federation.scientist)
    start.start(job_id=called.id, by=TEST)
    for kind in ("greet", "answer_call"):
        for played in every(federation.silos):
            order = greet(called, played, GOOD)
            assert order.kind == kind
        closing.close_step(step_id=order.round_step.id, by=TEST)
    answer_last(called, federation.silos)
    called.refresh_from_db()
    assert (called.task, called.state, called.rounds_planned) == ("roll_call", JobState.COMPLETED, 0)
    assert Payload.objects.filter(order__job=called).count() == 12
    client.force_login(federation.scientist)
    assert [row["id"] for row in client.get("/api/v1/jobs/?task=roll_call").json()["results"]] == [str(called.id)]
    assert "call the roll" in client.get(f"/jobs/{called.id}/configuration/").content.decode()
    passports.issue_missing(issuing.signing_key())
    chaining.chain_new()
    checkpoints.sign_heads(issuing.signing_key())
    report = verify_evidence(gather(read_bundle(bundle_of(called))))
    assert not report.faults
    assert (report.checked["orders"], report.checked["answers"]) == (9, 9)
    opened = opened_agreement(complete_envelope(agreed))
    assert "calling the roll" in plain_text(opened.agreement, opened.digest)
