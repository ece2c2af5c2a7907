"""The trainer's process: a loop that waits for the inbox, and one thread that works."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from federation.errors import FederationError, Invalid
from federation.learning.devices import limit_gpu, visible_gpus
from federation.protocol.documents import now
from federation.protocol.documents.base import Network
from silo_connector import VERSION, gpus, spool
from silo_connector.config import Config
from silo_connector.folders import SafeDir
from silo_connector.identity import capabilities
from silo_connector.inotify_watch import Watch
from silo_connector.instance import acquire_process_lock
from silo_connector.isolation import check_isolated
from silo_connector.logs import Log, configure
from silo_connector.own_keys import IDENTITY_KEY
from silo_connector.policy import load_policy
from silo_connector.spool import Spool
from silo_connector.trainer.egress.allowlist import Status
from silo_connector.trainer.egress.filter import check_may_leave
from silo_connector.trainer.resources import resources

if TYPE_CHECKING:
    from silo_connector.trainer.trainer import Trainer

LOG = Log("trainer")
STATUS_S = 20.0
FAULT_PAUSE_S = 5.0


def main(config: Config, *, allow_network: bool = False) -> int:
    """Run until SIGTERM or SIGINT. Does not return when stopped: the process ends at once, in whatever it was doing."""
    acquire_process_lock(config.trainer_state, "trainer")
    configure("trainer", config.trainer_state / "log")
    try:
        check_isolated(tolerated=config.tolerated_interfaces)
    except Invalid as error:
        if not allow_network:
            LOG.error(error.code, reason=error.message)
            return 1
        LOG.warning("trainer.network_allowed", reason=error.message.partition(". ")[0])
    bound_memory(config)
    gpu_share = share_of_gpus(config)
    if gpu_share == 0:
        os.environ |= gpus.HIDDEN  # torch is not loaded yet
    os.environ.setdefault("OMP_NUM_THREADS", str(config.training_threads))
    try:
        asyncio.run(_run(config, gpu_share, "allowed" if allow_network else "none"))
    except FederationError as error:
        LOG.error("trainer.failed", code=error.code, reason=error.message)
    except Exception as error:
        LOG.error("trainer.failed", trace=error)
    return 1


def bound_memory(config: Config) -> None:
    """Keep this process to its share of the memory, where policy.toml names one: beyond it, allocating fails."""
    try:
        share = load_policy(config.policy).memory_share_max
    except Invalid as error:  # no order is carried out under it, so that nothing needs memory
        LOG.error("policy.unusable", code=error.code, reason=error.message)
        return
    total = resources().memory_total_bytes
    if share < 1 and total is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        bound = int(total * share)
        resource.setrlimit(resource.RLIMIT_DATA, (bound if hard < 0 else min(bound, hard), hard))
        LOG.info("memory.bounded", bytes_max=bound)


def share_of_gpus(config: Config) -> float:
    """The part of each GPU's memory that policy.toml leaves to this process: none while the file can't be read."""
    try:
        return load_policy(config.policy).gpu_share_max
    except Invalid:  # said already; GPUs that are hidden stay so once it can be read: processors will do
        return 0.0


def bound_gpus(share: float, devices: int, limit: Callable[[float, int], None] = limit_gpu) -> None:
    """Keep this process to its share of the GPUs that torch sees, before it does anything with them."""
    if share < 1:
        gpus.limit_memory_to(share, devices, limit)
    LOG.info("gpu.share", gpus=devices, share_max=share, said=gpus.gpu_share_text(share, devices))


async def _run(config: Config, gpu_share: float, network: Network) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _stop)
    Spool(config.spool).make()
    await _wait_for_identity(config)
    from silo_connector.trainer.trainer import Trainer

    bound_gpus(gpu_share, visible_gpus())
    loop = asyncio.get_running_loop()
    worker = ThreadPoolExecutor(1, thread_name_prefix="trainer")
    trainer = await loop.run_in_executor(worker, Trainer, config, network)
    LOG.info("trainer.started", version=VERSION)
    watch = Watch(config.spool / "inbox", config.spool / "inbox" / spool.ENROLMENT)
    (config.spool / "inbox" / spool.ENROLMENT).mkdir(exist_ok=True)
    async with watch.running(LOG):
        await loop.run_in_executor(worker, trainer.start)
        telling = asyncio.create_task(_notify(config, trainer))
        while not telling.done():  # it never is, unless it failed
            try:
                await loop.run_in_executor(worker, trainer.process_inbox)
            except Exception as error:
                LOG.error("trainer.fault", trace=error)
                await asyncio.sleep(FAULT_PAUSE_S)
            await watch.wait()
        await telling


async def _wait_for_identity(config: Config) -> None:
    statement = False
    while not (config.trainer_state / IDENTITY_KEY).exists():
        if not statement:
            LOG.info("trainer.unprepared", hint="run: silo-connector prepare --config …")
            statement = True
        await asyncio.sleep(1)


async def _notify(config: Config, trainer: Trainer) -> None:
    """Write the status every while; the relay carries it to the platform."""
    reported = capabilities(config)
    while True:
        state = "working" if trainer.is_working else "idle" if trainer.is_enrolled else "waiting_for_enrolment"
        if trainer.is_locked:
            state = "locked"
        seen = trainer.seen
        status = Status(
            connector_version=VERSION,
            capabilities=reported,
            resources=resources(),
            state=state,
            at=now(),
            seen=seen.state,
            log_acceptances=seen.acceptances,
        )
        check_may_leave(status)
        with contextlib.suppress(OSError), SafeDir.open(config.spool) as folder:
            folder.replace(spool.STATUS, status.model_dump_json().encode(), durable=False)
        await asyncio.sleep(STATUS_S)


def _stop() -> None:
    """End now. What was half done is done after the next start: nothing here relies on a clean end."""
    LOG.info("trainer.stopped", at_s=round(time.monotonic(), 1))
    logging.shutdown()
    os._exit(0)
