"""The relay's small parts: waiting times, answers, addresses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from federation.errors import Invalid
from federation.protocol import envelope
from federation.protocol.keys import PrivateKey
from silo_connector.relay.answers import checked, http_date, retry_after_s, upload_offset
from silo_connector.relay.backoff import Backoff
from silo_connector.relay.errors import Declined, OffsetConflict, Unreachable
from silo_connector.relay.routing import OrderTransfers, Routes, UploadTarget
from silo_connector.relay.transfers import is_transfer_path

DIGEST = "sha256:" + "0" * 64
ORDER_ID = "0b8f7f0c-90a1-4c0c-8d3a-3a3b9a6a7c11"


def test_waiting_grows_to_a_minute_and_no_further() -> None:
    longest = Backoff(draw=lambda: 1.0)
    assert [longest.next_s() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    for _ in range(5000):
        assert longest.next_s() == 60
    longest.reset()
    assert longest.next_s() == 0.5


def test_waiting_is_drawn_from_the_whole_span() -> None:
    waits = []
    for _ in range(400):
        backoff = Backoff()
        for _ in range(4):
            backoff.next_s()
        waits.append(backoff.next_s())
    assert all(0 <= wait <= 8 for wait in waits)
    assert min(waits) < 1 < 7 < max(waits)


def test_what_the_platform_asks_for_is_the_least_up_to_an_hour() -> None:
    backoff = Backoff(draw=lambda: 0.0)
    assert backoff.next_s(30) == 30
    assert backoff.next_s(10**9) == 3600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("0", 0.0), ("", None), ("soon", None), ("-1", None), ("1" * 50, None), ("1.5", None)],
)
def test_retry_after_is_read_within_bounds(text: str, seconds: float | None) -> None:
    assert retry_after_s({"Retry-After": text}) == seconds


def test_retry_after_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < (retry_after_s({"Retry-After": date}) or 0) <= 100
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=100), usegmt=True)
    assert retry_after_s({"Retry-After": past}) == 0


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 01 Jan 2024 00:00:00 +9999999999999999",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 -0000",
        "",
    ],
)
def test_a_date_that_is_none_is_passed_over(date: str) -> None:
    assert http_date(date) is None
    assert retry_after_s({"Retry-After": date}) is None


@pytest.mark.parametrize(("text", "offset"), [("0", 0), ("123", 123), ("-1", None), ("x", None), ("1" * 30, None)])
def test_upload_offset_is_read_within_bounds(text: str, offset: int | None) -> None:
    assert upload_offset({"Upload-Offset": text}) == offset


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408, 425, 301, 307])
def test_what_may_pass_is_tried_again(status: int) -> None:
    with pytest.raises(Unreachable):
        checked(status, {}, b"")


def test_a_refusal_that_says_when_to_come_again_is_tried_again() -> None:
    with pytest.raises(Unreachable) as caught:
        checked(409, {"Retry-After": "2"}, json.dumps({"code": "upload.busy"}).encode())
    assert caught.value.retry_after_s == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"code": "a.b", "detail": "why"}', "a.b"),
        (b"<html>", "http.status_422"),
        (b"[]", "http.status_422"),
        (b'{"code": "<script>"}', "http.status_422"),
        (b'{"code": 7}', "http.status_422"),
        (b'{"code": "' + b"a." * 100 + b'a"}', "http.status_422"),
        (b"[" * 100_000, "http.status_422"),
    ],
)
def test_a_refusal_has_the_platform_s_code_if_it_is_one(body: bytes, code: str) -> None:
    with pytest.raises(Declined) as caught:
        checked(422, {}, body)
    assert caught.value.code == code


def test_an_offset_conflict_says_the_offset() -> None:
    with pytest.raises(OffsetConflict) as caught:
        checked(409, {"Upload-Offset": "5"}, b'{"code": "upload.offset"}')
    assert caught.value.offset == 5
    with pytest.raises(Declined):
        checked(409, {"Upload-Offset": "5"}, b'{"code": "other.code"}')


@pytest.mark.parametrize("body", [b"nonsense", b"7", b"[]", b"null"])
def test_a_good_answer_is_an_object(body: bytes) -> None:
    with pytest.raises(Unreachable):
        checked(200, {}, body)
    assert checked(200, {}, b"") == {}


@pytest.mark.parametrize(
    ("path", "good"),
    [
        (f"/connector/v1/blobs/{DIGEST}?exp=1&sig=a", True),
        (f"/connector/v1/uploads/{ORDER_ID}/{DIGEST}?max=1&exp=1&sig=a", True),
        ("/connector/v1/orders", False),
        ("/connector/v1/blobs/../orders", False),
        ("/connector/v1/blobs//evil.example", False),
        ("https://evil.example/connector/v1/blobs/x", False),
        ("/connector/v1/blobs/x y", False),
        ("/connector/v1/blobs/x\n", False),
        ("/connector/v1/blobs/x#y", False),
        ("/connector/v1/blobs/\u00e9", False),
        ("", False),
        (None, False),
    ],
)
def test_addresses_of_other_hosts_are_refused(path: object, good: bool) -> None:
    assert is_transfer_path(path) is good


def test_an_upload_goes_where_the_order_says_and_nowhere_else() -> None:
    target = UploadTarget(f"/connector/v1/uploads/{ORDER_ID}/{{digest}}?max=1", 10)
    assert target.path(DIGEST) == f"/connector/v1/uploads/{ORDER_ID}/{DIGEST}?max=1"
    with pytest.raises(Invalid):
        target.path("sha256:../../x")
    with pytest.raises(Invalid):
        UploadTarget("https://evil.example/{digest}", 10).path(DIGEST)


def sealed(order: Any) -> bytes:
    return envelope.sign(json.dumps(order).encode(), "any", PrivateKey.generate())


def test_a_route_is_kept_over_restarts(tmp_path: Path) -> None:
    order = {
        "order_id": ORDER_ID,
        "inputs": {"model": {"digest": DIGEST, "size_bytes": 5, "url": f"/connector/v1/blobs/{DIGEST}"}},
        "outputs": {"update": {"size_bytes_max": 9, "url": "/connector/v1/uploads/x/update/{digest}"}},
    }
    route = OrderTransfers.of_order(sealed(order))
    assert route.inputs.keys() == {"model"}
    assert route.outputs.keys() == {"update"}
    Routes(tmp_path).keep(route)
    routes = Routes(tmp_path)
    assert routes.find(ORDER_ID) == route
    assert routes.knows(ORDER_ID)
    routes.forget_all_but({ORDER_ID})
    assert routes.knows(ORDER_ID)
    routes.forget_all_but(set())
    assert routes.find(ORDER_ID) is None
    routes.forget(ORDER_ID)


@pytest.mark.parametrize("broken", [b"", b"[]", b"{", b'"x"'])
def test_a_broken_route_is_no_route(tmp_path: Path, broken: bytes) -> None:
    routes = Routes(tmp_path)
    (tmp_path / "orders" / f"{ORDER_ID}.json").write_bytes(broken)
    found = routes.find(ORDER_ID)
    assert found is None or not found.outputs


@pytest.mark.parametrize(
    "model",
    [
        None,
        7,
        {},
        {"digest": "x", "size_bytes": 5, "url": f"/connector/v1/blobs/{DIGEST}"},
        {"digest": DIGEST, "size_bytes": -5, "url": f"/connector/v1/blobs/{DIGEST}"},
        {"digest": DIGEST, "size_bytes": True, "url": f"/connector/v1/blobs/{DIGEST}"},
        {"digest": DIGEST, "size_bytes": 1.5, "url": f"/connector/v1/blobs/{DIGEST}"},
        {"digest": DIGEST, "size_bytes": 2**60, "url": f"/connector/v1/blobs/{DIGEST}"},
    ],
)
def test_an_input_that_can_not_be_fetched_is_left_out(model: Any) -> None:
    order = {"order_id": ORDER_ID, "inputs": {"model": model}, "outputs": {"update": model}}
    assert not OrderTransfers.of_order(sealed(order)).inputs


@pytest.mark.parametrize("name", ["../x", "", "a/b", "A", "model.safetensors", "x" * 41, "_x", "a\n"])
def test_a_name_that_is_no_artefact_s_becomes_no_part_of_a_path(name: str) -> None:
    good = {"digest": DIGEST, "size_bytes": 5, "url": f"/connector/v1/blobs/{DIGEST}"}
    grant = {"size_bytes_max": 9, "url": "/connector/v1/uploads/x/update/{digest}"}
    order = {"order_id": ORDER_ID, "inputs": {name: good, "seeds": good}, "outputs": {name: grant, "sums": grant}}
    route = OrderTransfers.of_order(sealed(order))
    assert (set(route.inputs), set(route.outputs)) == ({"seeds"}, {"sums"})


def test_more_inputs_and_outputs_than_an_order_may_have_are_not_carried() -> None:
    good = {"digest": DIGEST, "size_bytes": 5, "url": f"/connector/v1/blobs/{DIGEST}"}
    grant = {"size_bytes_max": 9, "url": "/connector/v1/uploads/x/update/{digest}"}
    for count, carried in ((16, 16), (17, 0)):
        names = [f"part_{number}" for number in range(count)]
        order = {"inputs": dict.fromkeys(names, good), "outputs": dict.fromkeys(names, grant)}
        route = OrderTransfers.of_order(sealed({"order_id": ORDER_ID, **order}))
        assert (len(route.inputs), len(route.outputs)) == (carried, carried)
