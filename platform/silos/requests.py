"""Who sends a request to the connector API: the signature, the nonce, and the silo behind the key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.utils import timezone

from federation.errors import Untrusted
from federation.protocol.keys import PublicKey
from federation.protocol.requests import CLOCK_SKEW_S, SILO_HEADER, verify_request
from live.http import Refused
from silos.models import Silo
from silos.transitions import SiloState


@dataclass(frozen=True)
class SignedRequest:
    """A request as it came."""

    method: str
    path_with_query: str
    headers: Mapping[str, str]
    body: bytes


def authenticate(request: SignedRequest, *, unconfirmed: bool = False) -> Silo:
    """The silo that signed this request, seen for the first time.

    Raises Untrusted ``signature.*``; Refused 403 ``silo.unconfirmed`` or ``silo.revoked`` when it may not work.
    """
    silo = _claimed(request.headers)
    transport = silo.transport if silo else None
    verified = verify_request(
        request.method,
        request.path_with_query,
        request.headers,
        request.body,
        lambda key_id: transport if transport is not None and transport.key_id == key_id else None,
    )
    assert silo is not None
    _remember(verified.key_id, verified.nonce)
    if silo.state == SiloState.REVOKED:
        raise Refused(403, "silo.revoked", "This silo was revoked. It can be enrolled again with a new code.")
    if silo.state != SiloState.ACTIVE and not unconfirmed:
        raise Refused(
            403, "silo.unconfirmed", "An administrator of the own organisation still has to confirm this silo."
        )
    return silo


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


def _claimed(headers: Mapping[str, str]) -> Silo | None:
    try:
        silo_id = UUID(headers.get(SILO_HEADER.lower(), ""))
    except ValueError:
        return None
    return Silo.objects.filter(id=silo_id).order_by("pk").first()


def _remember(key_id: str, nonce: str) -> None:
    """Raise Untrusted ``signature.replayed`` when this nonce was seen before.

    The commit does not wait for the disk. Were the last second of nonces lost in a crash of the database, a request
    repeated in that minute would do nothing new: every request of the connector API is idempotent or single-use.
    """
    expires_at = timezone.now() + timedelta(seconds=2 * CLOCK_SKEW_S)
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true)) "
            "INSERT INTO silos_requestnonce (key_id, nonce, expires_at) SELECT %s, %s, %s FROM relaxed "
            "ON CONFLICT DO NOTHING",
            [key_id, nonce, expires_at],
        )
        if cursor.rowcount == 0:
            raise Untrusted("signature.replayed", "This request was seen before.")
