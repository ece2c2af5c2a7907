"""Heads of audit chains: ordered, countersigned, kept for ever; a history that goes back or forks is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from federation.errors import Invalid
from federation.protocol.documents import (
    AuditCheckpoint,
    CheckpointOrder,
    ConsistencyProof,
    KeptHead,
    Refusal,
    now,
    sign_document,
    verify_document,
)
from federation.protocol.envelope import payload_unverified
from federation.protocol.keys import PrivateKey
from federation.protocol.tree_heads import TreeHead
from silo_connector import identity, spool
from silo_connector.relay.sending import read_outgoing
from silo_connector.spool import Spool
from silo_connector.trainer.store.audit_checkpoints import FILE, heads_seen, stored_heads
from silo_connector.trainer.trainer import Trainer
from tests.support.logs import PlayedLog
from tests.unit.silo_connector.sites import Site

CHAIN = "consortium/0123456789abcdef0123456789abcdef"
TRUE, FORGED = PlayedLog.of_length(CHAIN, 12), PlayedLog.of_length(CHAIN, 12, "forged")
NUMBERS = iter(range(1000, 10_000))


def ordered(
    site: Site,
    position: int,
    after: TreeHead | int | None = None,
    log: PlayedLog = TRUE,
    key: PrivateKey | None = None,
    **changes: Any,
) -> CheckpointOrder:
    """An order to countersign a head of a log, with the proof from another; `key` signs the head instead of ours."""
    head, before = log.head(position), TRUE.head(after) if isinstance(after, int) else after
    by_name = AuditCheckpoint(chain=CHAIN, made_at=now(), **asdict(head))
    proof = None
    if before is not None:
        hashes = log.proof(before, position) if before.position <= position else []
        proof = ConsistencyProof(follows=KeptHead(**asdict(before)), hashes=tuple(hashes))
    fields: dict[str, Any] = {
        "order_id": uuid4(),
        "number": next(NUMBERS),
        "silo_id": site.platform.silo_id,
        "checkpoint": json.loads(sign_document(by_name, key or site.platform.key)),
        "proof": proof,
        "issued_at": now(),
        "expires_at": now() + timedelta(days=1),
    }
    return CheckpointOrder(**(fields | changes))


def give(site: Site, trainer: Trainer, *orders: Any, key: PrivateKey | None = None) -> None:
    """The relay brings these, and the trainer looks after each."""
    for order in orders:
        folder = site.inbox / str(order.order_id)
        folder.mkdir()
        (folder / spool.ORDER).write_bytes(sign_document(order, key or site.platform.key))
        trainer.process_inbox()


def document(site: Site, order: Any) -> bytes:
    """What the trainer answered."""
    return (site.outbox / str(order.order_id) / spool.DOCUMENT).read_bytes()


def signed(site: Site, order: Any) -> AuditCheckpoint:
    """The head that it countersigned, verified as signed by the silo."""
    return verify_document(AuditCheckpoint, document(site, order), [identity.identity_key(site.config).public])


def refused(site: Site, order: Any) -> str:
    """The code with which it refused: an order of no job."""
    return refusal(site, order).code


def refusal(site: Site, order: Any) -> Refusal:
    """What it said instead of signing."""
    parsed = verify_document(Refusal, document(site, order), [identity.identity_key(site.config).public])
    assert (parsed.order_id, parsed.number, parsed.job_id) == (order.order_id, order.number, None)
    return parsed


async def test_a_head_is_countersigned_over_the_same_bytes_and_kept(site: Site, trainer: Trainer) -> None:
    first, second = ordered(site, 10), ordered(site, 11, 10)
    give(site, trainer, first)
    assert signed(site, first).position == 10
    assert payload_unverified(document(site, first)) == payload_unverified(json.dumps(first.checkpoint).encode())
    assert stored_heads(site.config.trainer_state) == {CHAIN: TRUE.head(10)}
    give(site, trainer, second)
    assert signed(site, second).position == 11
    assert stored_heads(site.config.trainer_state) == {CHAIN: TRUE.head(11)}
    rows = [line for line in site.journal() if line["event"] == "checkpoint.countersigned"]
    assert [(line["order_id"], line["position"]) for line in rows] == [
        (str(first.order_id), 10),
        (str(second.order_id), 11),
    ]


async def test_the_same_order_again_has_the_same_answer_and_moves_nothing(site: Site, trainer: Trainer) -> None:
    first, second = ordered(site, 10), ordered(site, 11, 10)
    give(site, trainer, first)
    answer = document(site, first)
    give(site, trainer, second)
    Spool(site.config.spool).delete_atomically("outbox", str(first.order_id))
    give(site, trainer, first)  # replayed
    assert document(site, first) == answer
    assert stored_heads(site.config.trainer_state) == {CHAIN: TRUE.head(11)}


async def test_the_same_head_in_another_order_is_signed_again(site: Site, trainer: Trainer) -> None:
    """So it is after a crash between keeping a head and noting the answer, too."""
    first, again = ordered(site, 10), ordered(site, 10)
    give(site, trainer, first, again)
    assert signed(site, again).position == 10


async def test_a_history_that_goes_back_or_forks_is_refused_and_not_signed(site: Site, trainer: Trainer) -> None:
    shorter, other = ordered(site, 9, 10), ordered(site, 10, 10, FORGED)
    give(site, trainer, ordered(site, 10), shorter, other)
    assert refused(site, shorter) == "checkpoint.goes_back"
    assert refused(site, other) == "checkpoint.forked"
    assert refusal(site, other).kept == KeptHead(**asdict(TRUE.head(10))), "the platform is told what is kept"
    restarted = Trainer(site.config)
    restarted.start()
    restarted.process_inbox()
    later = ordered(site, 8)
    give(site, restarted, later)
    restarted.close()
    assert refused(site, later) == "checkpoint.goes_back"
    assert stored_heads(site.config.trainer_state) == {CHAIN: TRUE.head(10)}
    codes = [line["code"] for line in site.journal() if line["event"] == "order.refused"]
    assert codes == ["checkpoint.goes_back", "checkpoint.forked", "checkpoint.goes_back"]


@pytest.mark.parametrize(
    ("after", "log", "code"),
    [
        (TRUE.head(10), FORGED, "checkpoint.forked"),
        (FORGED.head(10), FORGED, "checkpoint.forked"),
        (FORGED.head(9), FORGED, "checkpoint.other_head"),
        (TRUE.head(9), TRUE, "checkpoint.other_head"),
        (replace(TRUE.head(10), root=None), TRUE, "checkpoint.other_head"),
        (None, FORGED, "checkpoint.unproven"),
        (None, TRUE, "checkpoint.unproven"),
    ],
)
async def test_a_history_that_grows_past_what_is_kept_without_a_proof_is_refused(
    site: Site, trainer: Trainer, after: TreeHead | None, log: PlayedLog, code: str
) -> None:
    """Rewritten and grown, or only unproven: what is kept stays, and is reported."""
    order = ordered(site, 12, after, log)
    give(site, trainer, ordered(site, 10), order)
    assert refused(site, order) == code
    assert refusal(site, order).kept == KeptHead(**asdict(TRUE.head(10)))
    assert stored_heads(site.config.trainer_state) == {CHAIN: TRUE.head(10)}
    proven = ordered(site, 12, 10)
    give(site, trainer, proven)
    assert signed(site, proven).position == 12


async def test_a_head_that_was_kept_under_protocol_1_0_is_proven_by_inclusion(site: Site, trainer: Trainer) -> None:
    old = replace(TRUE.head(10), root=None)
    (site.config.trainer_state / FILE).write_text(json.dumps({CHAIN: {"position": 10, "digest": old.digest}}))
    forged, without, same, proven = (
        ordered(site, 12, old, FORGED),
        ordered(site, 10),
        ordered(site, 10, old),
        ordered(site, 12, 10),
    )
    give(site, trainer, forged, without, same, proven)
    assert refused(site, forged) == "checkpoint.forked"
    assert refused(site, without) == "checkpoint.unproven", "its digest might not be a leaf of that tree"
    assert signed(site, same).root == TRUE.head(10).root
    assert signed(site, proven).position == 12


async def test_a_head_without_a_root_is_never_signed(site: Site, trainer: Trainer) -> None:
    """What a platform of protocol 1.0 signs: from it nothing later could be proven."""
    by_name = AuditCheckpoint(chain=CHAIN, made_at=now(), **asdict(replace(TRUE.head(10), root=None)))
    bare = json.loads(sign_document(by_name, site.platform.key))
    first, later = ordered(site, 10, checkpoint=bare), ordered(site, 10, 9, checkpoint=bare)
    give(site, trainer, first)
    assert refused(site, first) == "checkpoint.unproven"
    give(site, trainer, ordered(site, 9), later)
    assert refused(site, later) == "checkpoint.unproven"


async def test_every_head_that_was_ever_signed_is_remembered(site: Site, trainer: Trainer) -> None:
    give(site, trainer, ordered(site, 10), ordered(site, 12, 10))
    with (site.config.trainer_state / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"event": "checkpoint.countersigned", "chain": 7}\n["checkpoint.countersigned"\n')
    assert heads_seen(site.config.trainer_state) == {CHAIN: {TRUE.head(10), TRUE.head(12)}}
    assert heads_seen(site.config.trainer_state / "elsewhere") == {}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (lambda site: {"key": PrivateKey.generate()}, "checkpoint.untrusted"),
        (lambda site: {"checkpoint": {"payload": 1}}, "checkpoint.untrusted"),
        (lambda site: {"issued_at": now() - timedelta(days=2), "expires_at": now()}, "order.expired"),
        (lambda site: {"issued_at": now() + timedelta(hours=1)}, "order.not_yet_valid"),
    ],
)
async def test_a_head_that_the_platform_has_not_signed_or_an_old_order_is_refused(
    site: Site, trainer: Trainer, changes: Callable[[Site], dict[str, Any]], code: str
) -> None:
    order = ordered(site, 10, **changes(site))
    give(site, trainer, order)
    assert refused(site, order) == code
    assert not (site.config.trainer_state / FILE).exists()


@pytest.mark.parametrize("changes", [{"silo_id": uuid4()}, {}])
async def test_an_order_for_another_silo_or_by_another_key_is_put_aside(
    site: Site, trainer: Trainer, changes: dict[str, Any]
) -> None:
    order = ordered(site, 10, **changes)
    give(site, trainer, order, key=None if changes else PrivateKey.generate())
    expected = "order.not_for_us" if changes else "signature.invalid"
    assert site.quarantined() == {str(order.order_id): expected}
    assert not (site.config.trainer_state / FILE).exists()


async def test_a_number_counts_once_for_orders_of_jobs_and_heads_alike(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    of_a_job = site.order(manifest)
    site.deliver(of_a_job, manifest)
    trainer.process_inbox()
    assert site.submission(of_a_job).training is not None
    head = ordered(site, 10, number=of_a_job.number)
    give(site, trainer, head)
    assert refused(site, head) == "order.number_reused"
    assert not (site.config.trainer_state / FILE).exists()


async def test_a_damaged_file_is_no_reason_to_begin_again(site: Site, trainer: Trainer) -> None:
    give(site, trainer, ordered(site, 10))
    (site.config.trainer_state / FILE).write_text("{")
    with pytest.raises(Invalid) as caught:
        stored_heads(site.config.trainer_state)
    assert caught.value.code == "checkpoints.unreadable"
    order = ordered(site, 12)
    give(site, trainer, order)
    assert refused(site, order) == "checkpoints.unreadable"


async def test_a_job_under_the_name_of_a_head_is_refused(site: Site, trainer: Trainer) -> None:
    """A kind is one shape: what says that it is a head and has a job's fields can't be read."""
    manifest = site.job()
    order = site.order(manifest, kind="checkpoint")
    site.deliver(order, manifest)
    trainer.process_inbox()
    parsed = verify_document(Refusal, document(site, order), [identity.identity_key(site.config).public])
    assert parsed.code == "order.malformed"


async def test_the_relay_takes_a_head_and_a_refusal_to_submissions(site: Site, trainer: Trainer) -> None:
    order, shorter = ordered(site, 10), ordered(site, 9)
    give(site, trainer, order, shorter)
    with Spool(site.config.spool).place("outbox") as outbox:
        for one in (order, shorter):
            name = str(one.order_id)
            with outbox.folder(name) as folder:
                assert read_outgoing(name, folder).endpoint == "submissions"
