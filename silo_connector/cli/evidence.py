"""``silo-connector verify``: a job's evidence, checked here, against the pinned platform key and the own journal."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from federation import verify as checking
from federation.errors import Invalid
from federation.evidence.own_orders import OwnOrder
from silo_connector import config as configuration
from silo_connector.trainer.store.audit_checkpoints import abandoned_heads, heads_seen
from silo_connector.trainer.store.own_orders import OwnOrders


def verify(options: argparse.Namespace) -> int:
    """Check a bundle, and a model against it; 1 where something does not hold, 3 where less is bound than could be."""
    if len(options.files) > 2:
        raise Invalid("arguments", "Give one bundle, and at most one model before it.")
    *models, bundle = options.files
    pinned, kept, given_up = None, {}, {}
    own: Mapping[str, list[OwnOrder]] = {}
    if options.config.exists():
        config = configuration.load(options.config)
        pinned = config.platform_key
        kept = heads_seen(config.trainer_state)
        given_up = abandoned_heads(config.trainer_state)
        own = OwnOrders(config.trainer_state)
    report = checking.check(bundle, models[0] if models else None, pinned, kept, given_up, own)
    checking.print_report(report, as_json=options.json)
    return report.verdict.value
