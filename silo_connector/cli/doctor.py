"""``silo-connector doctor``."""

from __future__ import annotations

import argparse
import asyncio
import json
from importlib.util import find_spec

from federation.errors import Invalid
from silo_connector import config as configuration
from silo_connector.config import Config
from silo_connector.doctor import site
from silo_connector.doctor.findings import Finding, State, as_json, as_table, fail
from silo_connector.runner_settings import SAMPLE


def doctor(options: argparse.Namespace) -> int:
    """Look at everything of this side; 1 if something does not work."""
    try:
        config = configuration.load(options.config)
    except Invalid as error:
        if options.json:
            print(json.dumps({"ok": False, "findings": as_json(_unreadable(error))}))
        raise
    findings = asyncio.run(examine(config, options.side or installed(), options.code))
    worst = 1 if any(finding.state is State.FAIL for finding in findings) else 0
    if options.json:
        print(json.dumps({"ok": not worst, "findings": as_json(findings)}))
    else:
        print(as_table(findings))
    return worst


def _unreadable(error: Invalid) -> list[Finding]:
    """A finding for each mistake in connector.toml."""
    rows = [one for messages in error.fields.values() for one in messages] or [error.message]
    return [fail("connector.toml", one, f"{SAMPLE} shows every setting.") for one in rows]


def installed(package: str = "silo_connector") -> str:
    """The sides that can be looked at from here: each container's image has its own only."""
    sides = [side for side in ("relay", "trainer") if find_spec(f"{package}.{side}") is not None]
    return sides[0] if len(sides) == 1 else "both"


async def examine(config: Config, side: str, code: str | None) -> list[Finding]:
    """All findings, in the order in which they should be dealt with."""
    found = [*site.look_at_spool(config)]
    if not any(finding.state is State.FAIL for finding in found):
        found += site.look_at_disk(config)
    if side in ("trainer", "both"):
        from silo_connector.doctor import agreements, state

        found += site.look_at_keys(config)
        found += site.look_at_platform_key(config)
        found += agreements.look_at_policy(config)
        found += agreements.look_at_agreements(config)
        found += agreements.look_at_plans(config)
        found += agreements.look_at_journal(config)
        found += state.look_at_state(config)
        found += agreements.look_at_record(config)
        found += site.look_at_data(config)
        found += site.look_at_isolation(config)
    if side in ("relay", "both"):
        from silo_connector.doctor.connection import look_at_platform

        found += [finding async for finding in look_at_platform(config, code)]
    found += site.look_at_processes(config, side)
    return found
