"""The frozen orders, read as a trainer does: what the library refuses it refuses too, and says so where it can."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from federation.errors import FederationError
from federation.protocol.keys import PrivateKey
from federation.protocol.successions import KeyChain
from silo_connector.relay.routing import OrderTransfers
from silo_connector.trainer.kinds.registry import Kinds
from silo_connector.trainer.orders.verification import Trust, open_order
from silo_connector.trainer.refusals import REFUSALS, Refused
from tests.support.vectors import public_key, vectors_of

ORDERS = list(vectors_of("orders"))
KINDS = Kinds()
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(("_file", "vector", "content"), ORDERS, ids=[one["name"] for _, one, _ in ORDERS])
def test_a_trainer_reads_an_order_as_the_vector_says(
    _file: str, vector: dict[str, Any], content: dict[str, Any]
) -> None:
    sealed = base64.b64decode(vector["bytes"])
    platform = public_key(content, "platform")
    silo_id = UUID(json.loads(base64.b64decode(json.loads(sealed)["payload"]))["silo_id"])
    other = PrivateKey.generate().public
    trust = Trust(silo_id, KeyChain(platform), other, other)
    expected = vector["expected"].get("error")
    if expected == "signature.invalid":
        with pytest.raises(FederationError, match=r"signature\.invalid"):
            open_order(sealed, trust, NOW, KINDS.by_name)
        return
    order = open_order(sealed, trust, NOW, KINDS.by_name).order
    if expected is None and order_kind(sealed) in KINDS.by_name:
        assert not isinstance(order, Refused)
    elif expected is not None:
        assert isinstance(order, Refused)
        assert order.code in {expected, "order.malformed"}
        assert order.code in REFUSALS


def order_kind(sealed: bytes) -> str:
    kind: str = json.loads(base64.b64decode(json.loads(sealed)["payload"]))["kind"]
    return kind


def test_a_relay_carries_what_a_good_order_names() -> None:
    for _, vector, _ in ORDERS:
        if (statement := vector["expected"].get("ok")) is not None:
            route = OrderTransfers.of_order(base64.b64decode(vector["bytes"]))
            assert sorted(route.inputs) == statement["inputs"]
            assert sorted(route.outputs) == statement["outputs"]
