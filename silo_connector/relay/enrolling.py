"""Enrolment: the relay makes its transport key and presents the trainer's statement with a single-use code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from federation.errors import Invalid
from federation.protocol.digests import digest_bytes
from federation.protocol.keys import PrivateKey
from silo_connector import spool
from silo_connector.config import Config
from silo_connector.egress import Departure, record
from silo_connector.enrolment import Enrolment
from silo_connector.folders import Folder
from silo_connector.relay.platform import Platform
from silo_connector.spool import Spool

TRANSPORT_KEY = "transport.key"
ENROLMENT_FILE = "enrolment.json"


async def enrol(config: Config, code: str, *, again: bool = False) -> Enrolment:
    """Present ourselves. Raises Declined with the platform's code, Untrusted ``enrolment.platform_key``.

    `again` replaces an enrolment (after it was revoked) by a new one with a new transport key.
    """
    place = Spool(config.spool)
    place.make()
    config.relay_state.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (config.relay_state / ENROLMENT_FILE).exists() and not again:
        raise Invalid("enrolment.done", "This relay is enrolled already; --again replaces that enrolment.")
    statement, certificate = _presented(place)
    key = PrivateKey.load_or_generate(config.relay_state / f"{TRANSPORT_KEY}.new")
    request = {
        "code": code,
        "transport_key": key.public.encoded,
        "statement": json.loads(statement),
        "certificate": json.loads(certificate),
    }
    record(
        config.relay_state,
        Departure("enrolment", digest_bytes(statement), len(statement)),
        Departure("enrolment", digest_bytes(certificate), len(certificate)),
    )
    async with Platform(config, key) as platform:
        answer = await platform.post("enrol", request)
    return _install(config, place, answer)


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


def _install(config: Config, place: Spool, answer: dict[str, Any]) -> Enrolment:
    data = json.dumps(answer).encode()
    enrolment = Enrolment.read(data)
    _put_key_in_place(config.relay_state)
    with Folder.open(config.relay_state) as state:
        state.replace(ENROLMENT_FILE, data)
    tell_trainer(config, place, data)
    return enrolment


def tell_trainer(config: Config, place: Spool, data: bytes) -> None:
    """Put the platform's answer where the trainer reads it, if it is not there.

    Raises Untrusted ``enrolment.platform_key`` when the platform's key is not the one in the configuration.
    """
    Enrolment.read(data).platform_key(config.platform_key)
    with place.place("inbox") as inbox, inbox.make_folder(spool.ENROLMENT) as folder:
        if not folder.exists(spool.RESPONSE) or folder.read(spool.RESPONSE, spool.SMALL_BYTES_MAX) != data:
            folder.replace(spool.RESPONSE, data)


def _put_key_in_place(state: Path) -> None:
    (state / f"{TRANSPORT_KEY}.new").replace(state / TRANSPORT_KEY)


def held_in(place: Spool) -> list[str]:
    """The orders that are in the house: what a poll names so that they are not given again."""
    return sorted(place.orders_in("inbox") | place.orders_in("outbox"))
