"""A relay, or anyone who writes into the spool, that turned against the trainer: refused or put aside, nothing
leaves.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from federation.plans.declaration import read_plan
from federation.protocol import envelope
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Order, Submission, sign_document
from federation.protocol.keys import PrivateKey
from silo_connector import spool
from silo_connector.journal import verify
from silo_connector.plans import PLAN
from silo_connector.trainer.kinds import model_orders
from silo_connector.trainer.kinds.execution import execute_order
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.fake_platform import FakePlatform
from tests.unit.silo_connector.hostile import honest, signed_as
from tests.unit.silo_connector.hostile_code import word_on
from tests.unit.silo_connector.runners import GOOD, agreed_to, store
from tests.unit.silo_connector.sites import Site, enrolled, make_site

How = Callable[[Path], object]


def a_link(file: Path) -> None:
    secret = file.parent.parent.parent.parent / "secret"
    secret.write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(secret)


def a_link_out_of_the_spool(file: Path) -> None:
    file.unlink()
    file.symlink_to("../../../../../../../../etc/passwd")


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def half_of_it(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def nothing(file: Path) -> None:
    file.write_bytes(b"")


def too_much(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(5 << 30)


WAYS: list[How] = [a_link, a_link_out_of_the_spool, a_pipe, a_folder, half_of_it, nothing, too_much]
CODES = {
    spool.MANIFEST: {"manifest.missing", "manifest.untrusted"},
    spool.AGREEMENT: {"agreement.malformed"},
    spool.input_file("model"): {"model.size_mismatch"},
}


def left(site: Site) -> list[dict[str, object]]:
    """The lines of the egress journal about orders."""
    file = site.config.trainer_state / "egress.jsonl"
    lines = map(json.loads, file.read_text().splitlines()) if file.exists() else ()
    return [line for line in lines if line["order_id"] is not None]


def check_quarantined(site: Site, names: dict[str, str]) -> None:
    """These and no others were put aside, nothing has left for them, and the journal reports it."""
    assert site.quarantined() == names
    assert not left(site)
    assert not [entry for entry in site.outbox.iterdir() if spool.is_order_id(entry.name)]
    by_name = {line["kept_as"]: line["code"] for line in site.journal() if line["event"] == "inbox.quarantined"}
    assert by_name == names
    verify(site.config.trainer_state)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", CODES)
async def test_a_file_that_is_none_of_ours_is_refused(site: Site, trainer: Trainer, name: str, how: How) -> None:
    manifest = site.job()
    order = site.order(manifest)
    how(site.deliver(order, manifest) / name)
    trainer.process_inbox()
    assert site.refusal(order) in CODES[name]
    assert [file.name for file in (site.outbox / str(order.order_id)).iterdir()] == [spool.DOCUMENT]
    assert [line["purpose"] for line in left(site)] == ["document"]
    assert [line["code"] for line in site.journal() if line["event"] == "order.refused"] == [site.refusal(order)]
    verify(site.config.trainer_state)


@pytest.mark.parametrize("how", WAYS)
async def test_an_order_s_file_that_is_none_of_ours_is_put_aside(site: Site, trainer: Trainer, how: How) -> None:
    manifest = site.job()
    order = site.order(manifest)
    how(site.deliver(order, manifest) / spool.ORDER)
    trainer.process_inbox()
    (code,) = site.quarantined().values()
    assert code in {"spool.not_regular", "spool.too_large", "envelope.malformed"}
    check_quarantined(site, {str(order.order_id): code})


@pytest.mark.parametrize("how", WAYS)
async def test_successions_that_are_none_of_ours_lead_to_no_other_key(site: Site, trainer: Trainer, how: How) -> None:
    manifest = site.job()
    order = site.order(manifest)
    folder = site.deliver(order, manifest, PrivateKey.generate())
    (folder / spool.SUCCESSIONS).write_text("[]")
    how(folder / spool.SUCCESSIONS)
    trainer.process_inbox()
    (code,) = site.quarantined().values()
    check_quarantined(site, {str(order.order_id): code})


async def test_names_that_lead_elsewhere_are_put_aside(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    order = site.order(manifest)
    (site.folder / "secret").mkdir()
    real = site.deliver(order, manifest).rename(site.folder / "real")
    (site.inbox / str(order.order_id)).symlink_to(real)
    (site.inbox / "..enrolment").mkdir()
    (site.inbox / "...").touch()
    trainer.process_inbox()
    codes = site.quarantined()
    assert sorted(codes.values()) == ["inbox.not_an_order"] * 3
    check_quarantined(site, codes)
    assert (real / spool.ORDER).exists(), "what a link leads to is left alone"


async def test_an_order_whose_id_leads_elsewhere_is_put_aside(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    order = site.order(manifest)
    content = json.loads(order.model_dump_json()) | {"order_id": "../../outbox/x"}
    sealed = envelope.sign(json.dumps(content).encode(), Order.payload_type, site.platform.key)
    (site.deliver(order, manifest) / spool.ORDER).write_bytes(sealed)
    trainer.process_inbox()
    check_quarantined(site, {str(order.order_id): "order.malformed"})


async def test_an_order_under_another_key_s_id_is_put_aside(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    order = site.order(manifest)
    sealed = sign_document(order, site.platform.key)
    forged = signed_as(sealed, site.platform.key, PrivateKey.generate())
    (site.deliver(order, manifest) / spool.ORDER).write_bytes(forged)
    trainer.process_inbox()
    check_quarantined(site, {str(order.order_id): "signature.invalid"})


async def test_an_order_in_another_order_s_folder_is_put_aside(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    other = str(uuid4())
    site.deliver(site.order(manifest), manifest).rename(site.inbox / other)
    trainer.process_inbox()
    check_quarantined(site, {other: "order.wrong_folder"})


@pytest.fixture
async def neighbour(tmp_path: Path, site: Site) -> AsyncIterator[Site]:
    """Another silo of the same platform, with a spool of its own."""
    folder = tmp_path / "neighbour"
    folder.mkdir()
    platform = FakePlatform(key=site.platform.key, partner=site.platform.partner)
    server = await platform.start()
    yield await enrolled(make_site(folder, platform))
    await server.close()


async def test_an_order_for_another_silo_is_put_aside(site: Site, trainer: Trainer, neighbour: Site) -> None:
    manifest = neighbour.job()
    order = neighbour.order(manifest)
    folder = neighbour.deliver(order, manifest)
    folder.rename(site.inbox / folder.name)
    trainer.process_inbox()
    check_quarantined(site, {str(order.order_id): "order.not_for_us"})


async def test_answers_from_another_silo_s_spool_are_no_answers_of_ours(
    site: Site, trainer: Trainer, neighbour: Site
) -> None:
    """A whole folder of the neighbour's, answered there, played into this trainer's inbox and outbox."""
    other = Trainer(neighbour.config)
    other.start()
    manifest = neighbour.job()
    order = honest(neighbour, other, manifest)
    other.close()
    (neighbour.outbox / str(order.order_id)).rename(site.inbox / str(order.order_id))
    trainer.process_inbox()
    check_quarantined(site, {str(order.order_id): "spool.missing"})


async def test_another_silo_s_agreement_does_not_replace_ours(site: Site, trainer: Trainer, neighbour: Site) -> None:
    manifest = site.job()
    order = site.order(manifest)
    assert neighbour.platform.agreement is not None
    (site.deliver(order, manifest) / spool.AGREEMENT).write_bytes(neighbour.platform.agreement)
    trainer.process_inbox()
    assert site.refusal(order) == "agreement.mismatch"


async def test_what_is_put_into_the_outbox_beside_the_trainer_is_none_of_its_doing(
    site: Site, trainer: Trainer
) -> None:
    """The relay could send whatever it likes, but signed by nobody; what the trainer answered is what it answered."""
    manifest = site.job()
    order = site.order(manifest)
    planted = site.outbox / str(order.order_id)
    planted.mkdir()
    (planted / spool.DOCUMENT).write_text("{}")
    site.deliver(order, manifest)
    trainer.process_inbox()
    rows = [line for line in site.journal() if line.get("order_id") == str(order.order_id)]
    assert [line["event"] for line in rows] == ["order.allowed"]
    assert not left(site), "nothing of ours was handed over"


async def test_a_file_that_changes_while_it_is_read_is_judged_as_it_was_read(
    site: Site, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is copied to where nobody else writes before it is looked at."""
    manifest = site.job()
    order = site.order(manifest)
    folder = site.deliver(order, manifest)

    def swapped(*arguments: Any) -> Submission:
        half_of_it(folder / spool.input_file("model"))
        nothing(folder / spool.MANIFEST)
        nothing(folder / spool.AGREEMENT)
        return execute_order(*arguments)

    monkeypatch.setattr(model_orders, "execute_order", swapped)
    trainer.process_inbox()
    site.submission(order)


async def test_an_answer_to_the_enrolment_of_another_platform_changes_nothing(site: Site, trainer: Trainer) -> None:
    impostor = replace(site, platform=FakePlatform(partner=site.platform.partner))
    file = site.inbox / spool.ENROLMENT / spool.RESPONSE
    answer = json.loads(file.read_text())
    key = impostor.platform.key.public
    file.write_text(json.dumps(answer | {"platform_keys": [{"key_id": key.key_id, "public_key": key.encoded}]}))
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest, impostor.platform.key)
    trainer.process_inbox()
    assert not trainer.is_enrolled
    assert not left(site)


async def test_a_review_that_is_put_into_the_inbox_is_put_aside(site: Site, trainer: Trainer) -> None:
    """Genuine even, as it went to the platform: what an organisation approves does not come back to it by the
    network.
    """
    plan = read_plan(GOOD.encode())
    agreed_to(site, plan)
    sealed = word_on(plan, site.signatory, site.signatory)
    name = spool.review_folder(digest_bytes(sealed))
    (site.inbox / name).mkdir()
    (site.inbox / name / spool.DOCUMENT).write_bytes(sealed)
    (site.inbox / name / PLAN).write_bytes(plan.source)
    trainer.process_inbox()
    assert site.quarantined() == {name: "inbox.not_an_order"}
    assert not store(site).digests()
