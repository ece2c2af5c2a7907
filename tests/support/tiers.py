"""How long the tiers took: `tests/unit`, `tests/functional` and so on, the slowest first, before the summary line."""

from __future__ import annotations

from collections import defaultdict

import pytest
from _pytest.terminal import TerminalReporter

SHOWN_MAX = 4


def tier_of(node_id: str) -> str:
    """The folder of `tests` that a test is in."""
    return "/".join(node_id.partition("::")[0].split("/")[:2])


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Add up what the tests of each tier took one after another, with their fixtures."""
    seconds: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[tier_of(report.nodeid)] += report.duration
    if seconds:
        terminalreporter.section("the slowest tiers")
    whole = sum(seconds.values())
    for tier, took in sorted(seconds.items(), key=lambda one: one[1], reverse=True)[:SHOWN_MAX]:
        terminalreporter.write_line(f"{took:8.1f} s {took / whole:4.0%}  {tier}")
