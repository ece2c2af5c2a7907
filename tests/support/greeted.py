"""A job under a mode of the tests' own: silos greet before they work, so that its rounds have two steps."""

from __future__ import annotations

import pytest

from federation.protocol.digests import digest_bytes
from silos.models import Silo
from tests.support.federation import TEST, Federation, PlayedSilo, capabilities, make_federation
from tests.support.plugins.added import OF_THE_PLATFORM, add_parts
from training.engine import answers, closing, start
from training.launch.actions import launch
from training.models import Job, Order
from training.transitions import OUTSTANDING

GOOD = {"greeting": b"good\nmorning\n", "signature": b"a\nhospital\n"}


def launched_greeted(monkeypatch: pytest.MonkeyPatch) -> tuple[Federation, Job]:
    """The job, started."""
    add_parts(monkeypatch, OF_THE_PLATFORM)
    federation = make_federation(agreed=False)
    can = capabilities(protection=["clear", "greeted"], payloads=["update.f32", "words.ascii"])
    Silo.objects.update(capabilities=can)  # their connectors have the added parts too
    federation.agree(protection=("greeted",), clear_reason="They greet.")
    asked = federation.request(rounds=1, protection={"mode": "greeted", "language": "en"})
    job = launch(consortium=federation.consortium, request=asked, by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return federation, job


def open_order(job: Job, played: PlayedSilo) -> Order:
    """What the silo is to answer now."""
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


def all_greet(federation: Federation, job: Job) -> None:
    """Everybody greets, and the step is closed."""
    for played in federation.silos:
        order = greet(job, played, GOOD)
    closing.close_step(step_id=order.round_step.id, by=TEST)


def all_work(federation: Federation, job: Job) -> None:
    """Everybody does the work of the round, and it is closed."""
    for played in federation.silos:
        order = open_order(job, played)
        answers.answer(document=played.train(order, 1.0), by=played.silo)
    closing.close_step(step_id=order.round_step.id, by=TEST)


def carry_out(federation: Federation, job: Job) -> None:
    """All rounds, to the job's end."""
    for _ in range(job.rounds_planned + 1):
        all_greet(federation, job)
        all_work(federation, job)
    job.refresh_from_db()
