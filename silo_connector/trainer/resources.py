"""How much memory is free and which GPUs are there: what a silo's health page shows beside the disk."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

GPUS_MAX = 16
_NAME_LENGTH_MAX = 80


class Resources(BaseModel):
    """What the machine, or the container that bounds it, has for training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_total_bytes: int | None = None
    memory_free_bytes: int | None = None
    gpus: tuple[str, ...] = ()
    """Their models, as the driver names them."""


def resources(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> Resources:
    """What is there now; None for what can't be read. A container's own limit counts where it is the tighter one."""
    reported = _memory_of_machine(proc)
    total, free = reported.get("MemTotal"), reported.get("MemAvailable")
    limit, used = _number(cgroup / "memory.max"), _number(cgroup / "memory.current")
    if limit is not None and (total is None or limit < total):
        total = limit
        free = None if used is None else max(0, min(limit - used, free if free is not None else limit))
    return Resources(memory_total_bytes=total, memory_free_bytes=free, gpus=_gpus(proc))


def _memory_of_machine(proc: Path) -> dict[str, int]:
    try:
        lines = (proc / "meminfo").read_text().splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        name, _, rest = line.partition(":")
        number, _, unit = rest.strip().partition(" ")
        if number.isdigit() and unit == "kB":
            found[name] = int(number) * 1024
    return found


def _number(file: Path) -> int | None:
    """A cgroup's figure; None where there is none, or it says `max`."""
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _gpus(proc: Path) -> tuple[str, ...]:
    """By the files of NVIDIA's driver, which containers see only of the GPUs that were given to them."""
    found = []
    for file in sorted((proc / "driver" / "nvidia" / "gpus").glob("*/information"))[:GPUS_MAX]:
        try:
            lines = file.read_text().splitlines()
        except OSError:
            continue
        names = (line.partition(":")[2].strip() for line in lines if line.startswith("Model:"))
        found.append(next(names, "GPU")[:_NAME_LENGTH_MAX])
    return tuple(found)
