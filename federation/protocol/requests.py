"""Signed requests between a relay and the platform: HTTP Message Signatures (RFC 9421) with Ed25519, no I/O.

Covered are the method, the path, the query, the body (Content-Digest, RFC 9530), the silo that speaks and the version
of the protocol that it speaks; a request of 1.0 signs no version, and counts as what it is. The host is not covered,
since proxies may change it, and a key serves one platform only. A signature holds for a minute; that its nonce is new
is for the platform to check, which keeps nonces for at least twice that long.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from http_message_signatures import (
    ContentDigest,
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
)
from http_message_signatures.algorithms import ED25519

from federation.errors import Untrusted
from federation.protocol import PROTOCOL_VERSION
from federation.protocol.keys import PrivateKey, PublicKey

LABEL = "sig1"
TAG = "consilience-connector"
CLOCK_SKEW_S = 60
_OLDEST = "1.0"
_VERSION = re.compile(r"1\.([1-9][0-9]{0,2})")
SILO_HEADER = "Consilience-Silo"
PROTOCOL_HEADER = "Consilience-Protocol"
_NONCE_BYTES = 18
_NONCE_LENGTH_MIN, _NONCE_LENGTH_MAX = 22, 100
# What a template is filled in at; nobody outside can put one of them into a path.
_BLANK_CREATED, _BLANK_NONCE = str(5_000_000_000 + secrets.randbelow(4_000_000_000)), secrets.token_hex(16)
_BLANK_BODY = secrets.token_bytes(16)
_ORIGIN = "https://connector.invalid"  # the library wants a whole address; the host is not covered


class ClockOff(Untrusted):
    """A request that its key signed, at a time that is too far from now: ``signature.clock``.

    `skew_s` is by how many seconds the signer's clock is ahead of ours, negative where it is behind.
    """

    def __init__(self, skew_s: float) -> None:
        way = "ahead of" if skew_s > 0 else "behind"
        super().__init__(
            "signature.clock",
            f"Your clock is {abs(skew_s):.0f} s {way} ours; {CLOCK_SKEW_S} s are allowed. Set it by NTP.",
        )
        self.skew_s = skew_s


@dataclass(frozen=True)
class VerifiedRequest:
    """Who signed a request, once: the platform still has to see that the nonce is new."""

    key_id: str
    nonce: str
    created: datetime
    silo_id: str | None


def new_nonce() -> str:
    """A nonce that has not been before (144 random bits)."""
    return base64.b64encode(secrets.token_bytes(_NONCE_BYTES)).decode()


def sign_request(
    method: str,
    path_with_query: str,
    body: bytes | None,
    key: PrivateKey,
    silo_id: str | None = None,
    now: datetime | None = None,
    nonce: str | None = None,
) -> dict[str, str]:
    """The headers that make this request ours: digest, signature, silo and protocol version.

    `path_with_query` is the encoded path as it goes over the wire; `body` is None for a request without one.
    """
    headers = {PROTOCOL_HEADER: PROTOCOL_VERSION}
    if silo_id is not None:
        headers[SILO_HEADER] = silo_id
    if body:
        headers["Content-Digest"] = _digest(body)
    created = int((now or datetime.now(UTC)).timestamp())
    base, parameters = _template(method, path_with_query, silo_id, key.public.key_id, bool(body))
    for blank, value in (
        (_BLANK_CREATED, str(created)),
        (_BLANK_NONCE, nonce or new_nonce()),
        (_digest(_BLANK_BODY), headers.get("Content-Digest", "")),
    ):
        base, parameters = base.replace(blank, value), parameters.replace(blank, value)
    headers["Signature-Input"] = f"{LABEL}={parameters}"
    headers["Signature"] = f"{LABEL}=:{base64.b64encode(key.sign(base.encode())).decode()}:"
    return headers


def _digest(body: bytes) -> str:
    """A body's Content-Digest (RFC 9530, 2)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


@lru_cache(maxsize=64)
def _template(method: str, path_with_query: str, silo_id: str | None, key_id: str, has_body: bool) -> tuple[str, str]:
    """The library's signature base and parameters with blanks for what changes from request to request.

    A relay signs the same few requests over and over, and to write one out costs ten times what the signature does.
    """
    headers = {PROTOCOL_HEADER: PROTOCOL_VERSION} | ({} if silo_id is None else {SILO_HEADER: silo_id})
    prepared = HTTPMessageSigner(signature_algorithm=ED25519).prepare(
        _Message(method, _ORIGIN + path_with_query, headers),
        key_id=key_id,
        created=datetime.fromtimestamp(int(_BLANK_CREATED), UTC),
        nonce=_BLANK_NONCE,
        label=LABEL,
        tag=TAG,
        include_alg=False,
        covered_component_ids=_components(with_body=False, with_silo=silo_id is not None, with_version=True),
        body=_BLANK_BODY if has_body else None,
    )
    return prepared.signature_base.decode(), str(prepared.signature_params)


def claimed_key_id(headers: Mapping[str, str]) -> str | None:
    """The key id that a request claims, unverified: only for looking the key up."""
    value = {name.lower(): text for name, text in headers.items()}.get("signature-input", "")
    _, found, rest = value.partition(';keyid="')
    return rest.partition('"')[0] if found else None


def verify_request(
    method: str,
    path_with_query: str,
    headers: Mapping[str, str],
    body: bytes | None,
    key_resolver: Callable[[str], PublicKey | None],
    now: datetime | None = None,
) -> VerifiedRequest:
    """Check the signature of a request against the key that `key_resolver` knows under its id.

    Raises Untrusted ``signature.missing`` without a signature, ClockOff when the key signed it more than a minute from
    now, and Untrusted ``signature.invalid`` for everything else: the reason stays with us.
    """
    try:
        verified = verify_headers(method, path_with_query, headers, key_resolver, with_body=bool(body), now=now)
    except ClockOff:
        if body:
            check_body(headers, body)  # a body that is not the signed one says more than a clock that is off
        raise
    if body:
        check_body(headers, body)
    return verified


def verify_headers(
    method: str,
    path_with_query: str,
    headers: Mapping[str, str],
    key_resolver: Callable[[str], PublicKey | None],
    *,
    with_body: bool,
    now: datetime | None = None,
) -> VerifiedRequest:
    """The same before the body has come: of a body only its digest is signed, which `check_body` holds it to.

    Raises as `verify_request` does.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    check_signed(lowered)
    required = _components(
        with_body=with_body,
        with_silo=SILO_HEADER.lower() in lowered,
        with_version=spoken_version(lowered) != _OLDEST,
    )
    verifier = _Verifier(key_resolver, now or datetime.now(UTC))
    try:
        results = verifier.verify(
            _Message(method, _ORIGIN + path_with_query, lowered),
            max_age=None,  # the clock is _Verifier's
            expect_tag=TAG,
            expect_label=LABEL,
            require_components=required,
        )
    except HTTPMessageSignaturesException as error:
        raise _invalid() from error
    (result,) = results
    nonce = result.nonce or ""
    if not _NONCE_LENGTH_MIN <= len(nonce) <= _NONCE_LENGTH_MAX:
        raise _invalid()
    if abs(verifier.skew_s) > CLOCK_SKEW_S:
        raise ClockOff(verifier.skew_s)
    created = datetime.fromtimestamp(int(result.parameters["created"]), UTC)
    return VerifiedRequest(str(result.parameters["keyid"]), nonce, created, lowered.get(SILO_HEADER.lower()))


def spoken_version(headers: Mapping[str, str]) -> str:
    """The version of the protocol that a request says it speaks; ``1.0`` where it says nothing. Names in lower case."""
    return headers.get(PROTOCOL_HEADER.lower(), _OLDEST).strip()[:20]


def is_understood(version: str) -> bool:
    """Whether this side can talk with one that speaks this version: 1.1, and what later minor versions say of it."""
    return _VERSION.fullmatch(version) is not None


def check_signed(headers: Mapping[str, str]) -> None:
    """Raise Untrusted ``signature.missing`` unless there is something to verify. Names of headers are in lower case."""
    if "signature" not in headers or "signature-input" not in headers:
        raise Untrusted("signature.missing", "The request carries no signature.")


def check_body(headers: Mapping[str, str], body: bytes) -> None:
    """Raise Untrusted ``signature.invalid`` unless this is the body whose digest the verified headers carry."""
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        ContentDigest.verify(lowered.get("content-digest", ""), body)
    except (HTTPMessageSignaturesException, ValueError) as error:
        raise _invalid() from error


def _components(*, with_body: bool, with_silo: bool, with_version: bool) -> tuple[str, ...]:
    silo = (SILO_HEADER.lower(),) if with_silo else ()
    version = (PROTOCOL_HEADER.lower(),) if with_version else ()
    return ("@method", "@path", "@query", *silo, *version, *(("content-digest",) if with_body else ()))


def _invalid() -> Untrusted:
    return Untrusted("signature.invalid", "The signature of the request does not hold.")


@dataclass
class _Message:
    """A request as the library wants to see it."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


class _KnownKeys(HTTPSignatureKeyResolver):
    def __init__(self, resolve: Callable[[str], PublicKey | None]) -> None:
        self._resolve = resolve

    def resolve_public_key(self, key_id: str) -> Any:
        key = self._resolve(key_id)
        return None if key is None else Ed25519PublicKey.from_public_bytes(key.raw)


class _Verifier(HTTPMessageVerifier):
    """The library's verifier with our clock, which is checked once the signature holds: a stranger has no clock."""

    def __init__(self, resolve: Callable[[str], PublicKey | None], now: datetime) -> None:
        super().__init__(signature_algorithm=ED25519, key_resolver=_KnownKeys(resolve))
        self._now = now
        self.skew_s = 0.0

    def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
        created = sig_input.params.get("created")
        if type(created) is not int:
            raise _invalid()
        self.skew_s = created - self._now.timestamp()
