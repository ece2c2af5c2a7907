"""Starting the runner: with its own settings only, and nothing else of what this process has read."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from federation.errors import Invalid
from silo_connector import gpus
from silo_connector.runner_settings import RunnerSettings

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main(config: RunnerSettings, *, allow_network: bool = False) -> NoReturn:
    """Becomes the runner. Raises Invalid ``runner.missing`` where connector.toml has none.

    The configuration and the environment (a proxy's password, perhaps) would be in the memory of every session: so the
    program is started again, with an empty environment but for what keeps it to one thread and from GPUs.
    """
    runner = config.runner
    if runner is None:
        raise Invalid("runner.missing", "connector.toml has no [runner] with a socket: no custom code is run here.")
    runner.socket.parent.mkdir(parents=True, exist_ok=True)
    settings = {
        "socket": str(runner.socket),
        "cpu_s": runner.cpu_s,
        "memory_bytes": runner.memory_bytes,
        "tolerated_interfaces": config.tolerated_interfaces,
        "allow_network": allow_network,
    }
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
    environment |= {**dict.fromkeys(_ONE_THREAD, "1"), **gpus.HIDDEN}
    arguments = [sys.executable, "-P", "-m", "silo_connector.runner", json.dumps(settings)]
    os.execve(sys.executable, arguments, environment)  # noqa: S606
