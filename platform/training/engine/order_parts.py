"""What a signed order of ours brings and asks for, read from its envelope: the row keeps nothing of it twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from federation.protocol.envelope import payload_unverified


def inputs_of(envelope: bytes) -> Mapping[str, Mapping[str, Any]]:
    """The artefacts that an order brings, by name: digest, size_bytes and url of each. None for other documents."""
    return _part(envelope, "inputs")


def outputs_of(envelope: bytes) -> Mapping[str, Mapping[str, Any]]:
    """The grants of an order by name: kind, size_bytes_max and url of each."""
    return _part(envelope, "outputs")


def _part(envelope: bytes, name: str) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = json.loads(payload_unverified(envelope)).get(name) or {}
    return found
