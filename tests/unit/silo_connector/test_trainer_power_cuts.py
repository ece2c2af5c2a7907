"""Power cuts: wherever the trainer ends, after the next start there is one outcome, whole and journalled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from federation.protocol.digests import digest_bytes
from silo_connector import egress_log, spool
from silo_connector.folders import SafeDir
from silo_connector.spool import Spool
from silo_connector.trainer.kinds import model_orders
from silo_connector.trainer.store import outbox
from silo_connector.trainer.store.order_store import Memory
from silo_connector.trainer.store.outbox import Outcomes
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.sites import Site


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


class PowerCut(BaseException):
    """The process ends here."""


STEPS: list[tuple[object, str]] = [
    (Memory, "take"),
    (model_orders, "copy_input"),
    (model_orders, "execute_order"),
    (model_orders, "sign_if_allowed"),
    (Outcomes, "sync"),
    (Memory, "finish"),
    (outbox, "record"),
    (SafeDir, "link_or_copy"),
    (SafeDir, "move"),
    (Spool, "delete_atomically"),
    (Outcomes, "prune"),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS, ids=[step for _, step in STEPS])
async def test_a_power_cut_at_any_step_leaves_one_outcome(
    site: Site, step: tuple[object, str], after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = site.job()
    order = site.order(manifest)
    first = Trainer(site.config)
    first.process_inbox()  # the registration goes out
    site.deliver(order, manifest)
    owner, name = step
    real = getattr(owner, name)

    def cut(*arguments: Any, **options: Any) -> None:
        if after:
            real(*arguments, **options)
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, cut)
        with pytest.raises(PowerCut):
            first.process_inbox()
    first.close()
    folder = site.outbox / str(order.order_id)
    before = files(folder) if folder.exists() else None
    second = Trainer(site.config)
    second.start()
    second.process_inbox()
    second.process_inbox()
    second.close()
    submission = site.submission(order)
    assert submission.payloads
    assert digest_bytes((folder / spool.output_file("update")).read_bytes()) == submission.payloads["update"].digest
    if before is not None:
        assert files(folder) == before
    assert not (site.inbox / str(order.order_id)).exists()
    leftovers = [file.name for file in (site.config.spool / "tmp").iterdir()]
    assert not leftovers
    journal = (site.config.trainer_state / egress_log.FILE).read_text().splitlines()
    digests = {json.loads(line)["digest"] for line in journal if json.loads(line)["order_id"] is not None}
    assert {submission.payloads["update"].digest, digest_bytes((folder / spool.DOCUMENT).read_bytes())} <= digests


async def test_the_journal_is_on_the_disk_before_anything_is_in_the_outbox(
    site: Site, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.process_inbox()
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    real_move = SafeDir.move

    def watched(self: SafeDir, name: str, target: SafeDir, *arguments: Any, **options: Any) -> None:
        if target.name == "outbox":
            journal = (site.config.trainer_state / egress_log.FILE).read_text()
            assert str(order.order_id) in journal
        real_move(self, name, target, *arguments, **options)

    monkeypatch.setattr(SafeDir, "move", watched)
    trainer.process_inbox()
    site.submission(order)
