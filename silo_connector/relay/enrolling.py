"""Enrolment: the relay makes its transport key and presents the trainer's statement with a single-use code."""

from __future__ import annotations

import json
from pathlib import Path

from federation.errors import Invalid
from federation.protocol.digests import digest_bytes
from federation.protocol.keys import PrivateKey
from silo_connector import spool
from silo_connector.config import Config
from silo_connector.egress_log import EgressEntry, record
from silo_connector.enrolment import Enrolment, UsableCode
from silo_connector.folders import SafeDir
from silo_connector.relay.errors import Declined
from silo_connector.relay.platform import CALL_TIMEOUT_S, Platform
from silo_connector.spool import Spool

TRANSPORT_KEY = "transport.key"
ENROLMENT_FILE = "enrolment.json"
NEW_KEY = f"{TRANSPORT_KEY}.new"
"""There while it is not known whether the platform has taken it."""
ANSWER = f"{ENROLMENT_FILE}.new"
"""There while key and answer are being put in place."""


async def enrol(config: Config, code: str, *, again: bool = False) -> Enrolment:
    """Present ourselves, once the platform has shown the pinned key. Nothing uses the code up before that.

    `again` replaces an enrolment (after it was revoked) by a new one with a new transport key. An enrolment that was
    cut off goes on where it was. Raises Declined with the platform's code, Untrusted ``enrolment.platform_key``,
    Invalid ``enrolment.done|unprepared|platform_too_old``. Nothing is left of one that was refused; where no answer
    came, the new transport key is kept, so that the same code brings the same answer.
    """
    place, state = Spool(config.spool), config.relay_state
    if (state / ANSWER).exists():
        return _finish(config)
    if (state / ENROLMENT_FILE).exists() and not again:
        raise Invalid("enrolment.done", "This relay is enrolled already; --again replaces that enrolment.")
    statement, certificate = _presented(place)
    key, is_known = _new_key(state)
    request = {
        "code": code,
        "platform_key": config.platform_key,
        "transport_key": key.public.encoded,
        "statement": json.loads(statement),
        "certificate": json.loads(certificate),
    }
    async with Platform(config, key) as platform:
        await _compare_keys(config, platform, code, may_be_used=is_known)
        if not is_known:
            _keep(state, key)
        record(
            state,
            EgressEntry("enrolment", digest_bytes(statement), len(statement)),
            EgressEntry("enrolment", digest_bytes(certificate), len(certificate)),
        )
        try:
            answer = await platform.post("enrol", request)
        except Declined:
            (state / NEW_KEY).unlink(missing_ok=True)
            raise
    data = json.dumps(answer).encode()
    Enrolment.read(data).platform_key(config.platform_key)
    with SafeDir.open(state) as folder:
        folder.replace(ANSWER, data)
    return _finish(config)


async def usable_code(platform: Platform, code: str, timeout_s: float = CALL_TIMEOUT_S) -> UsableCode:
    """What the platform says of a code; asking does not use it up.

    Raises Declined with the platform's code, Unreachable, Invalid ``enrolment.platform_too_old`` where it shows no key.
    """
    try:
        answer = await platform.post("enrolment-code", {"code": code}, timeout_s)
    except Declined as error:
        if error.code in ("not_found", "http.status_404"):
            raise _too_old() from error
        raise
    if "platform_keys" not in answer:
        raise _too_old()
    return UsableCode.read(json.dumps(answer).encode())


async def _compare_keys(config: Config, platform: Platform, code: str, *, may_be_used: bool) -> None:
    """See that the platform shows the pinned key; it compares the fingerprint too before it takes the code."""
    try:
        found = await usable_code(platform, code)
    except Declined as error:
        if error.code == "enrolment.code_used" and may_be_used:
            return  # perhaps by us, and the answer was lost: it is compared when it is given again
        raise
    found.platform_key(config.platform_key)


def _too_old() -> Invalid:
    return Invalid(
        "enrolment.platform_too_old",
        "The platform shows no key to compare before the code is used. Ask its operator to update it.",
    )


def _new_key(state: Path) -> tuple[PrivateKey, bool]:
    """The key of an enrolment that got no answer, or a new one; and which of them it is."""
    try:
        return PrivateKey.load(state / NEW_KEY), True
    except Invalid:  # none is there, or half of one: that was never shown to anybody
        return PrivateKey.generate(), False


def _keep(state: Path, key: PrivateKey) -> None:
    """Have the key on the disk before the platform hears of it."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    (state / NEW_KEY).unlink(missing_ok=True)
    key.save(state / NEW_KEY)


def _presented(place: Spool) -> tuple[bytes, bytes]:
    try:
        with place.place("outbox") as outbox, outbox.folder(spool.ENROLMENT) as folder:
            statement = folder.read(spool.STATEMENT, spool.SMALL_BYTES_MAX)
            return statement, folder.read(spool.CERTIFICATE, spool.SMALL_BYTES_MAX)
    except Invalid as error:
        raise Invalid(
            "enrolment.unprepared",
            "The trainer has not presented itself yet: run `prepare` and `key certify` first (on the trainer's side).",
        ) from error


def _finish(config: Config) -> Enrolment:
    """Put what the platform answered in place: the key first, so that anyone who is cut off here can go on."""
    with SafeDir.open(config.relay_state) as state:
        data = state.read(ANSWER, spool.SMALL_BYTES_MAX)
        if state.exists(NEW_KEY):
            state.move(NEW_KEY, state, TRANSPORT_KEY)
        state.move(ANSWER, state, ENROLMENT_FILE)
    place = Spool(config.spool)
    place.make()
    write_platform_answer(config, place, data)
    return Enrolment.read(data)


def write_platform_answer(config: Config, place: Spool, data: bytes) -> None:
    """Put the platform's answer where the trainer reads it, if it is not there.

    Raises Untrusted ``enrolment.platform_key`` when the platform's key is not the one in the configuration.
    """
    Enrolment.read(data).platform_key(config.platform_key)
    with place.place("inbox") as inbox, inbox.make_folder(spool.ENROLMENT) as folder:
        if not folder.exists(spool.RESPONSE) or folder.read(spool.RESPONSE, spool.SMALL_BYTES_MAX) != data:
            folder.replace(spool.RESPONSE, data)


def order_ids_in(place: Spool) -> list[str]:
    """The orders that are in the organisation: what a poll names so that they are not given again."""
    return sorted(place.orders_in("inbox") | place.orders_in("outbox"))
