"""A poll's answer brings a manifest and an agreement only to a relay that has not got them; over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from federation.protocol.digests import digest_bytes
from realtime import database
from silos.models import Silo
from tests.support.federation import TEST, Federation, make_federation
from tests.support.live_platform import Client, serving
from training.engine import start
from training.engine.long_poll import PollRequest, _look_again, fetch_deliverable_orders
from training.launch.actions import launch
from training.models import Job, Order
from training.transitions import OrderState

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def port(transactional_db: None, blob_root: Path) -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture
def federation(transactional_db: None, blob_root: Path) -> Federation:
    return make_federation()


def launched(federation: Federation) -> Job:
    job = launch(consortium=federation.consortium, request=federation.request(), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return job


def poll(port: int, federation: Federation, documents: Any, place: int = 0) -> Any:
    """The orders of a poll that names these documents as held."""
    played = federation.silos[place]
    client = Client(port, played.transport, str(played.silo.id))
    return client.post("/connector/v1/orders", {"held": [], "wait_s": 0, "documents": documents})


def digest_of(envelope: Any) -> str:
    """As the relay works it out."""
    return digest_bytes(json.dumps(envelope, separators=(",", ":")).encode())


def test_what_a_relay_holds_comes_as_its_digest(port: int, federation: Federation) -> None:
    job = launched(federation)
    (whole,) = poll(port, federation, []).json["orders"]
    manifest, agreement = digest_of(whole["manifest"]), digest_of(whole["agreement"])
    assert manifest == job.manifest_digest
    (named,) = poll(port, federation, [manifest, agreement]).json["orders"]
    assert named == whole | {"manifest": manifest, "agreement": agreement}
    (half,) = poll(port, federation, [manifest]).json["orders"]
    assert half == whole | {"manifest": manifest}
    assert poll(port, federation, ["sha256:" + "0" * 64]).json["orders"] == [whole], "of other jobs' nothing is said"


def test_a_silo_of_another_consortium_gets_nothing_of_a_manifest_whose_digest_it_knows(
    port: int, federation: Federation
) -> None:
    job = launched(federation)
    others = make_federation(name="others")
    assert poll(port, others, [job.manifest_digest]).json == {"orders": [], "cancelled": []}
    launched(others)
    answer = poll(port, others, [job.manifest_digest]).json
    assert len(answer["orders"]) == 1
    assert job.manifest_digest not in json.dumps(answer)


@pytest.mark.parametrize(
    "documents", ["x", {}, 7, ["x"], [7], [None], ["sha256:" + "0" * 63], ["sha256:" + "0" * 64] * 33]
)
def test_documents_that_are_no_digests_are_refused(port: int, federation: Federation, documents: Any) -> None:
    answer = poll(port, federation, documents)
    assert (answer.status, answer.code) == (422, "request.field")


@pytest.mark.parametrize("change", ["revoked", "enrolled anew"])
def test_a_poll_that_was_held_finds_and_notes_nothing_once_its_silo_may_not_work(
    federation: Federation, change: str
) -> None:
    launched(federation)
    held = federation.silos[0].silo
    if change == "revoked":
        # not by the action: that calls its orders back, and what must hold is that the look-up itself finds none
        Silo.objects.filter(id=held.id).update(state="revoked", last_seen_at=None)
    else:
        Silo.objects.filter(id=held.id).update(transport_key=b"k" * 32, last_seen_at=None)
    order = Order.objects.get(silo=held)
    assert fetch_deliverable_orders(held, []).orders == ()
    fetch_deliverable_orders(held, [order.id])
    order.refresh_from_db()
    assert order.state == OrderState.ISSUED
    assert Silo.objects.get(id=held.id).last_seen_at is None
    with pytest.raises(Exception) as caught:
        _look_again(held, PollRequest([], 0, []))
    assert getattr(caught.value, "code", "") == ("silo.revoked" if change == "revoked" else "signature.invalid")


def test_a_poll_that_is_woken_by_an_order_is_answered_with_one_statement(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched(federation)
    asked: list[str] = []
    fetch = database.fetch

    def noting(statement: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        asked.append(statement)
        return fetch(statement, parameters)

    monkeypatch.setattr(database, "fetch", noting)
    assert len(_look_again(federation.silos[0].silo, PollRequest([], 0, [])).orders) == 1
    assert len(asked) == 1
