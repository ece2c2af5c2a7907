"""The relay's process: waits for an enrolment, relays under it, and starts over when there is a new one."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from functools import partial
from pathlib import Path

from federation.errors import FederationError
from federation.protocol.keys import PrivateKey
from silo_connector import VERSION
from silo_connector.config import Config
from silo_connector.enrolment import Enrolment
from silo_connector.instance import acquire_process_lock
from silo_connector.logs import Log, configure
from silo_connector.relay.enrolling import ENROLMENT_FILE, TRANSPORT_KEY, write_platform_answer
from silo_connector.relay.platform import Platform
from silo_connector.relay.relay import EnrolmentChanged, Relay
from silo_connector.spool import Spool

LOG = Log("relay")
_LOOK_S = 1.0


def main(config: Config) -> int:
    """Run until SIGTERM or SIGINT; transfers that are under way end with the process and go on after the next start."""
    acquire_process_lock(config.relay_state, "relay")
    configure("relay", config.relay_state / "log")
    code = 0
    try:
        asyncio.run(_until_notified(config))
    except FederationError as error:
        LOG.error("relay.failed", code=error.code, reason=error.message)
        code = 1
    except Exception as error:
        LOG.error("relay.failed", trace=error)
        code = 1
    logging.shutdown()
    os._exit(code)  # not after the threads of transfers, which may hang on the network for a while


async def _until_notified(config: Config) -> None:
    work = asyncio.create_task(_run(config))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        LOG.info("relay.stopped")


async def _run(config: Config) -> None:
    Spool(config.spool).make()
    state = config.relay_state
    while True:
        await _wait_for(state / ENROLMENT_FILE)
        files = enrolment_files(state)
        enrolment = Enrolment.read(files[0])
        key = PrivateKey.load(state / TRANSPORT_KEY)
        try:
            write_platform_answer(config, Spool(config.spool), files[0])
        except FederationError as error:
            LOG.error("enrolment.not_delivered", code=error.code, reason=error.message)
        LOG.info("relay.started", version=VERSION, silo_id=str(enrolment.silo_id), transport_key=key.public.key_id)
        async with Platform(config, key, str(enrolment.silo_id)) as platform:
            try:
                await Relay(config, platform, partial(_are, files, state)).run()
            except* EnrolmentChanged:
                LOG.info("enrolment.changed")


def enrolment_files(state: Path) -> tuple[bytes, bytes]:
    """What an enrolment consists of: the platform's answer and the transport key."""
    return (state / ENROLMENT_FILE).read_bytes(), (state / TRANSPORT_KEY).read_bytes()


def _are(files: tuple[bytes, bytes], state: Path) -> bool:
    return enrolment_files(state) == files


async def _wait_for(file: Path) -> None:
    statement = False
    while not file.exists():
        if not statement:
            LOG.info("silo.not_enrolled", hint="run: silo-connector enrol --config … --code …")
            statement = True
        await asyncio.sleep(_LOOK_S)
