"""The packages that find their parts by looking, with the test's parts among what they look at."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest

FOLDERS = {
    "federation.strategies": "strategies",
    "federation.aggregation.combine": "combine",
    "federation.targets": "targets",
    "federation.learning.models": "models",
}
SHARED = {"federation.tasks": "tasks", "federation.protection": "modes", "federation.protocol.payloads": "payloads"}
OF_THE_PLATFORM = {**SHARED, "training.engine.kinds": "order_kinds", "training.protocols": "protocols"}
OF_THE_SILO = {
    **SHARED,
    "silo_connector.trainer.kinds": "silo_kinds",
    "silo_connector.trainer.protection": "silo_protection",
}


def add_parts(monkeypatch: pytest.MonkeyPatch, folders: Mapping[str, str] = FOLDERS) -> None:
    """Until the test ends."""
    for package, folder in folders.items():
        module = import_module(package)
        monkeypatch.setattr(module, "__path__", [*module.__path__, str(Path(__file__).parent / folder)])
