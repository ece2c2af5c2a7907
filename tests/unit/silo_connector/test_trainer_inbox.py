"""A hostile inbox: whatever somebody puts into it is refused or put aside, and the next order is done."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from federation.protocol.digests import digest_bytes
from federation.protocol.documents import BlobReference
from federation.protocol.keys import PrivateKey
from silo_connector import spool
from silo_connector.spool import Spool
from silo_connector.trainer.store.order_store import Outcome
from silo_connector.trainer.store.outbox import Outcomes
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.sites import Site


async def test_what_is_no_order_is_put_aside_and_the_next_order_is_done(site: Site, trainer: Trainer) -> None:
    secret = site.folder / "secret"
    secret.mkdir()
    (secret / "file").touch()
    (site.inbox / "stray.txt").write_text("x")
    (site.inbox / str(uuid4())).symlink_to(secret)
    (site.inbox / "..hidden").mkdir()
    (site.inbox / ("n" * 250)).touch()
    os.mkfifo(site.inbox / str(uuid4()))
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.process_inbox()
    site.submission(order)
    assert sorted(site.quarantined().values()) == ["inbox.not_an_order"] * 5
    assert (secret / "file").exists()


def corrupt(name: str, how: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        file = folder / name
        how(file)

    return change


def link(file: Path) -> None:
    file.unlink()
    file.symlink_to("/etc/passwd")


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3])


def grow(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"xyz")


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("how", [Path.unlink, link, pipe, directory, truncate, lambda file: file.write_bytes(b"")])
async def test_an_order_that_can_not_be_verified_is_put_aside(
    site: Site, trainer: Trainer, how: Callable[[Path], object]
) -> None:
    manifest = site.job()
    order = site.order(manifest)
    corrupt(spool.ORDER, how)(site.deliver(order, manifest))
    trainer.process_inbox()
    assert list(site.quarantined()) == [str(order.order_id)]
    assert not (site.outbox / str(order.order_id)).exists()


async def test_an_order_of_another_platform_is_put_aside(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest, PrivateKey.generate())
    trainer.process_inbox()
    assert site.quarantined() == {str(order.order_id): "signature.invalid"}


async def test_an_order_in_another_s_folder_is_put_aside(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    order = site.order(manifest)
    other = str(uuid4())
    site.deliver(order, manifest).rename(site.inbox / other)
    trainer.process_inbox()
    assert site.quarantined() == {other: "order.wrong_folder"}


@pytest.mark.parametrize(
    ("how", "code"),
    [
        (Path.unlink, "model.unavailable"),
        (link, "model.size_mismatch"),
        (pipe, "model.size_mismatch"),
        (directory, "model.size_mismatch"),
        (truncate, "model.size_mismatch"),
        (grow, "model.size_mismatch"),
        (flip, "model.digest_mismatch"),
    ],
)
async def test_a_model_that_is_not_the_order_s_is_refused(
    site: Site, trainer: Trainer, how: Callable[[Path], object], code: str
) -> None:
    manifest = site.job()
    order = site.order(manifest)
    corrupt(spool.input_file("model"), how)(site.deliver(order, manifest))
    trainer.process_inbox()
    assert site.refusal(order) == code


@pytest.mark.parametrize(
    ("weights", "code"),
    [
        (b"", "tensors.truncated"),
        (b"\xff" * 100, "tensors.header"),
        ((50).to_bytes(8, "little") + b"{" * 50, "tensors.header"),
        ((10**6).to_bytes(8, "little") + b"{}", "tensors.truncated"),
    ],
)
async def test_a_model_that_is_no_safetensors_file_is_refused(
    site: Site, trainer: Trainer, weights: bytes, code: str
) -> None:
    manifest = site.job()
    digest = digest_bytes(weights)
    site.platform.blobs[digest] = weights
    reference = BlobReference(digest=digest, size_bytes=len(weights), url="/connector/v1/blobs/x")
    order = site.order(manifest, inputs={"model": reference}, round=2)
    site.deliver(order, manifest)
    trainer.process_inbox()
    assert site.refusal(order) == code


async def test_a_model_larger_than_the_site_allows_is_refused(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    order = site.order(manifest)
    assert order.model_digest is not None
    huge = order.inputs["model"].model_copy(update={"size_bytes": 1 << 50})
    order = order.model_copy(update={"inputs": {"model": huge}})
    site.deliver(order, manifest)
    trainer.process_inbox()
    assert site.refusal(order) == "model.too_large"


@pytest.mark.parametrize("how", [Path.unlink, link, pipe, directory])
async def test_a_missing_manifest_is_refused(site: Site, trainer: Trainer, how: Callable[[Path], object]) -> None:
    manifest = site.job()
    order = site.order(manifest)
    corrupt(spool.MANIFEST, how)(site.deliver(order, manifest))
    trainer.process_inbox()
    assert site.refusal(order) == "manifest.missing"


async def test_an_inbox_that_can_not_be_cleared_does_not_stop_the_others(
    site: Site, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.inbox / "stuck").touch()

    def fails(*_: object) -> str:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Spool, "quarantine", fails)
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.process_inbox()
    trainer.process_inbox()
    site.submission(order)


async def test_a_fault_in_one_order_does_not_stop_the_others(
    site: Site, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = site.job()
    first, second = site.order(manifest), site.order(manifest, number=2)
    site.deliver(first, manifest)
    site.deliver(second, manifest)
    real = Outcomes.hand_over

    def fails(self: Outcomes, outcome: Outcome) -> None:
        if outcome.order_id == str(first.order_id):
            raise ZeroDivisionError
        real(self, outcome)

    with monkeypatch.context() as patch:
        patch.setattr(Outcomes, "hand_over", fails)
        trainer.process_inbox()
    site.submission(second)
    trainer.process_inbox()
    site.submission(first)


async def test_an_enrolment_answer_with_another_platform_key_is_not_believed(site: Site, tmp_path: Path) -> None:
    response = site.inbox / "enrolment" / spool.RESPONSE
    answer = json.loads(response.read_text())
    impostor = PrivateKey.generate()
    answer["platform_keys"] = [{"key_id": impostor.public.key_id, "public_key": impostor.public.encoded}]
    response.write_text(json.dumps(answer))
    found = Trainer(site.config)
    found.start()
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest, impostor)
    found.process_inbox()
    assert not found.is_enrolled
    assert not (site.outbox / str(order.order_id)).exists()
    found.close()


@pytest.mark.parametrize("answer", ["", "[]", "{}", "x" * 100_000, '{"silo_id": "no", "platform_keys": []}'])
async def test_an_enrolment_answer_that_can_not_be_read_is_waited_over(site: Site, answer: str) -> None:
    (site.inbox / "enrolment" / spool.RESPONSE).write_text(answer)
    found = Trainer(site.config)
    found.process_inbox()
    assert not found.is_enrolled
    found.close()
