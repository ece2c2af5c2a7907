"""A small platform for the connector's tests: real HTTP, real signatures, faults on demand. It knows one silo."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from aiohttp import web
from aiohttp.test_utils import TestServer

from federation.errors import FederationError
from federation.learning.models import parse_model
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import (
    BlobReference,
    CohortMember,
    DatasetRegistration,
    EnrolmentStatement,
    Manifest,
    Order,
    OrderKind,
    SiloCertificate,
    Submission,
    Weighting,
    now,
    read,
    sign_document,
    verify_document,
)
from federation.protocol.envelope import payload_unverified
from federation.protocol.keys import PrivateKey, PublicKey
from federation.protocol.requests import verify_request
from federation.protocol.rows import upper_edge
from federation.protocol.tensors import Layout, encode_header
from federation.targets import target_of
from tests.support.patience import FAILS_AFTER_S
from tests.unit.silo_connector.addresses import blob_url, grant
from tests.unit.silo_connector.fake_answers import CUT as CUT
from tests.unit.silo_connector.fake_answers import POLL_S, VALID_CODE, without_held
from tests.unit.silo_connector.fake_answers import Answer as Answer
from tests.unit.silo_connector.fake_answers import problem as problem


@dataclass
class FakePlatform:
    """State that a test sets and reads."""

    key: PrivateKey = field(default_factory=PrivateKey.generate)
    code: str = "ABCD-EFGH"
    code_used_by: tuple[str, str] | None = None
    """The transport and identity key that the code has enrolled."""
    answer_to_enrolment: asyncio.Event | None = None
    """If set, an enrolment is taken and answered only once this is."""
    enrolment_taken: asyncio.Event = field(default_factory=asyncio.Event)
    silo_id: UUID = field(default_factory=uuid4)
    state: str = "active"
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    successions: list[Any] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    kept: dict[str, bytearray] = field(default_factory=dict)
    complete: set[str] = field(default_factory=set)
    submissions: list[dict[str, Any]] = field(default_factory=list)
    datasets: list[dict[str, Any]] = field(default_factory=list)
    heartbeats: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    blob_limit_bytes: int | None = None
    held: list[list[str]] = field(default_factory=list)
    held_documents: list[list[str]] = field(default_factory=list)
    delivered: list[dict[str, Any]] = field(default_factory=list)
    faults: deque[tuple[str, Answer | str]] = field(default_factory=deque)
    constant: Answer = field(default_factory=lambda: Answer(503))
    upload_limit_bytes: int | None = None
    upload_pause_bytes: int | None = None
    upload_paused: asyncio.Event = field(default_factory=asyncio.Event)
    transport: PublicKey | None = None
    identity: PublicKey | None = None
    signatory: PublicKey | None = None
    certificate: str | None = None
    consortium_id: UUID = field(default_factory=uuid4)
    partner: PrivateKey = field(default_factory=PrivateKey.generate)
    """The signatory key of another member."""
    agreement: bytes | None = None
    """The agreement under which jobs are launched, as it is sent with orders."""
    signatures: list[dict[str, Any]] = field(default_factory=list)
    reviews: list[dict[str, Any]] = field(default_factory=list)
    nonces: set[str] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    # -- what a test does ------------------------------------------------------------------------------------------

    def issue(self, order: Order, manifest: Manifest) -> str:
        """Give an order to the silo."""
        self.orders[str(order.order_id)] = {
            "order": json.loads(sign_document(order, self.key)),
            "manifest": json.loads(sign_document(manifest, self.key)),
            "agreement": None if self.agreement is None else json.loads(self.agreement),
        }
        self.changed.set()
        return str(order.order_id)

    def fail(self, path: str, *answers: Answer | str) -> None:
        """Answer the next requests under a path with these, once each; "cut" ends the connection."""
        self.faults.extend((path, answer) for answer in answers)

    async def until(self, condition: Any, timeout_s: float = FAILS_AFTER_S) -> None:
        """Wait for something to become true."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.01)

    # -- the server ------------------------------------------------------------------------------------------------

    async def start(self, tls: ssl.SSLContext | None = None) -> TestServer:
        """Serve on a loopback port."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/connector/v1/enrol", self._enrol)
        app.router.add_post("/connector/v1/enrolment-code", self._code)
        app.router.add_post("/connector/v1/{name}", self._call)
        app.router.add_get("/connector/v1/blobs/{digest}", self._blob)
        app.router.add_route("HEAD", "/connector/v1/uploads/{order}/{name}/{digest}", self._upload_head)
        app.router.add_put("/connector/v1/uploads/{order}/{name}/{digest}", self._upload)
        server = TestServer(app, scheme="http" if tls is None else "https")
        await server.start_server(ssl=tls)
        self.url = str(server.make_url("")).rstrip("/")
        return server

    def _fault(self, request: web.Request) -> web.Response | None:
        self.requests.append((request.method, request.path))
        for index, (path, answer) in enumerate(self.faults):
            if request.path.startswith(path):
                if answer is not self.constant:
                    del self.faults[index]
                if isinstance(answer, str):
                    assert request.transport is not None
                    request.transport.abort()
                    return web.Response(status=599)
                return answer.response()
        return None

    async def _enrol(self, request: web.Request) -> web.Response:
        if (fault := self._fault(request)) is not None:
            return fault
        body = await request.read()
        content = json.loads(body)
        transport = PublicKey.from_encoded(content["transport_key"])
        verify_request("POST", request.path_qs, request.headers, body, {transport.key_id: transport}.get)
        if content["platform_key"] != self.key.public.fingerprint:
            return problem(422, "enrolment.platform_key").response()
        if content["code"] != self.code:
            return problem(409, "enrolment.code_unknown").response()
        statement_sealed = json.dumps(content["statement"]).encode()
        statement = read(EnrolmentStatement, payload_unverified(statement_sealed))
        verify_document(EnrolmentStatement, statement_sealed, [PublicKey.from_encoded(statement.identity_key)])
        signatory = PublicKey.from_encoded(statement.signatory_key)
        certificate = verify_document(SiloCertificate, json.dumps(content["certificate"]).encode(), [signatory])
        assert certificate.identity_key == statement.identity_key
        if self.code_used_by not in (None, (transport.key_id, statement.identity_key)):
            return problem(409, "enrolment.code_used").response()
        self.code_used_by = transport.key_id, statement.identity_key
        self.transport, self.signatory = transport, signatory
        self.certificate = json.dumps(content["certificate"])
        self.identity = PublicKey.from_encoded(statement.identity_key)
        self.enrolment_taken.set()
        if self.answer_to_enrolment is not None:
            await self.answer_to_enrolment.wait()
        names = {"organisation": "Org", "silo": "Silo", "platform_keys": self._keys()}
        return web.json_response({"silo_id": str(self.silo_id), "state": "pending", **names}, status=201)

    def _keys(self) -> list[dict[str, str]]:
        return [{"key_id": self.key.public.key_id, "public_key": self.key.public.encoded}]

    async def _code(self, request: web.Request) -> web.Response:
        if (fault := self._fault(request)) is not None:
            return fault
        if (await request.json())["code"] != self.code:
            return problem(404, "enrolment.code_unknown").response()
        if self.code_used_by is not None:
            return problem(409, "enrolment.code_used").response()
        return web.json_response(VALID_CODE | {"platform_keys": self._keys()})

    async def _call(self, request: web.Request) -> web.Response:
        if (fault := self._fault(request)) is not None:
            return fault
        body = await request.read()
        assert self.transport is not None
        try:
            known = {self.transport.key_id: self.transport}.get
            verified = verify_request("POST", request.path_qs, request.headers, body, known)
        except FederationError as error:
            return problem(401, error.code).response()
        if verified.nonce in self.nonces:
            return problem(401, "signature.replayed").response()
        self.nonces.add(verified.nonce)
        if self.state != "active":
            return problem(403, self.state).response()
        content = json.loads(body)
        name = request.match_info["name"]
        if name == "orders":
            return await self._orders(content)
        if name == "submissions":
            return self._submission(content)
        if name == "agreements":
            self.signatures.append(content["document"])
            return web.json_response({"state": "signing", "missing": ["Org 1"]})
        if name == "code-reviews":
            self.reviews.append(content["document"])
            return web.json_response({"reviewers": 1})
        {"datasets": self.datasets, "heartbeat": self.heartbeats}[name].append(content)
        return web.json_response({"dataset_id": str(uuid4()), "state": "active"})

    async def _orders(self, content: dict[str, Any]) -> web.Response:
        self.held.append(content["held"])
        self.held_documents.append(content.get("documents", []))
        deadline = asyncio.get_running_loop().time() + min(content["wait_s"], POLL_S)
        while True:
            self.changed.clear()
            new = [entry for order_id, entry in self.orders.items() if order_id not in content["held"]]
            orders = [without_held(entry, content.get("documents", [])) for entry in new]
            cancelled = [order_id for order_id in content["held"] if order_id in self.cancelled]
            left = deadline - asyncio.get_running_loop().time()
            if orders or cancelled or left <= 0:
                self.delivered += orders
                more = {"successions": self.successions} if self.successions else {}
                return web.json_response({"orders": orders, "cancelled": cancelled, **more})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self.changed.wait()

    def _submission(self, content: dict[str, Any]) -> web.Response:
        payload = json.loads(payload_unverified(json.dumps(content["document"]).encode()))
        order_id, named = payload["order_id"], payload.get("payloads", {})
        for name, text in content.get("payloads", {}).items():
            data = base64.b64decode(text)
            if name not in named or digest_bytes(data) != named[name]["digest"]:
                return problem(422, "blob.digest_mismatch").response()
            self.kept[digest_bytes(data)] = bytearray(data)
            self.complete.add(digest_bytes(data))
        if any(one["digest"] not in self.complete for one in named.values()):
            return problem(409, "submission.payload_missing").response()
        self.submissions.append(content["document"])
        self.orders.pop(order_id, None)
        return web.json_response({"state": "submitted" if "kind" in payload else "refused", "code": None})

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        if (fault := self._fault(request)) is not None:
            return fault
        data = self.blobs.get(request.match_info["digest"])
        if data is None:
            return problem(404, "blob.not_found").response()
        self.ranges.append(request.headers.get("Range", ""))
        begin = int(request.headers.get("Range", "bytes=0-")[6:].rstrip("-"))
        if self.blob_limit_bytes is not None:
            return await self._part_of_blob(request, data[begin:])
        headers = {"Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"} if begin else {}
        return web.Response(body=data[begin:], status=206 if begin else 200, headers=headers)

    async def _part_of_blob(self, request: web.Request, data: bytes) -> web.StreamResponse:
        """Promise all, send a part, cut the connection."""
        answer = web.StreamResponse(headers={"Content-Length": str(len(data))})
        await answer.prepare(request)
        await answer.write(data[: self.blob_limit_bytes])
        self.blob_limit_bytes = None
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        return answer

    async def _upload_head(self, request: web.Request) -> web.Response:
        if (fault := self._fault(request)) is not None:
            return fault
        digest = request.match_info["digest"]
        headers = {"Upload-Offset": str(len(self.kept.get(digest, b"")))}
        return web.Response(headers=headers | ({"Upload-Complete": "?1"} if digest in self.complete else {}))

    async def _upload(self, request: web.Request) -> web.Response:
        if (fault := self._fault(request)) is not None:
            return fault
        digest = request.match_info["digest"]
        self.ranges.append(request.headers["Content-Range"])
        span, _, total = request.headers["Content-Range"].removeprefix("bytes ").partition("/")
        begin = int(span.partition("-")[0])
        kept = self.kept.setdefault(digest, bytearray())
        if begin != len(kept):
            return problem(409, "upload.offset", **{"Upload-Offset": str(len(kept))}).response()
        async for block in request.content.iter_any():
            kept += block
            if self.upload_pause_bytes is not None and len(kept) >= self.upload_pause_bytes:
                self.upload_pause_bytes = None
                self.upload_paused.set()
                await asyncio.sleep(3)
            if self.upload_limit_bytes is not None and len(kept) >= self.upload_limit_bytes:
                self.upload_limit_bytes = None
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
        if len(kept) == int(total):
            if digest_bytes(bytes(kept)) != digest:
                del self.kept[digest]
                return problem(422, "blob.digest_mismatch").response()
            self.complete.add(digest)
        return web.json_response({"complete": digest in self.complete, "offset": len(kept)})

    # -- what it would say -----------------------------------------------------------------------------------------

    def answered(self, index: int = -1) -> Submission:
        """A submission that came in, verified."""
        assert self.identity is not None
        return verify_document(Submission, json.dumps(self.submissions[index]).encode(), [self.identity])

    def registration(self, index: int = -1) -> DatasetRegistration:
        """A registration that came in, verified."""
        sealed = json.dumps(self.datasets[index]["document"]).encode()
        return verify_document(DatasetRegistration, sealed, [self.identity] if self.identity else [])

    def manifest(self, schema_digest: str, features: int, **changes: Any) -> Manifest:
        """A job that fits the silo's dataset."""
        assert self.identity is not None
        assert self.signatory is not None
        model = changes.pop("model", {"family": "logistic"})
        family, spec = parse_model(model)
        rows_coarse = changes.pop("rows_coarse", 60)
        layout = changes.pop("layout", family.layout(spec, features, target_of("binary", 2)))
        member = CohortMember(
            silo_id=self.silo_id,
            organisation="Org",
            silo="Silo",
            dataset_id=uuid4(),
            dataset="tiny",
            schema_digest=schema_digest,
            identity_key=self.identity.encoded,
            signatory_key=self.signatory.encoded,
            certificate=self.certificate,
            rows_coarse=rows_coarse,
            weight_max=changes.pop("weight_max", upper_edge(rows_coarse)),
        )
        content: dict[str, Any] = {
            "job_id": uuid4(),
            "consortium_id": self.consortium_id,
            "name": "job",
            "launched_by": "somebody",
            "task": "train",
            "purpose": "test",
            "model": model,
            "n_features": features,
            "n_classes": 2,
            "layout": layout,
            "initial_model_digest": digest_bytes(weights_of(layout)),
            "agreement_digest": None if self.agreement is None else digest_bytes(payload_unverified(self.agreement)),
            "strategy": {"name": "fedavg"},
            "local": {"steps": 5, "batch_size": 4, "learning_rate": 0.1},
            "rounds": 10,
            "quorum": 1,
            "round_deadline_s": 60,
            "protection": {"mode": "clear"},
            "limits": {"update_norm_l2_max": 1e4, "minimum_cell": 1},
            "weighting": Weighting(train_fraction=0.66),
            "seed": 7,
            "cohort": (member,),
            "created_at": now(),
        }
        return Manifest.model_validate(content | changes)

    def order(self, manifest: Manifest, weights: bytes, **changes: Any) -> Order:
        """An order of that job with this model."""
        digest = digest_bytes(weights)
        self.blobs[digest] = weights
        order_id = changes.pop("order_id", uuid4())
        content: dict[str, Any] = {
            "order_id": order_id,
            "number": 1,
            "kind": OrderKind.TRAIN,
            "silo_id": self.silo_id,
            "job_id": manifest.job_id,
            "manifest_digest": digest_bytes(sign_document(manifest, self.key)),
            "round": 1,
            "attempt": 1,
            "inputs": {"model": BlobReference(digest=digest, size_bytes=len(weights), url=blob_url(digest))},
            "outputs": {"update": grant(order_id, "update", "update.f32")},
            "issued_at": now(),
            "expires_at": now() + timedelta(minutes=10),
        }
        return Order.model_validate(content | changes)


def weights_of(layout: Layout, fill: float = 0.0) -> bytes:
    """The bytes of a model of this layout."""
    count = sum(spec.size for spec in layout)
    return encode_header(layout) + np.full(count, fill, "<f4").tobytes()
