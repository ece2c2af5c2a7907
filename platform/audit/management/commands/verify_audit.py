"""Verifies every chain of the audit log: nothing missing, nothing changed since it was chained."""

from __future__ import annotations

import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.chaining import chain_new, verify
from audit.models import Head, Unchained

PATIENCE_S = 60.0


class Command(BaseCommand):
    """Chain what is left to be chained, then walk every chain; a status of 1 where one does not hold."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        """`--json` for machines."""
        parser.add_argument("--json", action="store_true", help="one line of JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Verify."""
        deadline = time.monotonic() + PATIENCE_S
        while Unchained.objects.exists() and time.monotonic() < deadline:
            if not chain_new():
                time.sleep(0.1)  # the worker's own sequencer is at it
        found = [verify(head.chain) for head in Head.objects.order_by("chain")]
        events = sum(one.events for one in found)
        broken = [one for one in found if one.broken is not None]
        if options["json"]:
            self.stdout.write(json.dumps({"events": events, "chains": len(found), "verified": not broken}))
        else:
            for one in found:
                self.stdout.write(f"{one.chain}: {one.events} events, {one.broken.what if one.broken else 'all hold'}")
        if broken:
            assert broken[0].broken is not None
            raise CommandError(f"{broken[0].chain} does not hold: {broken[0].broken.what} [{broken[0].broken.code}]")
