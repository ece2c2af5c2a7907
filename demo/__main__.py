"""The command line of the demo: `python -m demo run`, `check` and `services`."""

from __future__ import annotations

import argparse
import sys
import time

from demo.screen import Screen
from demo.services import run_beside
from demo.story import check, run


def main() -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="everything, until Ctrl-C")
    checking = commands.add_parser("check", help="everything once, in a temporary folder; the last line is JSON")
    checking.add_argument("--install-started", type=float, default=None, help="when the installation began (Unix time)")
    services = commands.add_parser("services", help="run a command with a PostgreSQL and a Redis of its own")
    services.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    given = parser.parse_args()
    if given.command == "run":
        return run(Screen())
    if given.command == "check":
        return check(Screen(), 0.0 if given.install_started is None else time.time() - given.install_started)
    return run_beside([word for word in given.words if word != "--"])


if __name__ == "__main__":
    sys.exit(main())
