"""What the trainer remembers: an order is taken once, a number is used once, an outcome stays."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.order_store import Memory, Outcome, SentPayload


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    found = Memory(tmp_path)
    yield found
    found.close()


def test_the_first_outcome_stays_over_restarts(memory: Memory, tmp_path: Path) -> None:
    assert memory.outcome("a") is None
    assert memory.take("a", "silo", 1) == 1
    assert memory.outcome("a") is None
    first = memory.finish(
        Outcome("a", b"one", (SentPayload("update", "sha256:0", 5), SentPayload("seeds", "sha256:1", 0)))
    )
    assert memory.finish(Outcome("a", b"two")) == first
    memory.close()
    again = Memory(tmp_path)
    assert again.outcome("a") == first
    again.close()


def test_starts_of_an_order_are_counted(memory: Memory) -> None:
    assert [memory.take("a", "silo", 1) for _ in range(3)] == [1, 2, 3]
    memory.undo_start("a")
    assert memory.take("a", "silo", 1) == 3


def test_a_number_belongs_to_one_order_of_a_silo(memory: Memory) -> None:
    memory.take("a", "silo", 1)
    with pytest.raises(Refused) as caught:
        memory.take("b", "silo", 1)
    assert caught.value.code == "order.number_reused"
    assert memory.finish(Outcome("b", b"refusal")).document == b"refusal"
    memory.take("c", "another silo", 1)
    with pytest.raises(Refused):
        memory.take("b", "silo", 1)


def test_an_outcome_without_an_order_is_a_fault(memory: Memory) -> None:
    with pytest.raises(AssertionError):
        memory.finish(Outcome("never taken", b"x"))


def test_registrations_are_stored_and_read_back(memory: Memory) -> None:
    assert memory.registered("d") is None
    memory.register("d", "one")
    memory.register("d", "two")
    assert memory.registered("d") == "two"
    memory.register("e", "three")
    assert memory.registered_names() == {"d", "e"}
    memory.forget_registration("d")
    memory.forget_registration("never registered")
    assert memory.registered_names() == {"e"}
    assert memory.registered("d") is None


def test_half_an_outcome_can_not_be_stored(memory: Memory, tmp_path: Path) -> None:
    memory.take("a", "silo", 1)
    other = sqlite3.connect(tmp_path / "trainer.sqlite")
    with pytest.raises(sqlite3.IntegrityError):
        other.execute("UPDATE orders SET document = x'00'")
    other.close()
