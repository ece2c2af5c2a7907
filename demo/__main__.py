"""The command line of the demo: `python -m demo run`, `check` and `code`."""

from __future__ import annotations

import argparse
import sys
import time

from demo.codes import code_at, seconds_left
from demo.home import Home
from demo.scenario import check, run
from demo.screen import Screen
from demo.services import ROOT


def print_code(email: str) -> int:
    """Print the present code of somebody; a status of 1 for who has no app."""
    secrets = Home.from_environment(ROOT).second_factors()
    if (secret := secrets.get(email.strip().lower())) is None:
        known = "\n".join(sorted(secrets)) or "nobody: no demo has run in this folder (DEMO_DIR names another)"
        print(f"{email} shows no code when signing in. Those who do:\n{known}", file=sys.stderr)
        return 1
    now = time.time()
    print(code_at(secret, now))
    print(f"for another {seconds_left(now)} s; it works once", file=sys.stderr)
    return 0


def main() -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="everything, until Ctrl-C")
    running.add_argument("--figures", action="store_true", help="print the line that `check` ends with, once trained")
    checking = commands.add_parser("check", help="everything once, in a temporary folder; the last line is JSON")
    checking.add_argument("--install-started", type=float, default=None, help="when the installation began (Unix time)")
    coding = commands.add_parser("code", help="what somebody's authenticator app shows now")
    coding.add_argument("email", help="one of the demo's people, such as steward@cleveland.demo.consilience.test")
    given = parser.parse_args()
    if given.command == "run":
        return run(Screen(), figures=given.figures)
    if given.command == "check":
        return check(Screen(), 0.0 if given.install_started is None else time.time() - given.install_started)
    return print_code(given.email)


if __name__ == "__main__":
    sys.exit(main())
