"""``silo-connector journal verify``: whether the chain of what was done here is whole."""

from __future__ import annotations

import argparse

from silo_connector import config as configuration
from silo_connector.journal import FILE, verify
from silo_connector.journal_parts import earlier_parts
from silo_connector.trainer.store.state_check import noted_head


def check(options: argparse.Namespace) -> int:
    """Follow the chain; the head can be compared with one that was noted elsewhere."""
    config = configuration.load(options.config)
    head = verify(config.trainer_state, noted_head(config))
    files = len(earlier_parts(config.trainer_state)) + 1
    print(f"ok   {config.trainer_state / FILE}: {head.lines} lines{f' in {files} files' if files > 1 else ''}")
    if head.digest is not None:
        print(f"     head {head.digest}")
    return 0
