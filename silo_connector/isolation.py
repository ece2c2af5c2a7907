"""A process' check that it has no network: it reads what the kernel says, and never sends anything to find out."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from federation.errors import Invalid

LOOPBACK = "lo"
ADVICE = (
    "The {process} must have no network. In docker compose give it `network_mode: none`; without containers start it "
    "with `unshare --net` (as in docs/silo-it.md). If that can't be, `--allow-network` runs it nevertheless; say so to "
    "your data steward."
)


def check_isolated(proc: Path = Path("/proc"), tolerated: Collection[str] = (), process: str = "trainer") -> None:
    """Raise Invalid ``<process>.network`` when there is an interface but the loopback, or any route off it.

    Interfaces in `tolerated` may be there as long as no route goes through them (tunnels that some kernels put into
    every namespace).
    """
    code, advice = f"{process}.network", ADVICE.format(process=process)
    try:
        interfaces = sorted(set(_interfaces(proc)) - {LOOPBACK} - set(tolerated))
        routes = sorted(set(_routes(proc)) - {LOOPBACK})
    except FileNotFoundError as error:
        message = f"{error.filename} is not there, so it can't be seen that there is no network."
        raise Invalid(code, message) from error
    except OSError as error:
        raise Invalid(code, f"{error.filename} can't be read ({error.strerror}). {advice}") from error
    if interfaces or routes:
        seen = [*(f"interface {name}" for name in interfaces), *(f"route through {name}" for name in routes)]
        raise Invalid(code, f"This process has a network ({', '.join(seen)}). {advice}")


def _interfaces(proc: Path) -> list[str]:
    lines = _lines(proc / "net" / "dev", required=True)
    return [line.partition(":")[0].strip() for line in lines if ":" in line]


def _routes(proc: Path) -> list[str]:
    four = [line.split()[0] for line in _lines(proc / "net" / "route", required=False)[1:] if line.split()]
    six = [line.split()[-1] for line in _lines(proc / "net" / "ipv6_route", required=False) if line.split()]
    return four + six


def _lines(path: Path, *, required: bool) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        if required:
            raise
        return []  # a kernel without this protocol


def is_interface_name(name: str) -> bool:
    """Whether this may be the name of a network interface."""
    return re.fullmatch(r"[^\s/:]{1,15}", name) is not None
