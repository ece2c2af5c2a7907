"""A trainer says whether it may have a network in all that it signs, and works under no agreement that forbids it."""

from __future__ import annotations

import pytest

from federation.protocol.documents import DatasetRegistration, Refusal, verify_document
from federation.protocol.documents.base import Network
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.hostile import play
from tests.unit.silo_connector.sites import Site

STATED: tuple[Network, ...] = ("none", "allowed")


def registrations(site: Site, trainer: Trainer) -> list[DatasetRegistration]:
    """What the trainer has said of its data; each is in the outbox under its own name."""
    key = trainer._key.public
    found = [file.read_bytes() for file in sorted((site.config.spool / "outbox").glob("*/document*"))]
    kept = [sealed for sealed in found if DatasetRegistration.payload_type.encode() in sealed]
    return [verify_document(DatasetRegistration, sealed, [key]) for sealed in kept]


@pytest.mark.parametrize("network", STATED)
async def test_a_trainer_s_network_stands_in_what_it_signs(site: Site, network: Network) -> None:
    trainer = Trainer(site.config, network)
    trainer.start()
    order = play(site, site.job())
    trainer.process_inbox()
    assert [one_report.network for one_report in registrations(site, trainer)] == [network]
    assert site.submission(order).environment.network == network
    trainer.close()


async def test_under_an_agreement_that_forbids_a_network_it_carries_out_no_order(site: Site) -> None:
    site.agree(training_limits={"trainer_network": "forbidden"})
    for network in STATED:
        trainer = Trainer(site.config, network)
        trainer.start()
        order = play(site, site.job())
        trainer.process_inbox()
        if network == "none":
            assert site.submission(order).environment.network == "none"
        else:
            refusal = site.outcome(order)
            assert isinstance(refusal, Refusal)
            assert (refusal.code, refusal.rule, refusal.environment.network) == (
                "agreement.trainer_network",
                "training_limits",
                "allowed",
            )
        trainer.close()
