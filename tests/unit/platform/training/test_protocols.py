"""Each protocol opens the steps that its mode says, which are those that evidence expects."""

from __future__ import annotations

import pytest

from federation.protection import mode_of
from federation.protocol.documents import OrderKind
from tests.support.every import every
from tests.support.plugins.added import OF_THE_PLATFORM, add_parts
from training.protocols import PROTOCOLS

WORKS = (OrderKind.TRAIN, OrderKind.EVALUATE, OrderKind.STATISTICS)


def test_a_protocol_opens_the_steps_of_its_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    add_parts(monkeypatch, OF_THE_PLATFORM)
    assert {"clear", "greeted"} <= set(PROTOCOLS)
    for name, protocol in every(PROTOCOLS.items()):
        for work in WORKS:
            assert tuple(plan.kind for plan in protocol.steps(work)) == mode_of(name).kinds_of_round(work)
