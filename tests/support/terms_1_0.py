"""Agreements as protocol 1.0 would have written them: with its names, and without the terms that came later."""

from __future__ import annotations

import json
from typing import Any

from federation.protocol import envelope
from federation.protocol.documents import Agreement
from federation.protocol.documents.terms_1_0 import FIELDS, RENAMED
from federation.protocol.keys import PrivateKey

_OLD = {new: old for old, new in RENAMED.items()}


def payload_1_0(agreement: Agreement) -> bytes:
    """The bytes that would have been signed under 1.0."""
    body = json.loads(agreement.model_dump_json())
    terms = {_OLD.get(name, name): value for name, value in body["terms"].items()}
    return json.dumps(body | {"protocol": "1.0", "terms": _only_known(terms)}).encode()


def envelope_1_0(agreement: Agreement, *keys: PrivateKey) -> bytes:
    """The same, signed by these keys."""
    return envelope.sign(payload_1_0(agreement), Agreement.payload_type, *keys)


def _only_known(statement: Any, within: str = "") -> Any:
    if isinstance(statement, list):
        return [_only_known(one, within) for one in statement]
    if not isinstance(statement, dict):
        return statement
    paths = {name: f"{within}.{name}" if within else name for name in statement}
    return {
        name: _only_known(value, paths[name])
        for name, value in statement.items()
        if paths[name] in FIELDS or any(known.startswith(f"{paths[name]}.") for known in FIELDS)
    }
