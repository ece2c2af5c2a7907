"""A training whose batches are counted, and into which urgent orders come."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from federation.protocol.documents import Manifest, Order
from silo_connector import spool
from silo_connector.trainer.orders.urgent_lane import UrgentLane
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.sites import Site

LOCAL = {"steps": 40, "batch_size": 4, "learning_rate": 0.1, "proximal_mu": 0.01}
AT = 20
"""The batch before which something comes in."""


class PowerCut(BaseException):
    """The process ends here."""


class Batches:
    """Counts the batches of a training, and does something before some of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.before: dict[int, Callable[[], object]] = {}
        real = UrgentLane.serve_between_batches

        def watched(lane: UrgentLane) -> None:
            self.count += 1
            self.before.pop(self.count, lambda: None)()
            real(lane)

        monkeypatch.setattr(UrgentLane, "serve_between_batches", watched)


def undisturbed(site: Site, manifest: Manifest) -> bytes:
    """The update of a training that nothing interrupts."""
    trainer = Trainer(site.config)
    trainer.start()
    order = site.order(manifest)
    update = trained(site, trainer, order, manifest)
    trainer.close()
    return update


def trained(site: Site, trainer: Trainer, order: Order, manifest: Manifest) -> bytes:
    """The update of an order that is delivered and carried out now."""
    site.deliver(order, manifest)
    trainer.process_inbox()
    site.submission(order)
    return (site.outbox / str(order.order_id) / spool.output_file("update")).read_bytes()


def events(site: Site) -> list[tuple[str, str]]:
    """What the journal says, each with its order."""
    return [(line["event"], str(line.get("order_id"))) for line in site.journal()]
