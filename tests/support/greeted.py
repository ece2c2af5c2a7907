"""A job under a mode of the tests' own: silos greet, they work, and what they did is added up a step later."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from artefacts import store
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import OrderKind
from federation.protocol.payloads.masked_u32 import header
from federation.protocol.tensors import count_parameters
from silos.models import Silo
from tests.support.federation import TEST, Federation, PlayedSilo, capabilities, make_federation, uploaded
from tests.support.plugins.added import OF_THE_PLATFORM, add_parts
from training.engine import answers, closing, start
from training.engine.kinds.models import layout_of
from training.launch.actions import launch
from training.models import Job, Order
from training.transitions import OUTSTANDING

DELTAS = (0.5, -1.25, 3.0)
GOOD = {"greeting": b"good\nmorning\n", "signature": b"a\nhospital\n"}


def launched_greeted(monkeypatch: pytest.MonkeyPatch) -> tuple[Federation, Job]:
    """The job, started."""
    add_parts(monkeypatch, OF_THE_PLATFORM)
    federation = make_federation(agreed=False)
    can = capabilities(protection=["clear", "greeted"], payloads=["masked.u32", "words.ascii"])
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


def greet(job: Job, played: PlayedSilo, statement: dict[str, bytes]) -> Order:
    """Answer an order to greet with these words, which come along."""
    order = open_order(job, played)
    payloads = {
        name: {"kind": "words.ascii", "digest": digest_bytes(one), "size_bytes": len(one)}
        for name, one in statement.items()
    }
    document = played.train(order, 0.0, payloads=payloads, evaluation=None, model_digest=None)
    answers.answer(document=document, by=played.silo, payloads=statement)
    return order


def all_greet(federation: Federation, job: Job) -> None:
    """Everybody greets, and the step is closed."""
    for played in federation.silos:
        order = greet(job, played, GOOD)
    closing.close_step(step_id=order.round_step.id, by=TEST)


def words(played: PlayedSilo, order: Order, delta: float) -> bytes:
    """The answer to an order to train, with an update in whole numbers that was uploaded."""
    layout = layout_of(order.round.version)
    data = header(layout) + np.full(count_parameters(layout), round(delta * 2**16), "<i4").tobytes()
    digest = digest_bytes(data)
    store.put_bytes(data, digest)
    payloads = {"update": {"kind": "masked.u32", "digest": digest, "size_bytes": len(data)}}
    document = played.train(order, 0.0, payloads=payloads)
    uploaded(order, digest, len(data))
    return document


def work(job: Job, silos: Sequence[PlayedSilo]) -> None:
    """The step of the work, answered and closed."""
    for played, delta in zip(silos, DELTAS, strict=True):
        order = open_order(job, played)
        is_training = order.kind == OrderKind.TRAIN
        answers.answer(document=words(played, order, delta) if is_training else played.train(order, 0), by=played.silo)
    closing.close_step(step_id=order.round_step.id, by=TEST)


def nothing_more(played: PlayedSilo, order: Order) -> bytes:
    """The answer to an order of the step after the work: nothing comes with it."""
    return played.train(order, 0.0, payloads={}, evaluation=None)


def answer_last(job: Job, silos: Sequence[PlayedSilo]) -> None:
    """The step after the work, answered and closed."""
    for played in silos:
        order = open_order(job, played)
        answers.answer(document=nothing_more(played, order), by=played.silo)
    closing.close_step(step_id=order.round_step.id, by=TEST)


def carry_out(federation: Federation, job: Job) -> None:
    """All rounds, to the job's end."""
    for _ in range(job.rounds_planned + 1):
        all_greet(federation, job)
        work(job, federation.silos)
        answer_last(job, federation.silos)
    job.refresh_from_db()
