"""A silo that uploads what it should not, names what it never sent, or asks without end: over real HTTP."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from artefacts import signed_urls, store
from federation.protocol import PROTOCOL_VERSION, documents
from federation.protocol.digests import digest_bytes
from federation.protocol.envelope import payload_unverified
from federation.protocol.requests import PROTOCOL_HEADER
from silos import throttle
from tests.support.at_once import at_once
from tests.support.deletions import delete_what_has_served
from tests.support.federation import TEST, Federation, make_federation
from tests.support.live_platform import Answer, Client, serving
from tests.support.patience import FAILS_AFTER_S, until
from training.engine import control, start
from training.engine.uploads import OrderUploads
from training.launch.actions import launch
from training.models import Order, Submission, Upload
from training.transitions import OUTSTANDING, OrderState

pytestmark = pytest.mark.django_db(transaction=True)
MINE, OTHER = b"mine" * 30_000, b"another" * 20_000
NOTHING_KEPT = ("0", "?0")


@pytest.fixture
def port(transactional_db: None, blob_root: Path) -> Iterator[int]:
    throttle.reset()
    with serving() as port:
        yield port
    throttle.reset()


@pytest.fixture
def federation(transactional_db: None, blob_root: Path) -> Federation:
    federation = make_federation()
    launched(federation)
    return federation


def launched(federation: Federation) -> None:
    job = launch(consortium=federation.consortium, request=federation.request(), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)


def order_of(federation: Federation, index: int = 0) -> Order:
    return Order.objects.filter(silo=federation.silos[index].silo).latest("number")


def grant(order_id: UUID, data: bytes) -> str:
    url = signed_urls.upload_url(order_id, "update", size_bytes_max=10_000_000, expires_at_s=int(time.time()) + 60)
    return url.replace("{digest}", digest_bytes(data))


def put(port: int, order: Order, data: bytes, stop: int | None = None) -> Answer:
    """Upload an artefact, or its first bytes."""
    part = data[:stop]
    return Client(port).send(
        "PUT", grant(order.id, data), part, {"content-range": f"bytes 0-{len(part) - 1}/{len(data)}"}
    )


def progress(port: int, order: Order, data: bytes) -> tuple[str, str]:
    headers = Client(port).send("HEAD", grant(order.id, data)).headers
    return headers["upload-offset"], headers["upload-complete"]


def answer_with(
    port: int,
    federation: Federation,
    order: Order,
    data: bytes,
    *,
    index: int = 0,
    inline: bool = False,
    **changes: Any,
) -> Answer:
    """The silo's signed answer, which names this artefact as its update."""
    played = federation.silos[index]
    named = {"kind": "update.f32", "digest": digest_bytes(data), "size_bytes": len(data)}
    changes.setdefault("payloads", {"update": named})
    bound = Upload.objects.filter(order=order).values("name", "digest", "size_bytes", "begun_at", "finished_at").first()
    document = played.train(order, 1.0, **changes)
    Upload.objects.filter(order=order).delete()  # what the helper has uploaded on its own
    if bound is not None:
        Upload.objects.create(order=order, **bound)
    body: dict[str, object] = {"document": json.loads(document)}
    if inline:
        body["payloads"] = {"update": base64.b64encode(data).decode()}
    return Client(port, played.transport, str(played.silo.id)).post("/connector/v1/submissions", body)


def parts() -> list[Path]:
    return list((Path(django_settings.BLOB_ROOT) / "uploads").rglob("*.part"))


def test_an_answer_can_t_name_what_another_silo_uploaded(port: int, federation: Federation) -> None:
    mine, theirs = order_of(federation, 0), order_of(federation, 1)
    assert put(port, theirs, OTHER).json["complete"]
    assert answer_with(port, federation, mine, OTHER).code == "submission.payload_missing"
    assert put(port, mine, OTHER, 1).json == {"complete": False, "offset": 1}
    assert answer_with(port, federation, mine, OTHER).code == "submission.payload_missing"
    mine.refresh_from_db()
    assert mine.state in OUTSTANDING
    assert not Submission.objects.exists()
    assert put(port, mine, OTHER).json["complete"]  # anyone who has the bytes may bring them
    assert answer_with(port, federation, mine, OTHER).json["state"] == "submitted"


def test_an_answer_can_t_name_a_model_or_any_other_artefact_of_the_store(port: int, federation: Federation) -> None:
    order = order_of(federation)
    model = order.round.version
    named = {"kind": "update.f32", "digest": model.digest, "size_bytes": model.size_bytes}
    assert answer_with(port, federation, order, b"", payloads={"update": named}).code == "submission.payload_missing"
    store.put_bytes(OTHER, digest_bytes(OTHER))
    assert answer_with(port, federation, order, OTHER).code == "submission.payload_missing"


def test_a_grant_shows_of_nothing_that_it_has_not_brought(port: int, federation: Federation) -> None:
    mine, theirs = order_of(federation, 0), order_of(federation, 1)
    put(port, theirs, OTHER)
    assert progress(port, theirs, OTHER) == (str(len(OTHER)), "?1")
    assert progress(port, mine, OTHER) == progress(port, mine, b"nobody has these bytes") == NOTHING_KEPT
    part = Client(port).send(
        "PUT",
        grant(mine.id, OTHER),
        OTHER[-1:],
        {"content-range": f"bytes {len(OTHER) - 1}-{len(OTHER) - 1}/{len(OTHER)}"},
    )
    assert (part.code, part.headers["upload-offset"]) == ("upload.offset", "0")


def test_a_grant_takes_one_artefact(port: int, federation: Federation) -> None:
    order = order_of(federation)
    assert put(port, order, MINE, 1000).json["offset"] == 1000
    for data in (OTHER, MINE + b"longer", b"tiny"):
        assert (put(port, order, data).code, progress(port, order, data)) == ("upload.other_artefact", NOTHING_KEPT)
    assert answer_with(port, federation, order, b"tiny", inline=True).code == "upload.other_artefact"
    assert len(parts()) == 1
    assert store.size_bytes(digest_bytes(OTHER)) is store.size_bytes(digest_bytes(b"tiny")) is None
    rest = Client(port).send(
        "PUT", grant(order.id, MINE), MINE[1000:], {"content-range": f"bytes 1000-{len(MINE) - 1}/{len(MINE)}"}
    )
    assert rest.json["complete"]
    assert put(port, order, MINE).json["complete"]  # its answer may have been lost
    assert put(port, order, OTHER).code == "upload.other_artefact"


def test_nothing_that_comes_with_an_answer_is_kept_before_its_order_is_looked_up(
    port: int, federation: Federation
) -> None:
    order, theirs = order_of(federation, 0), order_of(federation, 1)

    def code_of(**changes: Any) -> str:
        refused = answer_with(port, federation, order, b"tiny", inline=True, **changes)
        assert store.size_bytes(digest_bytes(b"tiny")) is None
        return refused.code

    assert code_of(order_id=uuid4()) == "order.not_found"
    assert code_of(order_id=theirs.id) == "order.not_found"
    assert code_of(number=order.number + 1) == "submission.other_order"
    assert code_of(training=None) == "submission.training"
    Order.objects.filter(id=order.id).update(state=OrderState.EXPIRED)
    late = answer_with(port, federation, order, b"tiny", inline=True)
    assert late.json["state"] == "late"
    assert store.size_bytes(digest_bytes(b"tiny")) is None


def test_nothing_is_uploaded_for_an_order_that_does_not_wait_for_it(port: int, federation: Federation) -> None:
    order = order_of(federation)
    stranger = Client(port).send("PUT", grant(uuid4(), MINE), MINE)
    assert (stranger.status, stranger.code) == (404, "order.not_found")
    signed = bytes(order.envelope)
    asked = documents.read(documents.Order, payload_unverified(signed)).model_copy(update={"outputs": {}})
    without = documents.sign_document(asked, federation.silos[0].identity)
    Order.objects.filter(id=order.id).update(envelope=without)
    assert put(port, order, MINE).code == "upload.not_wanted"
    Order.objects.filter(id=order.id).update(envelope=signed, expires_at=timezone.now() - timedelta(seconds=1))
    assert put(port, order, MINE).code == "order.ended"
    control.cancel(job=order.round.job, by=federation.scientist)
    assert put(port, order, MINE).code == "order.ended"
    assert not Upload.objects.exists()
    assert not parts()


def test_an_evaluate_order_is_answered_with_no_payload(port: int, federation: Federation) -> None:
    order = order_of(federation)
    round_ = order.round
    document = documents.read(documents.Order, payload_unverified(bytes(order.envelope)))
    asked = document.model_copy(update={"kind": documents.OrderKind.EVALUATE, "outputs": {}})
    Order.objects.filter(id=order.id).update(
        kind="evaluate", envelope=documents.sign_document(asked, federation.silos[0].identity)
    )
    order = Order.objects.get(id=order.id)
    assert order.round == round_
    assert answer_with(port, federation, order, b"tiny", inline=True).code == "submission.payload"
    assert answer_with(port, federation, order, b"", payloads={}).json["state"] == "submitted"


def test_a_silo_has_only_so_many_bytes_in_flight(port: int, federation: Federation, settings: Any) -> None:
    settings.UPLOADS_IN_FLIGHT_BYTES_MAX = len(MINE) + len(OTHER) - 1
    first = order_of(federation)
    launched(federation)
    second = order_of(federation)
    assert first != second
    put(port, first, MINE, 1)  # what is announced counts, not what has come
    refused = put(port, second, OTHER)
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (429, "upload.quota", "30")
    assert put(port, order_of(federation, 1), OTHER).json["complete"], "another silo has its own share"
    assert put(port, first, MINE).json["complete"]
    assert answer_with(port, federation, first, MINE).json["state"] == "submitted"
    assert put(port, second, OTHER).json["complete"]


def test_uploads_begun_at_once_share_what_the_silo_has(federation: Federation, settings: Any) -> None:
    settings.UPLOADS_IN_FLIGHT_BYTES_MAX = 1000
    throttle.reset()
    orders = [order_of(federation)]
    for _ in range(3):
        launched(federation)
        orders.append(order_of(federation))

    claims = [partial(OrderUploads().claim, order.id, "update", digest_bytes(MINE), 400) for order in orders]
    assert sorted(at_once(*claims)) == ["", "", "upload.quota", "upload.quota"]


def test_what_was_uploaded_for_an_order_that_is_over_is_deleted(port: int, federation: Federation) -> None:
    mine, theirs = order_of(federation, 0), order_of(federation, 1)
    put(port, mine, MINE, 1000)
    put(port, theirs, OTHER)
    delete_what_has_served(by=TEST)
    assert len(parts()) == 1
    assert store.size_bytes(digest_bytes(OTHER)) is not None
    control.cancel(job=mine.round.job, by=federation.scientist)
    delete_what_has_served(by=TEST)
    assert not parts()
    assert not Upload.objects.exists()
    assert store.size_bytes(digest_bytes(OTHER)) is None


def test_bytes_of_another_connection_never_take_the_name_of_a_digest(
    port: int, federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two connections of one grant; the order ends, and what they brought is deleted, while both are open."""
    order = order_of(federation)
    true, false = b"m" * 3_000_000, b"x" * 3_000_000  # more than the block that is kept at once
    digest = digest_bytes(true)
    store.put_bytes(true, digest)  # the global model, say: every silo knows its digest
    claimed: list[str] = []
    claim = OrderUploads.claim

    def noted(*asked: Any) -> Any:
        found = claim(*asked)
        claimed.append(asked[3])
        return found

    monkeypatch.setattr(OrderUploads, "claim", noted)

    def begin(data: bytes) -> socket.socket:
        peer = socket.create_connection(("127.0.0.1", port), timeout=FAILS_AFTER_S)
        head = f"PUT {grant(order.id, true)} HTTP/1.1\r\nHost: 127.0.0.1\r\n{PROTOCOL_HEADER}: {PROTOCOL_VERSION}\r\n"
        peer.sendall(f"{head}Content-Length: {len(true)}\r\n\r\n".encode() + data)
        return peer

    def kept() -> int:
        return sum(part.stat().st_size for part in parts())

    with begin(true[:-1]) as first:
        until("the first connection has brought its bytes", lambda: kept() > len(true) // 2)
        with begin(b"") as second:
            until("both connections are let in", lambda: len(claimed) == 2)
            control.cancel(job=order.round.job, by=federation.scientist)
            delete_what_has_served(by=TEST)
            assert not parts()
            second.sendall(false[:-1])
            until("the second connection has brought other bytes", lambda: kept() > len(false) // 2)
            first.sendall(true[-1:])
            assert first.recv(65536).startswith(b"HTTP/1.1 409")
            assert store.path_of(digest).read_bytes() == true


def test_a_silo_that_asks_without_end_is_notified_to_wait(port: int, federation: Federation, settings: Any) -> None:
    settings.THROTTLE_SILO_PER_MIN = 12  # two at once, and one every five seconds
    played, other = federation.silos[:2]
    client = Client(port, played.transport, str(played.silo.id))
    ask = {"held": [], "wait_s": 0}
    assert client.post("/connector/v1/orders", ask).status == 200
    for _ in range(3):  # who sends again what the silo has sent takes nothing from it
        again = client.send("POST", "/connector/v1/orders", json.dumps(ask).encode(), client.sent[0])
        assert again.code == "signature.replayed"
    assert client.post("/connector/v1/heartbeat", {}).status != 429
    refused = client.post("/connector/v1/orders", ask)
    assert (refused.status, refused.code) == (429, "silo.throttled")
    assert 1 <= int(refused.headers["retry-after"]) <= 5
    assert put(port, order_of(federation), MINE).code == "silo.throttled"
    assert Client(port, other.transport, str(other.silo.id)).post("/connector/v1/orders", ask).status == 200
