"""Commands of `make check` that share a process: all are run, and the first that fails ends it and reports why."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db import models

from demo.services import ROOT
from silos.models import Silo
from tooling.one_process import commands


def test_commands_are_reported_apart() -> None:
    words = ["check", "--fail-level", "WARNING", "--", "--", "spectacular", "--validate", "--"]
    assert list(commands(words)) == [["check", "--fail-level", "WARNING"], ["spectacular", "--validate"]]


def test_the_first_that_fails_ends_it_with_its_reason() -> None:
    words = ["check", "--", "check", "--tag", "none-of-this-name", "--", "diffsettings"]
    done = subprocess.run(
        [sys.executable, "-m", "tooling.one_process", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines() == ["check: check", "check: check --tag none-of-this-name"]
    assert "none-of-this-name" in done.stderr


def test_a_change_without_a_migration_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from tooling.management.commands.migrations_whole import Command

    call_command(Command())
    field = Silo._meta.get_field("name")
    assert isinstance(field, models.CharField)
    monkeypatch.setattr(field, "max_length", 7)
    with pytest.raises(CommandError, match="silos: Alter field name on silo"):
        call_command(Command())
