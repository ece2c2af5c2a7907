"""Agreements for the connector's tests: what is agreed by default, changed term by term, and signed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from federation.agreements import signing
from federation.protocol import envelope
from federation.protocol.documents import Agreement, Terms, now
from federation.protocol.keys import PrivateKey, PublicKey
from tests.support.terms_1_0 import envelope_1_0


def terms(members: Sequence[PublicKey], **changes: Any) -> Terms:
    """Everything that the tests' jobs do, with little ones' data; the first member brings them."""
    moment = now()
    content: dict[str, Any] = {
        "members": [{"organisation": f"Org {n}", "signatory_key": key.encoded} for n, key in enumerate(members)],
        "purposes": {"permission": "NRES"},
        "datasets": [{"signatory_key": key.encoded, "dataset": "tiny"} for key in members],
        "training_limits": {
            "tasks": ["train", "evaluate"],
            "families": ["logistic", "mlp"],
            "parameters_max": 1_000_000_000,
            "rounds_max": 100,
            "update_norm_l2_max": 1e4,
        },
        "protection": ["clear"],
        "cohort": {"minimum_participants": 1},
        "disclosure": {"metrics": ["loss", "accuracy", "auc", "confusion"], "minimum_cell": 1},
        "validity": {"not_before": moment - timedelta(days=1), "not_after": moment + timedelta(days=365)},
    }
    for name, change in changes.items():
        found = content.get(name)
        content[name] = {**found, **change} if isinstance(found, dict) and isinstance(change, dict) else change
    return Terms.model_validate(content)


def agreement(consortium_id: UUID, statement: Terms, **changes: Any) -> Agreement:
    """The first version of an agreement with these terms."""
    content: dict[str, Any] = {
        "agreement_id": uuid4(),
        "consortium_id": consortium_id,
        "consortium": "Hearts",
        "version": 1,
        "terms": statement,
        "proposed_at": now(),
    }
    return Agreement.model_validate(content | changes)


def signed(document: Agreement, *keys: PrivateKey) -> bytes:
    """The envelope with the signatures of these keys, members' or not."""
    if document.protocol == "1.0":
        return envelope_1_0(document, *keys)
    return envelope.sign(document.model_dump_json().encode(), Agreement.payload_type, *keys)


def unsigned(document: Agreement) -> bytes:
    """What is downloaded from the agreement's page before anybody has signed."""
    return signing.unsigned(document)


def digest_of(sealed: bytes) -> str:
    """The agreement's hash."""
    return signing.open_agreement(sealed).digest


def opened(sealed: bytes) -> Agreement:
    """What an envelope holds."""
    return signing.open_agreement(sealed).agreement
