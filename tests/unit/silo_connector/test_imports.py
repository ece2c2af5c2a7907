"""Each side of the organisation loads only its own: no data code beside the network, no network code beside the
data.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.patience import FAILS_AFTER_S
from tests.unit.silo_connector.sites import ROOT


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("silo_connector.relay.process", {"torch", "pyarrow", "numpy", "sklearn", "silo_connector.trainer"}),
        ("silo_connector.trainer.trainer", {"aiohttp", "http", "requests", "silo_connector.relay"}),
        ("silo_connector.trainer.process", {"aiohttp", "http", "torch", "silo_connector.relay"}),
        (
            "silo_connector.runner.process",
            {"torch", "numpy", "pydantic", "silo_connector.trainer", "silo_connector.relay"},
        ),
        (
            "silo_connector.runner.server",
            {
                *("pydantic", "cryptography", "pyarrow", "aiohttp", "silo_connector.trainer", "silo_connector.spool"),
                *("silo_connector.relay", "silo_connector.identity", "silo_connector.plans", "federation.protocol"),
            },
        ),
        ("silo_connector.trainer.trainer", {"silo_connector.runner"}),
        ("silo_connector.cli", {"aiohttp", "torch", "pyarrow", "numpy", "pydantic"}),
    ],
)
def test_each_side_loads_only_its_own(module: str, absent: set[str]) -> None:
    code = f"import sys, {module}; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=FAILS_AFTER_S
    )
    loaded = set(done.stdout.split())
    assert not absent & loaded
