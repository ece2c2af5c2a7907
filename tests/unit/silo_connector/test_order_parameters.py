"""Parameters that a kind of order does not know: refused before anything that came with the order is read."""

from __future__ import annotations

from typing import Any

import pytest

from federation.protocol.documents import OrderKind
from silo_connector import spool
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.addresses import grant
from tests.unit.silo_connector.sites import Site
from tests.unit.silo_connector.test_added_kinds import GREETED, added

__all__ = ["added"]


@pytest.mark.parametrize("kind", [{"kind": OrderKind.TRAIN}, {"kind": OrderKind.EVALUATE, "outputs": {}}], ids=str)
async def test_an_order_with_a_parameter_that_its_kind_does_not_know_is_refused_before_its_manifest_is_read(
    site: Site, trainer: Trainer, kind: dict[str, Any]
) -> None:
    manifest = site.job()
    order = site.order(manifest, parameters={"learning_rate": 10.0}, **kind)
    (site.deliver(order, manifest) / spool.MANIFEST).write_bytes(b"not read")
    trainer.process_inbox()
    assert site.refusal(order) == "order.parameters"


async def test_an_order_may_have_the_parameters_that_its_kind_knows_and_no_other(
    added: None, site: Site, trainer: Trainer
) -> None:
    site.agree(protection=["greeted"])
    manifest = site.job(protection=GREETED)
    orders = []
    for number, parameters in enumerate(({"tone": "low"}, {"tone": "low", "pitch": "high"}), 1):
        order = site.order(manifest, kind="greet", number=number, inputs={}, parameters=parameters)
        grants = {name: grant(order.order_id, name, "words.ascii") for name in ("greeting", "signature")}
        orders.append(order.model_copy(update={"outputs": grants}))
        site.deliver(orders[-1], manifest)
    trainer.process_inbox()
    assert site.submission(orders[0]).payloads.keys() == {"greeting", "signature"}
    assert site.refusal(orders[1]) == "order.parameters"
