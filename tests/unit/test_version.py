"""The version stands in one place, and the repository says what changed in it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import federation
import silo_connector

ROOT = Path(__file__).resolve().parents[2]


def test_version_of_package_and_connector_is_the_one_of_federation() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "federation.__version__"}
    assert federation.__version__ == silo_connector.VERSION
    command = [sys.executable, "-m", "silo_connector", "--version"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert result.split() == ["silo-connector", federation.__version__]


def test_version_has_its_part_in_the_changelog() -> None:
    assert federation.__version__ in (ROOT / "CHANGELOG.md").read_text()
