"""The progress line never stays still without saying what it waits for."""

from __future__ import annotations

import io
import re
import time

import pytest
from rich.console import Console

from demo import screen as screens
from demo.processes import DemoError
from demo.screen import Screen


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A screen that is no terminal, quick to lose patience."""
    monkeypatch.setattr(screens, "SILENCE_MAX_S", 0.3)
    return Screen(Console(file=io.StringIO(), width=200))


def shown(screen: Screen) -> str:
    """Everything printed so far."""
    assert isinstance(screen.console.file, io.StringIO)
    return screen.console.file.getvalue()


def test_silence_is_broken_by_what_is_waited_for(plain: Screen) -> None:
    with plain.step("Starting") as waiting_for:
        waiting_for("the other side")
        time.sleep(1.2)
    lines = shown(plain).splitlines()
    assert sum("the other side …" in line for line in lines) >= 2
    took = re.fullmatch(r"✓ Starting \((\d+\.\d) s\)", lines[-1])
    assert took is not None
    assert float(took[1]) >= 1.2


def test_a_quick_step_says_one_line(plain: Screen) -> None:
    with plain.step("Quick"):
        pass
    assert len(shown(plain).splitlines()) == 1


def test_a_step_that_fails_is_not_ticked(plain: Screen) -> None:
    with pytest.raises(DemoError), plain.step("Failing"):
        raise DemoError("for a reason")
    assert "✓" not in shown(plain)


def test_the_patience_is_below_five_seconds() -> None:
    assert screens.SILENCE_MAX_S + 0.25 < 5
