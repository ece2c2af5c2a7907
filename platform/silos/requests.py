"""Who sends a request to the connector API: the signature, the nonce, and the silo behind the key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from federation.errors import Untrusted
from federation.protocol.keys import PublicKey
from federation.protocol.requests import (
    CLOCK_SKEW_S,
    SILO_HEADER,
    check_body,
    claimed_key_id,
    verify_headers,
    verify_request,
)
from realtime import database
from realtime.http import Refused
from realtime.protocol_versions import check_version
from silos import throttle
from silos.models import Silo
from silos.refused import noted_for
from silos.transitions import SiloState

# The commit of a nonce does not wait for the disk. Were the last second of them lost in a crash of the database, a
# request repeated in that minute would do nothing new: each of the connector API is idempotent or single-use.
_REMEMBER = """
    WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
    INSERT INTO silos_requestnonce (key_id, nonce, expires_at)
    SELECT %(key_id)s, %(nonce)s, %(expires_at)s FROM relaxed
    ON CONFLICT DO NOTHING RETURNING true
"""
_SILO_FIELDS = ("id", "organisation_id", "name", "state", "identity_key", "transport_key")
_REMEMBER_OF_SILO = """
    WITH silo AS (
        SELECT id, organisation_id, name, state, identity_key, transport_key FROM silos_silo
        WHERE id = %(silo)s AND transport_key = %(transport)s
    ), relaxed AS (
        SELECT set_config('synchronous_commit', 'off', true)
    ), new AS (
        INSERT INTO silos_requestnonce (key_id, nonce, expires_at)
        SELECT %(key_id)s, %(nonce)s, %(expires_at)s FROM relaxed, silo
        ON CONFLICT DO NOTHING RETURNING true
    )
    SELECT silo.*, EXISTS (SELECT FROM new) FROM silo
"""
_KEYS_MAX = 10_000
_ACTIVE = "SELECT state, transport_key FROM silos_silo WHERE id = %(silo)s"
_keys: dict[UUID, PublicKey] = {}
"""Transport keys by silo, to verify with; every request asks the database whether the key is still the silo's."""


@dataclass(frozen=True)
class SignedRequest:
    """A request as it came, or its head while the body is yet to come."""

    method: str
    path_with_query: str
    headers: Mapping[str, str]
    body: bytes | None
    """None before it was read: then its digest is signed, and `check_body` is still to be called."""


def authenticate(request: SignedRequest, *, unconfirmed: bool = False) -> Silo:
    """The silo that signed this request, seen for the first time.

    Raises Untrusted ``signature.*``; Refused 403 ``silo.unconfirmed`` or ``silo.revoked`` when it may not work, 429
    ``silo.throttled`` when it asks too often, 426 ``protocol.version`` when it speaks an older protocol.
    """
    silo_id = claimed_silo_id(request.headers)
    transport = None if silo_id is None else _transport_key(silo_id, request.headers)
    with noted_for(silo_id, transport):
        return _admitted(request, silo_id, transport, unconfirmed=unconfirmed)


def _admitted(request: SignedRequest, silo_id: UUID | None, transport: PublicKey | None, *, unconfirmed: bool) -> Silo:
    verified = verify_headers(
        request.method,
        request.path_with_query,
        request.headers,
        lambda key_id: transport if transport is not None and transport.key_id == key_id else None,
        with_body=request.body != b"",
    )
    if request.body:
        check_body(request.headers, request.body)
    assert silo_id is not None
    assert transport is not None
    throttle.check(silo_id)
    silo = _remember_of(silo_id, transport, verified.nonce)
    throttle.count_request(silo_id)
    check_version(request.headers, request.path_with_query)
    if not unconfirmed or silo.state == SiloState.REVOKED:
        _check_may_work(silo.state)
    return silo


def check_still_admitted(silo: Silo) -> None:
    """A silo whose request was held may still work, by the key that it signed with.

    Raises Refused 403 ``silo.revoked`` or ``silo.unconfirmed``, Untrusted ``signature.invalid``.
    """
    found = database.fetch(_ACTIVE, {"silo": silo.id})
    if not found or found[0][1] is None or bytes(found[0][1]) != bytes(silo.transport_key or b""):
        raise Untrusted("signature.invalid", "The signature of the request does not hold.")
    _check_may_work(found[0][0])


def _check_may_work(state: str) -> None:
    if state == SiloState.REVOKED:
        raise Refused(403, "silo.revoked", "This silo was revoked. It can be enrolled again with a new code.")
    if state != SiloState.ACTIVE:
        raise Refused(
            403, "silo.unconfirmed", "An administrator of the own organisation still has to confirm this silo."
        )


def check_new_connector(request: SignedRequest, transport_key: PublicKey) -> None:
    """The sender of an enrolment holds the transport key that it presents."""
    verified = verify_request(
        request.method,
        request.path_with_query,
        request.headers,
        request.body,
        lambda key_id: transport_key if transport_key.key_id == key_id else None,
    )
    _remember(verified.key_id, verified.nonce)


def claimed_silo_id(headers: Mapping[str, str]) -> UUID | None:
    """The silo that a request says it is from."""
    try:
        return UUID(headers.get(SILO_HEADER.lower(), ""))
    except ValueError:
        return None


def _transport_key(silo_id: UUID, headers: Mapping[str, str]) -> PublicKey | None:
    """The key to verify with, from memory if that is the one claimed. Whether it still is the silo's is seen later."""
    known = _keys.get(silo_id)
    if known is not None and known.key_id == claimed_key_id(headers):
        return known
    raw = Silo.objects.filter(id=silo_id).order_by("pk").values_list("transport_key", flat=True).first()
    if raw is None:
        return None
    if len(_keys) >= _KEYS_MAX:
        _keys.clear()
    _keys[silo_id] = PublicKey(bytes(raw))
    return _keys[silo_id]


def _remember_of(silo_id: UUID, transport: PublicKey, nonce: str) -> Silo:
    """The silo as it is now, and its nonce recorded, in one statement.

    Raises Untrusted ``signature.invalid`` when this is no longer its key, ``signature.replayed``.
    """
    rows = database.fetch(
        _REMEMBER_OF_SILO,
        {
            "silo": silo_id,
            "transport": transport.raw,
            "key_id": transport.key_id,
            "nonce": nonce,
            "expires_at": _forgotten_at(),
        },
    )
    if not rows:
        raise Untrusted("signature.invalid", "The signature of the request does not hold.")
    *values, is_new = rows[0]
    if not is_new:
        raise Untrusted("signature.replayed", "This request was seen before.")
    return Silo.from_db("default", _SILO_FIELDS, values)


def _remember(key_id: str, nonce: str) -> None:
    """Raise Untrusted ``signature.replayed`` when this nonce was seen before."""
    new = database.fetch(_REMEMBER, {"key_id": key_id, "nonce": nonce, "expires_at": _forgotten_at()})
    if not new:
        raise Untrusted("signature.replayed", "This request was seen before.")


def _forgotten_at() -> datetime:
    return timezone.now() + timedelta(seconds=2 * CLOCK_SKEW_S)
