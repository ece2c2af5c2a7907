"""``python -m silo_connector.runner SETTINGS``: the runner itself, as ``silo-connector run runner`` starts it."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from federation.errors import FederationError, Invalid
from federation.targets import TARGETS
from silo_connector import VERSION
from silo_connector.instance import acquire_process_lock
from silo_connector.isolation import check_isolated
from silo_connector.logs import Log, configure
from silo_connector.runner.confinement import Limits, not_inspected, readable
from silo_connector.runner.mounts import noting
from silo_connector.runner.server import Server
from silo_connector.sandbox_measures import MEASURES, NETWORK, NO_TRACES

LOG = Log("runner")
_PRELOADED = ("bisect", "copy", "heapq", "itertools", "numbers", "operator", "random", "statistics", "string")
"""What plans may want of the standard library, for where sessions can't read it from the disk."""


def main(settings: dict[str, Any]) -> int:
    """Until SIGTERM or SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    configure("runner", None)
    socket = Path(settings["socket"])
    try:
        acquire_process_lock(socket.parent, "runner")
        not_inspected()
        preload_torch()
        leave_folder()
        folders = readable()
        sys.path[:] = [path for path in sys.path if path.startswith(folders)]
        server = Server(socket, Limits(settings["cpu_s"], settings["memory_bytes"], folders))
        _look(server, settings)
        server.serve()
    except FederationError as error:
        LOG.error("runner.failed", code=error.code, reason=error.message)
    except OSError as error:
        LOG.error("runner.failed", code="file.unusable", file=str(error.filename), reason=error.strerror)
    return 1


def preload_torch() -> None:
    """Do once what every session would have to do, in one thread: a child has no other than the one that forked it."""
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    for name in _PRELOADED:
        importlib.import_module(name)
    list(TARGETS)
    weights = torch.zeros(2, 3, requires_grad=True)
    outputs = torch.nn.functional.linear(torch.ones(4, 3), weights)
    torch.nn.functional.cross_entropy(outputs, torch.zeros(4, dtype=torch.int64)).backward()  # type: ignore[no-untyped-call]


def leave_folder() -> None:
    """Be in a folder that is empty for ever: it is removed at once, and nothing can be made in it."""
    nowhere = Path(tempfile.mkdtemp(prefix="runner-"))
    os.chdir(nowhere)
    nowhere.rmdir()


def _look(server: Server, settings: dict[str, Any]) -> None:
    """Say what sessions are confined by; without any way to cut them off from the network there is none."""
    measures = server.measures()
    missing = [one for one in MEASURES if one not in measures]
    if NETWORK not in measures:
        try:
            check_isolated(tolerated=settings["tolerated_interfaces"], process="runner")
        except Invalid as error:
            if not settings["allow_network"]:
                raise
            LOG.warning("runner.network_allowed", reason=error.message.partition(". ")[0])
    if NO_TRACES not in measures:
        hint = "mount them read-only or noatime for the runner, see docs/silo-it.md"
        LOG.warning("runner.access_times", mounts=noting(readable()), hint=hint)
    say = LOG.warning if missing else LOG.info
    say("runner.started", version=VERSION, measures=measures, missing=missing, socket=settings["socket"])


sys.exit(main(json.loads(sys.argv[1])))
