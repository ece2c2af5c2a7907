"""A command that runs beside the tests: `pytest --beside "make check"`.

Its whole output is shown before the summary. Where it fails, the run fails, and the summary line counts an error.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from typing import IO

import pytest
from _pytest.terminal import TerminalReporter

ENVIRONMENT = dict(os.environ)  # as it is before tests/conftest.py names databases and keys


class Beside:
    """The command, from the first test to the last."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # it is open as long as the command runs
        self.process = subprocess.Popen(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
            start_new_session=True,
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Wait for it, before the summary is written. Somebody who interrupts the tests waits for nothing."""
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            os.killpg(self.process.pid, signal.SIGTERM)
        if self.process.wait() == 0:
            return
        terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        assert isinstance(terminal, TerminalReporter)
        reported = pytest.CollectReport(self.command, "failed", f"ended with status {self.process.returncode}", [])
        terminal.stats.setdefault("error", []).append(reported)
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Show what it said."""
        self.output.seek(0)
        terminalreporter.section(self.command)
        terminalreporter.write(self.output.read().decode(errors="replace"))
        self.output.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Name the option."""
    parser.addoption("--beside", metavar="COMMAND", help="run this command beside the tests; its failure is theirs")


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start it, once: in the process that a person started."""
    command = session.config.getoption("beside")
    if command and not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(Beside(command), "beside the tests")
