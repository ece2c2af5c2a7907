"""The command line of the demo: `python -m demo run`, `check` and `services`."""

from __future__ import annotations

import argparse
import sys

from demo.services import run_beside


def main() -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    services = commands.add_parser("services", help="run a command with a PostgreSQL and a Redis of its own")
    services.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    given = parser.parse_args()
    return run_beside([word for word in given.words if word != "--"])


if __name__ == "__main__":
    sys.exit(main())
