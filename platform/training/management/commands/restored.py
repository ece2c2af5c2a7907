"""Says what silos have seen of this platform that it does not know: what was lost when a backup was put back."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from training.engine.restored import breaks, numbers_lost


class Command(BaseCommand):
    """Prints each silo's lost orders, and each chain's lost events with who has accepted."""

    help = __doc__ or ""

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Report it."""
        behind, broken = numbers_lost(), breaks()
        for one in behind:
            self.stdout.write(f"{one.silo}: {one.orders_lost} orders lost, reported {one.at:%Y-%m-%d %H:%M} UTC")
        for row in broken:
            self.stdout.write(
                f"{row.chain}: silos hold event {row.furthest}, here were {row.position} events at the first report "
                f"({row.found_at:%Y-%m-%d %H:%M} UTC)"
            )
            for head in row.heads:
                state = "accepted" if head.is_accepted else "waits for its steward: silo-connector accept-log"
                self.stdout.write(f"  {head.silo}: event {head.position}, {head.digest}; {state}")
        if not behind and not broken:
            self.stdout.write("No silo has seen more than this platform knows.")
