"""The one form in which `sign_request` writes signatures: written, and verified, by filling a template in.

The template is the signature library's own work. What has any other form is left to that library.
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

from http_message_signatures import HTTPMessageSignaturesException, HTTPMessageSigner
from http_message_signatures.algorithms import ED25519

from federation.errors import Untrusted
from federation.protocol import PROTOCOL_VERSION
from federation.protocol.keys import PublicKey

LABEL = "sig1"
TAG = "consilience-connector"
SILO_HEADER = "Consilience-Silo"
PROTOCOL_HEADER = "Consilience-Protocol"
ORIGIN = "https://connector.invalid"  # the library wants a whole address; the host is not covered
# What a template is filled in at; nobody outside can put one of them into a path.
_BLANK_CREATED, _BLANK_NONCE = str(5_000_000_000 + secrets.randbelow(4_000_000_000)), secrets.token_hex(16)
_BLANK_BODY = secrets.token_bytes(16)
_BLANK_SILO, _BLANK_KEY = secrets.token_hex(16), secrets.token_hex(16)
_OWN_FORM = re.compile(
    r'.*;created=(?P<created>[0-9]{10});keyid="(?P<key_id>ed25519:[0-9a-f]{32})"'
    r';nonce="(?P<nonce>[A-Za-z0-9+/=]{22,100})";.*'
)
"""What changes in a Signature-Input of `sign_request`; the whole is compared with one that is filled in."""
_OWN_SIGNATURE = re.compile(r"sig1=:([A-Za-z0-9+/]{86}==):")
_OWN_DIGEST = re.compile(r"sha-256=:[A-Za-z0-9+/]{43}=:")
_OWN_SILO = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass
class Message:
    """A request as the library wants to see it."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


def digest_of(body: bytes) -> str:
    """A body's Content-Digest (RFC 9530, 2)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


@lru_cache(maxsize=64)
def _template(method: str, path_with_query: str, *, has_silo: bool, has_body: bool) -> tuple[str, str]:
    """The library's signature base and parameters with blanks for what changes from request to request.

    A relay signs the same few requests over and over, and the platform verifies them. To write one out, or to read
    one, costs ten times what the signature does.
    """
    headers = {PROTOCOL_HEADER: PROTOCOL_VERSION} | ({SILO_HEADER: _BLANK_SILO} if has_silo else {})
    prepared = HTTPMessageSigner(signature_algorithm=ED25519).prepare(
        Message(method, ORIGIN + path_with_query, headers),
        key_id=_BLANK_KEY,
        created=datetime.fromtimestamp(int(_BLANK_CREATED), UTC),
        nonce=_BLANK_NONCE,
        label=LABEL,
        tag=TAG,
        include_alg=False,
        covered_component_ids=components(with_body=False, with_silo=has_silo, with_version=True),
        body=_BLANK_BODY if has_body else None,
    )
    return prepared.signature_base.decode(), str(prepared.signature_params)


def filled(
    method: str,
    path_with_query: str,
    *,
    created: str,
    nonce: str,
    key_id: str,
    silo_id: str | None,
    digest: str | None,
) -> tuple[str, str]:
    """Signature base and parameters of one request; `digest` is its Content-Digest, None without a body."""
    base, parameters = _template(method, path_with_query, has_silo=silo_id is not None, has_body=digest is not None)
    for blank, value in (
        (_BLANK_CREATED, created),
        (_BLANK_NONCE, nonce),
        (_BLANK_KEY, key_id),
        (_BLANK_SILO, silo_id or ""),
        (digest_of(_BLANK_BODY), digest or ""),
    ):
        base, parameters = base.replace(blank, value), parameters.replace(blank, value)
    return base, parameters


def verify_own_form(
    method: str,
    path_with_query: str,
    lowered: Mapping[str, str],
    key_resolver: Callable[[str], PublicKey | None],
    *,
    with_body: bool,
) -> tuple[str, str, int] | None:
    """Key id, nonce and moment of a request whose headers are just as `sign_request` writes them; None for any other.

    Raises Untrusted ``signature.invalid`` where the signature does not hold.
    """
    given = _OWN_FORM.fullmatch(lowered["signature-input"])
    signature = _OWN_SIGNATURE.fullmatch(lowered["signature"])
    silo_id, digest = lowered.get(SILO_HEADER.lower()), lowered.get("content-digest", "") if with_body else None
    if given is None or signature is None or lowered.get(PROTOCOL_HEADER.lower()) != PROTOCOL_VERSION:
        return None
    if silo_id is not None and not _OWN_SILO.fullmatch(silo_id):
        return None
    if digest is not None and not _OWN_DIGEST.fullmatch(digest):
        return None
    try:
        base, parameters = filled(method, path_with_query, **given.groupdict(), silo_id=silo_id, digest=digest)
    except HTTPMessageSignaturesException:  # the path is none
        return None
    if lowered["signature-input"] != f"{LABEL}={parameters}":
        return None
    key = key_resolver(given["key_id"])
    if key is None:
        raise invalid()
    try:
        key.verify(base64.b64decode(signature[1]), base.encode())
    except Untrusted as error:
        raise invalid() from error
    return given["key_id"], given["nonce"], int(given["created"])


def components(*, with_body: bool, with_silo: bool, with_version: bool) -> tuple[str, ...]:
    """What a signature of ours covers."""
    silo = (SILO_HEADER.lower(),) if with_silo else ()
    version = (PROTOCOL_HEADER.lower(),) if with_version else ()
    return ("@method", "@path", "@query", *silo, *version, *(("content-digest",) if with_body else ()))


def invalid() -> Untrusted:
    """What is said of every signature that does not hold, whatever is wrong with it."""
    return Untrusted("signature.invalid", "The signature of the request does not hold.")
