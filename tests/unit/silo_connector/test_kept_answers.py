"""What is kept of answers with as many payloads as an order may ask for, and what both logs say of them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from uuid import uuid4

import pytest

from federation.errors import Invalid
from federation.protocol.digests import digest_bytes
from federation.protocol.documents.base import ARTEFACTS_MAX
from silo_connector import spool
from silo_connector.egress_log import FILE
from silo_connector.journal import Journal
from silo_connector.spool import Spool
from silo_connector.trainer.store import outbox
from silo_connector.trainer.store.order_store import Outcome, SentPayload
from silo_connector.trainer.store.outbox import Outcomes
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.fake_platform import FakePlatform
from tests.unit.silo_connector.relays import relaying
from tests.unit.silo_connector.sites import Site
from tests.unit.silo_connector.test_added_kinds import added, asked

__all__ = ["added"]


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


async def test_trainer_and_relay_write_the_same_lines_about_an_answer(
    added: None, site: Site, trainer: Trainer, platform: FakePlatform
) -> None:
    async with relaying(site):
        order = asked(site, platform)
        await platform.until(lambda: (site.inbox / str(order.order_id)).exists())
        trainer.process_inbox()
        await platform.until(lambda: platform.submissions)

    def lines(state: Path) -> list[dict[str, object]]:
        found = [json.loads(line) for line in (state / FILE).read_text().splitlines()]
        return [{**line, "at": None} for line in found if line["order_id"] == str(order.order_id)]

    own, relayed = lines(site.config.trainer_state), lines(site.config.relay_state)
    assert own == relayed
    assert [(line["purpose"], line.get("name")) for line in own] == [
        ("payload", "greeting"),
        ("payload", "signature"),
        ("document", None),
    ]


def test_a_payload_that_is_called_document_is_taken_for_no_document(outcomes: Outcomes, tmp_path: Path) -> None:
    order_id = str(uuid4())
    outcomes.payload(order_id, "document").write_bytes(b"words")
    outcomes.hand_over(Outcome(order_id, b"{}", (SentPayload("document", digest_bytes(b"words"), 5),)))
    with Spool(tmp_path / "spool").place("outbox") as place, place.folder(order_id) as folder:
        assert folder.exists(spool.output_file("document"))
    body = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [line["digest"] for line in body if line["purpose"] == "document"] == [digest_bytes(b"{}")]
