"""The packages that find their parts by looking, with the test's parts among what they look at."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

FOLDERS = {
    "federation.strategies": "strategies",
    "federation.aggregation.combine": "combine",
    "federation.targets": "targets",
    "federation.learning.models": "models",
}


def add_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the test ends."""
    for package, folder in FOLDERS.items():
        module = import_module(package)
        monkeypatch.setattr(module, "__path__", [*module.__path__, str(Path(__file__).parent / folder)])
