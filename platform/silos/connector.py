"""The connector API: one raw ASGI application that reads, authenticates and hands over to small functions.

What comes before anything is known of its sender is little: 64 kB. A larger body is read once its head is verified.

A handler gets the silo and the body's JSON object and returns what is answered. Waiting for orders is a handler too,
an asynchronous one (`training.engine.long_poll`); apps above register theirs in `config.asgi`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.conf import settings

from audit.actors import System
from federation.errors import FederationError, Invalid
from federation.protocol.documents import DatasetWithdrawal
from federation.protocol.envelope import payload_type_of
from federation.protocol.keys import PublicKey, load_public
from federation.protocol.requests import check_body, check_signed
from federation.validation.encodings import strict_json
from realtime import database
from realtime.http import (
    STRANGER_BYTES_MAX,
    Disconnected,
    Receive,
    Refused,
    Scope,
    Send,
    announced_bytes,
    answer,
    answer_json,
    answer_problem,
    headers_of,
    read_body,
    too_large,
)
from realtime.protocol_versions import check_version
from silos import actions, datasets
from silos.codes import check_usable, hash_of
from silos.health import note_heartbeat
from silos.models import EnrolmentCode, Silo
from silos.refused import noted_for
from silos.requests import SignedRequest, authenticate, check_new_connector, claimed_silo_id

log = logging.getLogger(__name__)
PREFIX = "/connector/v1/"
BODY_BYTES_MAX = 8 << 20

JSON = dict[str, Any]


@dataclass(frozen=True)
class Waiting:
    """A request that may be held. Nothing that it claims is true before `admit` has returned."""

    claimed_silo_id: UUID | None
    admit: Callable[[], tuple[Silo, JSON]]
    """Who asks, and for what: database work, for a thread. Raises as `authenticate` does."""


SyncHandler = Callable[[Silo, JSON], JSON]
AsyncHandler = Callable[[Waiting], Awaitable[bytes]]


class ConnectorApplication:
    """Routes of the connector API."""

    def __init__(self, handlers: Mapping[str, SyncHandler], waiting: Mapping[str, AsyncHandler]) -> None:
        self._handlers = {"heartbeat": heartbeat, "datasets": _dataset, "checkpoints": _gone, **handlers}
        self._waiting = waiting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        name = scope["path"].removeprefix(PREFIX)
        try:
            if name not in _UNENROLLED and name not in self._handlers and name not in self._waiting:
                raise _no_such_address()
            if scope["method"] != "POST":
                raise Refused(405, "method.not_allowed", "This address takes POST.", [(b"allow", b"POST")])
            head = _head(scope)
            if name in _UNENROLLED:
                check_version(head.headers, scope["path"])
                request = await _whole(head, receive, STRANGER_BYTES_MAX)
                reported = await database.run_in_db_thread(_UNENROLLED[name], request)
                await answer_json(send, 201 if name == "enrol" else 200, reported)
            elif name in self._waiting:
                check_signed(head.headers)
                request = await _whole(head, receive, STRANGER_BYTES_MAX)
                await answer(send, 200, await self._waiting[name](_waiting(request)))
            else:
                await answer_json(send, 200, await self._handle(name, head, receive))
        except Disconnected:
            return
        except FederationError as error:
            await answer_problem(send, error)
        except Exception:
            log.exception("%s failed", scope["path"])
            await answer_problem(send, Refused(500, "internal", "The platform failed; it was logged. Try again later."))

    async def _handle(self, name: str, head: SignedRequest, receive: Receive) -> JSON:
        """A small request is checked in one visit to a thread; of a large one the head, before its body is read."""
        silo, size_max = None, STRANGER_BYTES_MAX
        check_signed(head.headers)
        if _is_large(head):
            silo, size_max = await database.run_in_db_thread(authenticate, head), BODY_BYTES_MAX
        request = await _whole(head, receive, size_max)

        def handle() -> JSON:
            known = silo or authenticate(request)
            with noted_for(known.id, known.transport):
                if silo is not None:
                    check_body(request.headers, request.body or b"")
                return self._handlers[name](known, _object(request.body))

        return await database.run_in_db_thread(handle)


def _head(scope: Scope) -> SignedRequest:
    query = scope["query_string"].decode("latin-1")
    path = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
    return SignedRequest("POST", f"{path}?{query}" if query else path, headers_of(scope), None)


def _is_large(head: SignedRequest) -> bool:
    """Whether the body may have more bytes than are taken from strangers. More than from anybody is refused later."""
    announced = announced_bytes(head.headers)
    return announced is None or STRANGER_BYTES_MAX < announced <= BODY_BYTES_MAX


async def _whole(head: SignedRequest, receive: Receive, size_bytes_max: int) -> SignedRequest:
    """The request with its body, unless that is announced as too large."""
    if (announced_bytes(head.headers) or 0) > size_bytes_max:
        raise too_large(size_bytes_max)
    return replace(head, body=await read_body(receive, size_bytes_max))


def _waiting(request: SignedRequest) -> Waiting:
    return Waiting(claimed_silo_id(request.headers), lambda: (authenticate(request), _object(request.body)))


def _object(body: bytes | None) -> JSON:
    try:
        data = strict_json(body or b"")
    except Invalid as error:
        raise Refused(400, "request.malformed", f"The body can't be read: {error.message}") from error
    if not isinstance(data, dict):
        raise Refused(400, "request.malformed", "The body must be a JSON object.")
    return data


def text_of(data: JSON, name: str) -> str:
    """A text field of a request. Raises Invalid ``request.field``."""
    value = data.get(name)
    if not isinstance(value, str) or not value or "\x00" in value:
        raise Invalid("request.field", f"{name} must be a text.", name)
    return value


def envelope_of(data: JSON, name: str = "document") -> bytes:
    """A sealed document of a request, as bytes. Raises Invalid ``request.field``."""
    value = data.get(name)
    if not isinstance(value, dict):
        raise Invalid("request.field", f"{name} must be a DSSE envelope.", name)
    return json.dumps(value, separators=(",", ":")).encode()


def _enrol(request: SignedRequest) -> JSON:
    data = _object(request.body)
    transport_key = PublicKey.from_encoded(text_of(data, "transport_key"))
    check_new_connector(request, transport_key)
    keys = load_public(settings.PLATFORM_PUBLIC_KEY_FILE)
    if "platform_key" in data:
        _check_pinned(text_of(data, "platform_key"), keys)
    silo = actions.enrol(
        code=text_of(data, "code"),
        transport_key=transport_key,
        statement=envelope_of(data, "statement"),
        certificate=envelope_of(data, "certificate"),
        by=System("enrolment"),
    )
    return {
        "silo_id": str(silo.id),
        "silo": silo.name,
        "organisation_id": str(silo.organisation_id),
        "organisation": silo.organisation.name,
        "state": "pending",
        "platform_keys": _shown(keys),
    }


def _shown(keys: Sequence[PublicKey]) -> list[JSON]:
    return [{"key_id": key.key_id, "public_key": key.encoded} for key in keys]


def _check_pinned(fingerprint: str, keys: Sequence[PublicKey]) -> None:
    """Raise Invalid ``enrolment.platform_key`` unless the connector pinned a key of ours: else it takes no order."""
    if fingerprint not in {key.fingerprint for key in keys}:
        raise Invalid(
            "enrolment.platform_key",
            "connector.toml names another key of the platform than this one. Compare it with the silo's page.",
            "platform_key",
        )


def heartbeat(silo: Silo, data: JSON) -> JSON:
    """Keep what a silo says of its health."""
    note_heartbeat(by=silo, report=data)
    return {"state": silo.state}


def _dataset(silo: Silo, data: JSON) -> JSON:
    document = envelope_of(data)
    if payload_type_of(document) == DatasetWithdrawal.payload_type:
        withdrawn = datasets.accept_withdrawal(withdrawal=document, by=silo)
        return {"dataset_id": str(withdrawn.id) if withdrawn else None}
    return {"dataset_id": str(datasets.register(registration=document, by=silo).id)}


def _no_such_address() -> Refused:
    return Refused(404, "not_found", "The connector API has no such address.")


def _gone(_silo: Silo, _data: JSON) -> JSON:
    """An address of protocol 1.0: anyone who still speaks that was instructed to upgrade before its request came here.

    With a 404 its relay would give up for good what it carries.
    """
    raise _no_such_address()


def _code(request: SignedRequest) -> JSON:
    """Whether a code could be used now, for anyone who holds it, and which keys are ours; asking changes nothing."""
    code = text_of(_object(request.body), "code")
    row = check_usable(EnrolmentCode.objects.select_related("silo").filter(code_hash=hash_of(code)).first())
    keys = _shown(load_public(settings.PLATFORM_PUBLIC_KEY_FILE))
    return {
        "state": "valid",
        "silo": row.silo.name,
        "expires_at": row.expires_at.isoformat(),
        "platform_keys": keys,
    }


_UNENROLLED: Mapping[str, Callable[[SignedRequest], JSON]] = {"enrol": _enrol, "enrolment-code": _code}
