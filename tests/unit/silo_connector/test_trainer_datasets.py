"""What the trainer says of its datasets: registered once, withdrawn when they are declared no longer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest

from federation.protocol.digests import digest_bytes
from federation.protocol.documents import DatasetRegistration, DatasetWithdrawal, Refusal, verify_document
from silo_connector import egress_log, identity, spool
from silo_connector.config import DatasetFile
from silo_connector.trainer.declarations import in_use
from silo_connector.trainer.store.order_store import Memory
from silo_connector.trainer.store.outbox import Outcomes
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.sites import TINY, Site

Said = DatasetRegistration | DatasetWithdrawal


@pytest.fixture
def run(site: Site) -> Callable[..., list[Said]]:
    """Run a trainer with these datasets, from its start to its end; what it put into the outbox."""

    def run(*datasets: DatasetFile) -> list[Said]:
        trainer = Trainer(replace(site.config, datasets=datasets))
        trainer.start()
        trainer.process_inbox()
        trainer.process_inbox()
        trainer.close()
        return taken(site)

    return run


def taken(site: Site) -> list[Said]:
    """What is in the outbox, verified, each found in the journal; then it is gone, as if it was sent."""
    keys = [identity.identity_key(site.config).public]
    journal = (site.config.trainer_state / egress_log.FILE).read_text().splitlines()
    journalled = {line["digest"] for line in map(json.loads, journal) if line["purpose"] == "dataset"}
    rows: list[Said] = []
    for folder in site.outbox.glob("dataset-*"):
        assert spool.is_dataset_folder(folder.name)
        sealed = (folder / spool.DOCUMENT).read_bytes()
        assert digest_bytes(sealed) in journalled
        if json.loads(sealed)["payloadType"] == DatasetWithdrawal.payload_type:
            rows.append(verify_document(DatasetWithdrawal, sealed, keys))
        else:
            rows.append(verify_document(DatasetRegistration, sealed, keys))
        shutil.rmtree(folder)
    return rows


async def test_a_dataset_that_is_declared_no_longer_is_withdrawn_once_and_registered_again(
    site: Site, run: Callable[..., list[Said]]
) -> None:
    tiny = site.config.datasets[0]
    (registered,) = run(tiny)
    assert isinstance(registered, DatasetRegistration)
    (withdrawn,) = run()
    assert isinstance(withdrawn, DatasetWithdrawal)
    assert (withdrawn.silo_id, withdrawn.name) == (registered.silo_id, "tiny")
    assert withdrawn.withdrawn_at > registered.registered_at
    assert run() == []
    (again,) = run(tiny)
    assert isinstance(again, DatasetRegistration)
    assert again.registered_at > withdrawn.withdrawn_at
    assert run(tiny) == []


async def test_a_dataset_that_gets_another_name_is_withdrawn_under_the_old_one(
    site: Site, run: Callable[..., list[Said]]
) -> None:
    tiny = site.config.datasets[0]
    run(tiny)
    (site.folder / "tiny.toml").write_text(TINY.replace('name = "tiny"', 'name = "small"', 1))
    statement = run(tiny)
    assert {one.declaration.name for one in statement if isinstance(one, DatasetRegistration)} == {"small"}
    assert {one.name for one in statement if isinstance(one, DatasetWithdrawal)} == {"tiny"}


@pytest.mark.parametrize("content", ["this is no TOML [", None])
async def test_nothing_is_withdrawn_while_a_declaration_can_not_be_read(
    site: Site, run: Callable[..., list[Said]], content: str | None
) -> None:
    tiny, file = site.config.datasets[0], site.folder / "tiny.toml"
    assert len(run(tiny)) == 1
    file.unlink()
    if content is not None:
        file.write_text(content)
    assert run(tiny) == []
    file.write_text(TINY)
    assert run(tiny) == [], "it was never withdrawn"


async def test_data_that_can_not_be_read_are_still_declared(site: Site, run: Callable[..., list[Said]]) -> None:
    assert len(run(site.config.datasets[0])) == 1
    (site.folder / "tiny.csv").unlink()
    assert run(site.config.datasets[0]) == []


async def test_a_power_cut_between_word_and_memory_says_it_again(
    site: Site, run: Callable[..., list[Said]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(site.config.datasets[0])

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Memory, "forget_registration", cut)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert len(taken(site)) == 1
    (again,) = run()
    assert isinstance(again, DatasetWithdrawal)


async def test_what_waits_to_be_sent_is_not_overtaken_by_the_same_word_later(
    site: Site, run: Callable[..., list[Said]]
) -> None:
    """Declared, taken out, declared again while the relay is away: the last word is among those that are sent."""
    for datasets in (site.config.datasets, (), site.config.datasets, ()):
        trainer = Trainer(replace(site.config, datasets=datasets))
        trainer.process_inbox()
        trainer.close()
    folders = sorted(site.outbox.glob("dataset-*"), key=lambda folder: folder.stat().st_mtime_ns)
    assert [b"withdrawal" in (folder / spool.DOCUMENT).read_bytes() for folder in folders] == [False, True, False, True]


async def test_what_a_full_disk_kept_from_being_said_is_said_later(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    trainer = Trainer(site.config)
    with monkeypatch.context() as patch:
        patch.setattr(Outcomes, "put", full)
        trainer.process_inbox()
    assert taken(site) == []
    trainer.process_inbox()
    trainer.close()
    assert len(taken(site)) == 1


async def test_a_changed_declaration_is_noticed_while_the_trainer_runs(site: Site) -> None:
    """It registers by itself; a file that is half written changes nothing, and the doctor of the site can compare."""
    file = site.folder / "tiny.toml"
    trainer = Trainer(site.config)
    trainer.start()
    trainer.process_inbox()
    (first,) = taken(site)
    assert isinstance(first, DatasetRegistration)
    (before,) = in_use(site.config.trainer_state).values()

    file.write_text(TINY.replace('">0"', '">'))
    trainer.process_inbox()
    assert taken(site) == []
    assert list(in_use(site.config.trainer_state).values()) == [before]

    file.write_text(TINY.replace('"b", type = "number"', '"b", type = "number", unit = "kg"'))
    trainer.process_inbox()
    (again,) = taken(site)
    assert isinstance(again, DatasetRegistration)
    assert again.declaration.columns[1].unit == "kg"
    assert again.schema_digest != first.schema_digest
    assert list(in_use(site.config.trainer_state).values()) != [before]

    file.write_text(TINY.replace('name = "tiny"', 'name = "small"', 1))
    trainer.process_inbox()
    assert {type(one) for one in taken(site)} == {DatasetRegistration, DatasetWithdrawal}
    assert set(in_use(site.config.trainer_state)) == {"small"}
    trainer.close()


async def test_an_order_under_the_schema_before_is_refused_and_one_under_the_new_is_done(site: Site) -> None:
    trainer = Trainer(site.config)
    trainer.start()
    trainer.process_inbox()
    old = site.job()
    (site.folder / "tiny.toml").write_text(TINY.replace('positive = ">0"', 'positive = "==0"'))
    new = site.job()
    for number, (manifest, code) in enumerate(((old, "dataset.schema_changed"), (new, None)), start=1):
        order = site.order(manifest, number=number)
        site.deliver(order, manifest)
        trainer.process_inbox()
        answer = site.outcome(order)
        assert (answer.code if isinstance(answer, Refusal) else None) == code
    trainer.close()
