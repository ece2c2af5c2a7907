"""What is kept of answers with as many payloads as an order may ask for."""

from __future__ import annotations

import os
import time
from pathlib import Path
from uuid import uuid4

import pytest

from federation.errors import Invalid
from federation.protocol.digests import digest_bytes
from federation.protocol.documents.base import ARTEFACTS_MAX
from silo_connector.journal import Journal
from silo_connector.spool import Spool
from silo_connector.trainer.store import outbox
from silo_connector.trainer.store.order_store import Outcome, SentPayload
from silo_connector.trainer.store.outbox import Outcomes


@pytest.fixture
def outcomes(tmp_path: Path) -> Outcomes:
    place = Spool(tmp_path / "spool")
    place.make()
    return Outcomes(tmp_path, place, Journal(tmp_path))


def answer_with(outcomes: Outcomes, written_ago_s: float, payloads: int = ARTEFACTS_MAX) -> Outcome:
    """An answer whose payloads were written one after the other, the last of them so long ago."""
    order_id = str(uuid4())
    sent = []
    for place in range(payloads):
        name, data = f"part_{place}", f"{order_id} {place}".encode()
        outcomes.payload(order_id, name).write_bytes(data)
        at_s = time.time() - written_ago_s - (payloads - 1 - place) * 0.5
        os.utime(outcomes.payload(order_id, name), (at_s, at_s))
        sent.append(SentPayload(name, digest_bytes(data), len(data)))
    return Outcome(order_id, b"{}", tuple(sent))


def kept(outcomes: Outcomes, answer: Outcome) -> int:
    return sum(outcomes.payload(answer.order_id, sent.name).exists() for sent in answer.payloads)


def test_the_newest_answers_are_kept_with_all_of_their_payloads(outcomes: Outcomes) -> None:
    made = [answer_with(outcomes, written_ago_s=60.0 * place) for place in range(outbox.KEPT_NEWEST + 2)]
    outcomes.prune()
    assert [kept(outcomes, answer) for answer in made] == [ARTEFACTS_MAX] * outbox.KEPT_NEWEST + [0, 0]
    outcomes.hand_over(made[outbox.KEPT_NEWEST - 1])  # its order comes again
    with pytest.raises(Invalid, match=r"outcome\.pruned"):
        outcomes.hand_over(made[-1])


def test_an_answer_that_waits_in_the_outbox_is_kept_however_many_are_newer(outcomes: Outcomes) -> None:
    waiting = answer_with(outcomes, written_ago_s=7200.0)
    outcomes.hand_over(waiting)
    for place in range(outbox.KEPT_NEWEST):
        answer_with(outcomes, written_ago_s=float(place), payloads=1)
    outcomes.prune()
    assert kept(outcomes, waiting) == ARTEFACTS_MAX


def test_an_answer_goes_whole_once_its_last_payload_is_old(outcomes: Outcomes) -> None:
    old = answer_with(outcomes, written_ago_s=outbox.KEPT_FOR_S + 60.0)
    half = answer_with(outcomes, written_ago_s=outbox.KEPT_FOR_S - 2.0)  # its first payloads are older than that
    outcomes.prune()
    assert (kept(outcomes, old), kept(outcomes, half)) == (0, ARTEFACTS_MAX)
