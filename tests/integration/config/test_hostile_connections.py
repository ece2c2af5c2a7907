"""Strangers who hold connections, drip bytes or send without end: against a real uvicorn, on loopback, a few at a time.

Each test waits for a fact: what was answered, that a connection was closed, how many the server has.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from accounts.actions import create_user
from accounts.models import Scope
from accounts.tokens import issue_token
from artefacts import signed_urls, store
from audit.actors import System
from demo.processes import Child, tail
from demo.redis_server import free_port
from demo.services import PYTHONPATH, ROOT, Services
from federation.protocol import PROTOCOL_VERSION
from federation.protocol.digests import digest_bytes
from federation.protocol.keys import PrivateKey
from federation.protocol.requests import PROTOCOL_HEADER, sign_request
from realtime.connections import counted_as, open_connections
from realtime.http import STRANGER_BYTES_MAX
from realtime.proxies import Proxies
from tests.support.every import every
from tests.support.federation import Federation, make_federation
from tests.support.live_platform import Client, serving
from tests.support.patience import FAILS_AFTER_S, attempts, until

ORDERS, SUBMISSIONS = "/connector/v1/orders", "/connector/v1/submissions"
LARGE = 8 << 20


@contextlib.contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=FAILS_AFTER_S) as peer:
        yield peer


def head(method: str, path: str, **headers: object) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        *(f"{n.replace('_', '-')}: {v}" for n, v in ({PROTOCOL_HEADER: PROTOCOL_VERSION} | headers).items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer_of(peer: socket.socket) -> tuple[int, dict[str, Any]]:
    """The status and the problem of the one answer that comes before the connection is closed, or is over."""
    came = b""
    while b"\r\n\r\n" not in came:
        block = peer.recv(65536)
        if not block:
            return 0, {}
        came += block
    fields, _, body = came.partition(b"\r\n\r\n")
    length = int(fields.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += peer.recv(65536)
    is_problem = b"problem+json" in fields
    return int(fields.split(b" ")[1]), json.loads(body) if is_problem else {}


def is_closed(peer: socket.socket) -> bool:
    """Whether the other side has closed, once all that it said is read."""
    try:
        while peer.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


def drip(peer: socket.socket, data: bytes = b"x") -> None:
    """Send this again and again until the other side closes."""
    peer.settimeout(0.05)
    for _ in attempts("the other side closes"):
        try:
            peer.sendall(data)
            with contextlib.suppress(TimeoutError):
                if not peer.recv(65536):
                    return
        except ConnectionError:
            return


# -- one whole process: what strangers cost it ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """The port and the process of a web that is started as in earnest, with less patience."""
    port = free_port()
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = kept | services.environment("http://127.0.0.1") | {"PYTHONPATH": PYTHONPATH}
    environment |= {"REQUEST_HEAD_WITHIN_S": "5", "REQUEST_BODY_WINDOW_S": "2", "CONNECTIONS_PER_ADDRESS_MAX": "30"}
    environment.pop("PLATFORM_SIGNING_KEY_FILE", None)
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(port), "--loop", "uvloop"]
    log = tmp_path_factory.mktemp("web") / "web.log"
    child = Child("web", [*command, "--http", "realtime.connections:Connection"], log, environment, cwd=ROOT)
    child.start()
    try:
        until("web serves or has ended", lambda: not child.running or "Uvicorn running on" in log.read_text())
        assert child.running, tail(log)
        assert child.pid is not None
        yield port, child.pid
    finally:
        child.stop()


def test_half_open_requests_are_closed_and_others_are_served_meanwhile(web: tuple[int, int]) -> None:
    port, _ = web
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(connected(port)) for _ in range(25)]
        for place, peer in enumerate(peers):
            peer.sendall((b"", b"POST /sign-in/ HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"\r\n")[place % 4])
        assert Client(port).send("GET", "/health/live").status == 200
        assert all(is_closed(peer) for peer in peers)
    with connected(port) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\n")
        assert answer_of(peer)[1]["code"] == "request.head_late"


def test_a_head_that_drips_is_late_however_often_something_comes(web: tuple[int, int]) -> None:
    with connected(web[0]) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\n")
        drip(peer, b"x: y\r\n")
    with connected(web[0]) as peer:  # on a connection that was used before, after an empty line too
        peer.sendall(head("GET", "/health/live"))
        assert answer_of(peer)[0] == 200
        peer.sendall(b"\r\n")
        drip(peer, b"\r\n")


def test_one_address_has_only_so_many_connections(web: tuple[int, int]) -> None:
    port, pid = web
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(connected(port)) for _ in range(30)]
        with connected(port) as peer:
            status, problem = answer_of(peer)
            assert (status, problem["code"]) == (429, "connections.too_many")
            assert is_closed(peer)
        assert len(peers) == 30
    held = psutil.Process(pid).net_connections
    until(
        "no connection is kept",
        lambda: not [each for each in held() if each.status == "ESTABLISHED" and each.laddr.port == port],
    )
    assert Client(port).send("GET", "/health/live").status == 200


def test_what_strangers_send_is_refused_by_its_head_and_costs_no_memory(web: tuple[int, int]) -> None:
    port, pid = web
    key = PrivateKey.generate()
    signed = sign_request("POST", SUBMISSIONS, b"x", key, str(uuid4()))
    heads = {
        head("POST", SUBMISSIONS, Content_Length=LARGE): "signature.missing",
        head("POST", ORDERS, Content_Length=STRANGER_BYTES_MAX + 1, **signed): "request.too_large",
        head("POST", "/connector/v1/enrol", Content_Length=STRANGER_BYTES_MAX + 1): "request.too_large",
        head("POST", "/connector/v1/enrolment-code", Content_Length=LARGE): "request.too_large",
        head("POST", "/sign-in/", Content_Length=LARGE): "request.too_large",
        head("POST", "/api/v1/jobs/", Content_Length=LARGE): "request.too_large",
        head("PUT", f"/connector/v1/uploads/{uuid4()}/{digest_bytes(b'')}?max=9&exp=9&sig=x", Content_Length=LARGE): (
            "grant.invalid"
        ),
    }
    before = psutil.Process(pid).memory_info().rss
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            for sent, code in every(heads.items()):
                peer = stack.enter_context(connected(port))
                peer.sendall(sent)
                assert answer_of(peer)[1]["code"] == code, sent
                with contextlib.suppress(ConnectionError):
                    peer.sendall(b"x" * (1 << 20))  # what comes all the same is thrown away
        assert psutil.Process(pid).memory_info().rss - before < 16 << 20


def test_a_body_in_chunks_without_end_ends_at_the_same_bound(web: tuple[int, int]) -> None:
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    for path in ("/sign-in/", "/connector/v1/enrol"):
        with connected(web[0]) as peer:
            peer.sendall(head("POST", path, Transfer_Encoding="chunked") + chunk * 2)
            assert answer_of(peer)[1]["code"] == "request.too_large"
            drip(peer, b"1\r\nx\r\n")


def test_a_body_that_drips_is_late(web: tuple[int, int]) -> None:
    for path in ("/sign-in/", "/connector/v1/enrol"):
        with connected(web[0]) as peer:
            peer.sendall(head("POST", path, Content_Length=60_000) + b"x")
            drip(peer)
    with connected(web[0]) as peer:
        peer.sendall(head("POST", "/sign-in/", Content_Length=60_000))
        status, problem = answer_of(peer)
        assert (status, problem["code"]) == (408, "request.body_late")


def test_a_head_without_end_is_refused(web: tuple[int, int]) -> None:
    endless = (b"GET /" + b"x" * 300_000, b"GET / HTTP/1.1\r\nx: " + b"y" * 300_000, b"\r\n" * 150_000)
    trailers = head("POST", "/sign-in/", Transfer_Encoding="chunked") + b"0\r\nx: " + b"y" * 300_000
    for sent in (*endless, trailers):
        with connected(web[0]) as peer:
            with contextlib.suppress(ConnectionError):
                peer.sendall(sent)
            with contextlib.suppress(ConnectionError):
                assert answer_of(peer)[0] in {0, 400, 431, 413}
            assert is_closed(peer)


def test_only_so_many_requests_may_wait_on_one_connection(web: tuple[int, int]) -> None:
    port, pid = web
    ask, many = head("GET", "/health/live"), b"GET / HTTP/1.1\r\n\r\n" * 15_000
    before = psutil.Process(pid).memory_info().rss
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(connected(port)) for _ in range(5)]
        for peer in peers:
            with contextlib.suppress(ConnectionError):
                peer.sendall(many)
        assert all(is_closed(peer) for peer in peers)
    assert psutil.Process(pid).memory_info().rss - before < 32 << 20
    with connected(port) as peer:  # a few are answered, one after the other
        peer.sendall(ask * 3)
        came = b""
        while came.count(b"HTTP/1.1 200") < 3:
            block = peer.recv(65536)
            assert block, came
            came += block


def test_who_leaves_with_requests_that_wait_writes_nothing_into_the_log(web: tuple[int, int]) -> None:
    port, pid = web
    log = Path(f"/proc/{pid}/fd/1")
    for _ in range(10):
        with connected(port) as peer:
            peer.sendall(head("GET", "/sign-in/") * 2)
    with connected(port) as peer:
        peer.sendall(head("GET", "/sign-in/"))
        assert answer_of(peer)[0] == 200
    held = psutil.Process(pid).net_connections
    until(
        "no connection is kept",
        lambda: not [each for each in held() if each.status != "LISTEN" and each.laddr.port == port],
    )
    assert "the handler is closed" not in log.read_text()


def test_a_head_has_only_so_many_fields(web: tuple[int, int]) -> None:
    with connected(web[0]) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\n" + b"".join(b"%x: y\r\n" % place for place in range(200)))
        status, problem = answer_of(peer)
        assert (status, problem["code"]) == (431, "request.head_too_large")
        assert is_closed(peer)


# -- a server in this process, with silos ---------------------------------------------------------------------------


@pytest.fixture
def port(transactional_db: None, blob_root: Path) -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.mark.django_db(transaction=True)
def test_the_head_of_a_large_request_is_verified_before_its_body_comes(port: int) -> None:
    federation: Federation = make_federation()
    played, stranger = federation.silos[0], PrivateKey.generate()
    silo_id, body = str(played.silo.id), json.dumps({"x": "x" * 100_000}).encode()
    for key, name, code in (
        (stranger, silo_id, "signature.invalid"),
        (played.transport, str(uuid4()), "signature.invalid"),
    ):
        signed = sign_request("POST", SUBMISSIONS, body, key, name)
        for size in ({"Content_Length": len(body)}, {"Transfer_Encoding": "chunked"}):
            with connected(port) as peer:
                peer.sendall(head("POST", SUBMISSIONS, **size, **signed))
                assert answer_of(peer)[1]["code"] == code
    client = Client(port, played.transport, silo_id)
    signed = sign_request("POST", SUBMISSIONS, body, played.transport, silo_id)
    assert client.send("POST", SUBMISSIONS, body.replace(b"x", b"y"), signed).code == "signature.invalid"
    with connected(port) as peer:  # that head was used up, before its second body comes
        peer.sendall(head("POST", SUBMISSIONS, Content_Length=len(body), **signed))
        assert answer_of(peer)[1]["code"] == "signature.replayed"
    signed = sign_request("POST", SUBMISSIONS, body, played.transport, silo_id)
    assert client.send("POST", SUBMISSIONS, body, signed).code == "request.field"


@pytest.mark.django_db(transaction=True)
def test_who_is_signed_in_may_send_more(port: int) -> None:
    from datetime import timedelta

    user = create_user(email="a@example.org", full_name="Ada", by=System("test"))
    _, secret = issue_token(
        user=user, name="t", scopes=[Scope.JOBS_READ], lifetime=timedelta(days=1), by=System("test")
    )
    body = json.dumps({"x": "x" * 100_000}).encode()
    fields = {"content-type": "application/json"}
    stranger = Client(port).send("POST", "/api/v1/consortia/", body, {**fields, "authorization": "Bearer x"})
    assert (stranger.status, stranger.code) == (413, "request.too_large")
    cookie = Client(port).send("POST", "/sign-in/", body, {"cookie": "sessionid=abcdefghijklmnop"})
    assert cookie.code == "request.too_large"
    known = Client(port).send("POST", "/api/v1/consortia/", body, {**fields, "authorization": f"Bearer {secret}"})
    assert known.status in {400, 403}
    with connected(port) as peer:
        peer.sendall(head("POST", "/api/v1/consortia/", Content_Length=17 << 20, Authorization=f"Bearer {secret}"))
        assert answer_of(peer)[1]["code"] == "request.too_large"


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_nobody_reads_is_not_kept(port: int, settings: Any) -> None:
    settings.RESPONSE_UNREAD_S = 1
    data = bytes(20 << 20)
    store.put_bytes(data, digest_bytes(data))
    url = signed_urls.download_url(digest_bytes(data), expires_at_s=int(time.time()) + 600)
    with connected(port) as peer:
        peer.sendall(head("GET", url))
        until("it is counted", lambda: open_connections["127.0.0.1"] == 1)
        until("it is let go", lambda: not open_connections["127.0.0.1"])


@pytest.mark.django_db(transaction=True)
def test_behind_a_proxy_whom_it_speaks_for_is_counted(port: int, settings: Any) -> None:
    settings.CONNECTIONS_PER_ADDRESS_MAX = 2
    settings.TRUSTED_PROXIES = Proxies.named(["127.0.0.1"])

    def ask(address: str) -> bytes:
        return head("POST", "/connector/v1/enrol", Content_Length=10, X_Forwarded_For=f"6.6.6.6, {address}")

    with connected(port) as first, connected(port) as second, connected(port) as third, connected(port) as other:
        for peer in (first, second):
            peer.sendall(ask("192.0.2.1"))
        until("all are here", lambda: open_connections["127.0.0.1"] == 4)
        third.sendall(ask("192.0.2.1"))
        assert answer_of(third)[1]["code"] == "connections.too_many"
        other.sendall(ask("192.0.2.2") + b"0123456789")
        assert answer_of(other)[1]["code"] == "request.malformed"
        first.sendall(b"0123456789")
        assert answer_of(first)[1]["code"] == "request.malformed"


def test_what_counts_as_one_address() -> None:
    assert counted_as("192.0.2.1") == counted_as("::ffff:192.0.2.1") == "192.0.2.1"
    assert counted_as("2001:db8::1") == counted_as("2001:db8::ffff:2%eth0") != counted_as("2001:db8:0:1::1")
    assert counted_as("") == ""
