"""One answer with two payloads, uploaded at once to a web process that is killed in between and started again."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from artefacts import signed_urls, store
from demo.processes import Child
from demo.redis_server import free_port
from demo.services import PYTHONPATH, ROOT, Services
from federation.protocol import PROTOCOL_VERSION
from federation.protocol.digests import digest_bytes
from federation.protocol.requests import PROTOCOL_HEADER
from silos.models import Silo
from tests.support.deletions import delete_what_has_served
from tests.support.every import every
from tests.support.federation import TEST, Federation, capabilities, make_federation
from tests.support.live_platform import Client
from tests.support.patience import FAILS_AFTER_S, until
from tests.support.plugins.added import OF_THE_PLATFORM, add_parts
from training.engine import answers, closing, start
from training.launch.actions import launch
from training.models import Order, Payload, Upload
from training.transitions import OrderState

pytestmark = pytest.mark.django_db(transaction=True)
A, B = b"a" * 3_000_000, b"b" * 2_500_000
FIRST = 1_500_000
"""Bytes of each that have been sent when web is killed: more than the block that it keeps at once."""


@pytest.fixture
def federation(transactional_db: None, blob_root: Path, monkeypatch: pytest.MonkeyPatch) -> Federation:
    """Its silos have been asked for two payloads each."""
    add_parts(monkeypatch, OF_THE_PLATFORM)
    import_module("training.engine.kinds.words").HEARD.clear()
    federation = make_federation(agreed=False)
    can = capabilities(protection=["clear", "greeted"], payloads=["masked.u32", "words.ascii"])
    Silo.objects.update(capabilities=can)
    federation.agree(protection=("greeted",), clear_reason="They greet.")
    asked = federation.request(rounds=1, protection={"mode": "greeted", "language": "en"})
    job = launch(consortium=federation.consortium, request=asked, by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    return federation


@pytest.fixture
def web(services: Services, federation: Federation, tmp_path: Path) -> Iterator[Child]:
    """A web process as it is started in earnest, on the database and the files of this test."""
    port = free_port()
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = kept | services.environment(f"http://127.0.0.1:{port}") | {"PYTHONPATH": PYTHONPATH}
    database = urlsplit(environment["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    environment |= {"DATABASE_URL": database, "BLOB_ROOT": str(settings.BLOB_ROOT), "SECRET_KEY": settings.SECRET_KEY}
    environment.pop("PLATFORM_SIGNING_KEY_FILE", None)
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(port)]
    child = Child(
        "web", [*command, "--http", "realtime.connections:Connection"], tmp_path / "web.log", environment, ROOT
    )
    start_web(child)
    try:
        yield child
    finally:
        child.stop()


def port_of(web: Child) -> int:
    return int(web.command[web.command.index("--port") + 1])


def start_web(web: Child) -> None:
    log = web.log
    begun = log.read_text().count("Uvicorn running on") if log.exists() else 0
    web.start()
    until("web serves or has ended", lambda: not web.running or log.read_text().count("Uvicorn running on") > begun)
    assert web.running, log.read_text()


def address(order: Order, name: str, data: bytes) -> str:
    until_s = int(time.time()) + 3600
    url = signed_urls.upload_url(order.id, name, size_bytes_max=10_000_000, expires_at_s=until_s)
    return url.replace("{digest}", digest_bytes(data))


def begin(port: int, path: str, data: bytes) -> socket.socket:
    """Send the first bytes of an upload, and leave the connection open."""
    peer = socket.create_connection(("127.0.0.1", port), timeout=FAILS_AFTER_S)
    head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{PROTOCOL_HEADER}: {PROTOCOL_VERSION}\r\n"
    peer.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[:FIRST])
    return peer


def kept(port: int, path: str) -> int:
    return int(Client(port).send("HEAD", path).headers["upload-offset"])


def is_begun(port: int, path: str) -> bool:
    return kept(port, path) > 0


@pytest.mark.parametrize(
    "said", [{"greeting": A, "signature": B}, {"greeting": A, "signature": A}], ids=["two", "equal"]
)
def test_two_payloads_of_an_answer_come_at_once_through_a_web_that_is_killed(
    web: Child, federation: Federation, said: dict[str, bytes]
) -> None:
    played, port = federation.silos[0], port_of(web)
    order = Order.objects.get(silo=played.silo)
    paths = {name: address(order, name, data) for name, data in said.items()}
    with ExitStack() as stack:
        for name, data in said.items():
            stack.enter_context(begin(port, paths[name], data))
        for name in said:
            until(f"bytes of the {name} are kept", partial(is_begun, port, paths[name]))
        web.kill()
    start_web(web)

    def go_on(name: str) -> object:
        data, offset = said[name], kept(port, paths[name])
        assert 0 < offset <= FIRST
        ranges = {"content-range": f"bytes {offset}-{len(data) - 1}/{len(data)}"}
        return Client(port).send("PUT", paths[name], data[offset:], ranges).json

    with ThreadPoolExecutor(len(said)) as threads:
        went = dict(zip(said, threads.map(go_on, said), strict=True))
    assert went == {name: {"complete": True, "offset": len(data)} for name, data in said.items()}
    assert set(Upload.objects.exclude(finished_at=None).values_list("name", flat=True)) == set(said)

    payloads = {
        name: {"kind": "words.ascii", "digest": digest_bytes(data), "size_bytes": len(data)}
        for name, data in said.items()
    }
    document = played.train(order, 0.0, payloads=payloads, evaluation=None, model_digest=None)
    assert answers.answer(document=document, by=played.silo).state == OrderState.SUBMITTED
    assert Payload.objects.filter(order=order).count() == 2
    delete_what_has_served(by=TEST)
    for data in every(said.values()):
        assert store.path_of(digest_bytes(data)).read_bytes() == data
    assert not list((Path(settings.BLOB_ROOT) / "uploads").rglob("*.part"))


def test_an_order_answered_with_equal_payloads_counts_with_both(web: Child, federation: Federation) -> None:
    data, port = A[:90], port_of(web)
    for played in every(federation.silos):
        order = Order.objects.get(silo=played.silo)
        for name in every(("greeting", "signature")):
            assert Client(port).send("PUT", address(order, name, data), data).json["complete"]
        named = {"kind": "words.ascii", "digest": digest_bytes(data), "size_bytes": len(data)}
        payloads = {"greeting": named, "signature": named}
        document = played.train(order, 0.0, payloads=payloads, evaluation=None, model_digest=None)
        answers.answer(document=document, by=played.silo)
    closing.close_step(step_id=order.round_step.id, by=TEST)
    assert [(data.decode(), data.decode())] * len(federation.silos) == import_module(
        "training.engine.kinds.words"
    ).HEARD
