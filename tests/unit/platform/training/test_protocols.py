"""Each protocol opens the steps that its mode says, which are those that evidence expects."""

from __future__ import annotations

import pytest

from federation.protection import mode_of
from federation.protocol.documents import OrderKind
from federation.statistics.report import KIND as STATISTICS
from tests.support.every import every
from tests.support.plugins.added import OF_THE_PLATFORM, add_parts
from training import protocols
from training.models import Job
from training.protocols import PROTOCOLS, steps_of
from training.protocols.base import StepPlan
from training.protocols.clear import read_all

WORKS = (OrderKind.TRAIN, OrderKind.EVALUATE, OrderKind.STATISTICS)


def test_a_protocol_opens_the_steps_of_its_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    add_parts(monkeypatch, OF_THE_PLATFORM)
    assert {"clear", "greeted"} <= set(PROTOCOLS)
    for name, protocol in every(PROTOCOLS.items()):
        for work in WORKS:
            assert tuple(plan.kind for plan in protocol.steps(work)) == mode_of(name).kinds_of_round(work)


class TooEarly:
    """A protocol that makes a version before its round is sure to count."""

    mode = "clear"

    def steps(self, work: OrderKind) -> tuple[StepPlan, ...]:
        return (StepPlan(work, opens_with=read_all), StepPlan(OrderKind.CONSISTENCY))


def test_no_step_but_the_last_makes_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "protocol_of", lambda job: TooEarly())
    with pytest.raises(ValueError, match="Only the last step"):
        steps_of(Job(task="train", rounds_planned=3), 1)


def test_statistics_are_released_by_the_last_step_of_their_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its digest stands in the event of the round's end, and a round that is abandoned has none."""
    add_parts(monkeypatch, OF_THE_PLATFORM)
    modes = [name for name in PROTOCOLS if STATISTICS in mode_of(name).payload_kinds]
    assert "clear" in modes
    for name in every(modes):
        assert PROTOCOLS[name].steps(OrderKind.STATISTICS)[-1].kind == OrderKind.STATISTICS
