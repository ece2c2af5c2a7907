"""The platform's signing key is passed on in the middle of a job: relays and trainers follow, and the job goes on."""

from __future__ import annotations

import pytest

from federation.protocol.keys import load_public
from silo_connector.platform_keys import known_chain
from tests.faults.conftest import Federation
from tests.support.every import every

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("federation")]


def test_a_job_goes_on_under_a_new_key(federation: Federation) -> None:
    coordinator = federation.ensemble.coordinator
    job_id = federation.launch(seed=11)
    federation.wait_for_round(job_id, 2)
    worker = federation.child("worker")
    worker.kill()  # without it no round opens: the rest of the job is signed with the new key
    statement = coordinator.manage("rotate_platform_key", with_signing_key=True)
    worker.start()
    learned = federation.final_digest(job_id)
    new, old = load_public(coordinator.home.root / "keys" / "platform.pub")
    assert new.fingerprint in statement
    for connector in every(federation.ensemble.connectors):
        chain = known_chain(connector.folder / "trainer")
        assert chain is not None, f"{connector.hospital.silo} did not follow"
        assert chain.keys == (old, new)
    trainer = federation.child("trainer-cleveland")
    trainer.kill()
    trainer.start()
    assert federation.final_digest(federation.launch(seed=11)) == learned
