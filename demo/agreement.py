"""The demo's data-use agreement: drafted by the administrator, signed by five parties on their own premises."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from demo.client import Client
from demo.connectors import Connector
from demo.hospitals import COORDINATOR, DECLARATION_NAME
from demo.processes import DemoError
from demo.signatory import Signatory

SCOPES = ["agreements:read", "agreements:write", "consortia:read"]
IN_FORCE_TIMEOUT_S = 300.0
HEART_DISEASE = ["ICD-10:I20", "ICD-10:I25"]
PURPOSE = {"category": "disease", "diseases": ["ICD-10:I25.1"], "ethics_approval": "CDT 2026-17"}
"""Coronary heart disease, with an approval: within the agreement."""
OUTSIDE = {"category": "disease", "diseases": ["ICD-10:C34"], "ethics_approval": "CDT 2026-17"}
"""Lung cancer: the hospitals have agreed to heart disease only."""


@dataclass(frozen=True)
class Agreed:
    """What is in force."""

    version_id: str
    members: int
    signatures: int
    digest: str


def terms(connectors: Sequence[Connector], coordinator: Signatory) -> dict[str, Any]:
    """Heart disease only, not commercial, with an ethics approval; at least three hospitals in every round."""
    hospitals = [(one.hospital.organisation, one.signatory.public_key) for one in connectors]
    now = datetime.now(UTC).replace(microsecond=0)
    return {
        "members": [
            {"organisation": name, "signatory_key": key}
            for name, key in [*hospitals, (COORDINATOR, coordinator.public_key)]
        ],
        "purposes": {"permission": "DS", "diseases": HEART_DISEASE, "modifiers": ["NCU", "IRB"]},
        "datasets": [{"signatory_key": key, "dataset": DECLARATION_NAME} for _, key in hospitals],
        "training_limits": {
            "tasks": ["train", "evaluate", "statistics"],
            "families": ["logistic", "mlp"],
            "parameters_max": 10_000_000,
            "rounds_max": 100_000,
            "update_norm_l2_max": 10_000.0,
        },
        "protection": ["clear", "masked"],
        "clear_reason": "The records are public, and masks are not built yet.",
        "cohort": {"minimum_participants": min(3, len(hospitals)), "minimum_rows": 50},
        "disclosure": {"metrics": ["loss", "accuracy", "auc", "confusion"], "minimum_cell": 5, "round_models": True},
        "validity": {
            "not_before": (now - timedelta(hours=1)).isoformat(),
            "not_after": (now + timedelta(days=365)).isoformat(),
        },
        "amendment": {"running_jobs": "stop"},
        "notes": "Agreed for the demonstration; the records were published by the UCI Machine Learning Repository.",
    }


def conclude(
    *, administrator: Client, steward: Client, consortium: str, connectors: Sequence[Connector], coordinator: Signatory
) -> Agreed:
    """Draft, propose and open it; every party signs with its own key; returns once it is in force."""
    found = next((row for row in administrator.all("agreements/versions/", state="in_force")), None)
    if found is not None:
        return _await_force(administrator, str(found["id"]))
    first = terms(connectors, coordinator)
    return bring_into_force(administrator, steward, consortium, first, connectors, coordinator)


def bring_into_force(
    administrator: Client,
    steward: Client,
    consortium: str,
    wanted: dict[str, Any],
    connectors: Sequence[Connector],
    coordinator: Signatory,
) -> Agreed:
    """A version with these terms, from its draft to the last signature."""
    drafted = administrator.post("agreements/versions/", {"consortium": consortium, "terms": wanted})
    version, seen = str(drafted["id"]), {"seen_digest": drafted["terms_digest"]}
    administrator.post(f"agreements/versions/{version}/propose/")
    administrator.post(f"agreements/versions/{version}/open-signing/", seen)
    document = json.dumps(administrator.get(f"agreements/versions/{version}/document/")).encode()
    for connector in connectors:
        connector.sign(document)
    signed = json.loads(coordinator.sign(document))
    steward.post(f"agreements/versions/{version}/signatures/", {"document": signed})
    return _await_force(administrator, version)


def _await_force(client: Client, version: str) -> Agreed:
    """The hospitals' relays carry their signatures in."""
    deadline = time.monotonic() + IN_FORCE_TIMEOUT_S
    while (response := client.get(f"agreements/versions/{version}/"))["state"] != "in_force":
        if time.monotonic() > deadline:
            raise DemoError(f"The agreement is {response['state']}; not signed: {', '.join(response['missing'])}.")
        time.sleep(0.2)
    parties = response["parties"]
    return Agreed(version, len(parties), sum(party["signed_at"] is not None for party in parties), response["digest"])
