"""The spool's layout: names, what is put aside, what is cleared away."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from uuid import uuid4

import pytest

from silo_connector import spool
from silo_connector.spool import Spool, boot_time_s, is_dataset_folder, is_order_id

ORDER_ID = "0b8f7f0c-90a1-4c0c-8d3a-3a3b9a6a7c11"


@pytest.fixture
def place(tmp_path: Path) -> Spool:
    found = Spool(tmp_path / "spool")
    found.make()
    return found


@pytest.mark.parametrize(
    "name",
    ["", "..", "../../etc", ORDER_ID.upper(), "{" + ORDER_ID + "}", ORDER_ID.replace("-", ""), ORDER_ID + "\n", "x"],
)
def test_only_a_canonical_uuid_is_an_order_id(name: str) -> None:
    assert is_order_id(ORDER_ID)
    assert not is_order_id(name)


def test_dataset_folders_are_distinguished_from_others() -> None:
    assert is_dataset_folder("dataset-0123456789abcdef")
    for name in ("dataset-", "dataset-0123456789abcdeg", "dataset-0123456789abcdef/..", "dataset-0123456789abcdef0"):
        assert not is_dataset_folder(name)


def test_only_real_folders_count_as_orders(place: Spool) -> None:
    inbox = place.root / "inbox"
    (inbox / ORDER_ID).mkdir()
    (inbox / str(uuid4())).touch()
    (inbox / str(uuid4())).symlink_to(inbox / ORDER_ID)
    (inbox / "enrolment").mkdir()
    assert place.orders_in("inbox") == {ORDER_ID}


def test_drop_removes_at_once_and_twice_is_once(place: Spool) -> None:
    folder = place.root / "inbox" / ORDER_ID
    folder.mkdir()
    (folder / "file").touch()
    place.delete_atomically("inbox", ORDER_ID)
    place.delete_atomically("inbox", ORDER_ID)
    assert not folder.exists()
    assert not list((place.root / "tmp").iterdir())


def test_what_is_put_aside_keeps_its_reason(place: Spool) -> None:
    (place.root / "outbox" / ORDER_ID).mkdir()
    place.quarantine("outbox", ORDER_ID, "dead", "some.code", "why")
    assert (place.root / "dead" / ORDER_ID).is_dir()
    reason = json.loads((place.root / "dead" / f"{ORDER_ID}.reason.json").read_text())
    assert (reason["code"], reason["message"]) == ("some.code", "why")
    assert place.recent_orders_in("dead", 3600) == {ORDER_ID}
    assert place.recent_orders_in("dead", -1) == set()
    place.close_aside("dead", ORDER_ID)
    assert place.orders_in("dead") == set()


@pytest.mark.parametrize("name", ["x" * 250, "a b\n", os.fsdecode(b"\xff\xfe")])
def test_an_odd_name_is_put_aside_under_a_plain_one(place: Spool, name: str) -> None:
    (place.root / "inbox" / name).touch()
    kept_as = place.quarantine("inbox", name, "quarantine", "some.code", "why")
    assert kept_as.startswith("odd-")
    assert (place.root / "quarantine" / kept_as).exists()
    assert not list((place.root / "inbox").iterdir())


def test_the_oldest_quarantined_folders_are_deleted(place: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "KEPT_ASIDE_MAX", 3)
    ids = [str(uuid4()) for _ in range(5)]
    for age, order_id in enumerate(reversed(ids)):
        folder = place.root / "inbox" / order_id
        folder.mkdir()
        os.utime(folder, (time.time() - age * 60,) * 2)
    for order_id in ids:
        place.quarantine("inbox", order_id, "quarantine", "some.code", "why")
    assert place.orders_in("quarantine") == set(ids[2:])
    assert len(list((place.root / "quarantine").iterdir())) == 6


def test_orders_from_before_the_boot_are_dropped(place: Spool) -> None:
    old, new = str(uuid4()), str(uuid4())
    for order_id, age_s in ((old, 1000), (new, 10)):
        folder = place.root / "inbox" / order_id
        folder.mkdir()
        os.utime(folder, (time.time() - age_s,) * 2)
    place.drop_from_before_boot(time.time() - 100)
    assert place.orders_in("inbox") == {new}
    place.drop_from_before_boot(0.0)
    assert place.orders_in("inbox") == {new}


def test_boot_time_is_read_from_the_kernel(tmp_path: Path) -> None:
    assert 0 < boot_time_s() < time.time()
    assert boot_time_s(tmp_path) == 0.0
    (tmp_path / "stat").write_text("cpu 1\nbtime 12345\n")
    assert boot_time_s(tmp_path) == 12345.0


def test_the_sweep_clears_what_crashes_left(place: Spool) -> None:
    tmp = place.root / "tmp"
    for name, age_s in (("in-old", 90000), ("in-new", 10), ("out-old", 90000), ("gone-x", 10), ("deleting-x", 10)):
        (tmp / name).mkdir()
        os.utime(tmp / name, (time.time() - age_s,) * 2)
    place.sweep("in-")
    assert sorted(file.name for file in tmp.iterdir()) == ["in-new", "out-old"]
