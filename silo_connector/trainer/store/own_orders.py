"""The orders that this silo was given, by job, with what it sent: as its journal has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from federation.evidence.own_orders import OwnOrder
from silo_connector.journal import all_entries


def own_orders(state: Path) -> dict[str, list[OwnOrder]]:
    """Every order of a job that was allowed or refused here, by the job's id. Raises as ``journal.entries``.

    A journal that was put aside is not read: orders from before are not known here.
    """
    orders: dict[str, dict[str, OwnOrder]] = defaultdict(dict)
    sent: dict[str, set[str]] = defaultdict(set)
    for entry in all_entries(state):
        match entry:
            case {"event": "order.allowed" | "order.refused", "order_id": str(order_id), "job_id": str(job_id)}:
                orders[job_id][order_id] = OwnOrder(order_id, _moment(entry), _digest(entry))
            case {"event": "sent", "purpose": "document", "order_id": str(order_id), "digest": str(digest)}:
                sent[order_id].add(digest)
    return {
        job_id: [replace(one, answers=frozenset(sent.get(one.order_id, ()))) for one in found.values()]
        for job_id, found in orders.items()
    }


def _moment(entry: Mapping[str, Any]) -> datetime | None:
    try:
        moment = datetime.fromisoformat(entry["issued_at"])
    except (KeyError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None


def _digest(entry: Mapping[str, Any]) -> str | None:
    digest = entry.get("order")
    return digest if isinstance(digest, str) else None
