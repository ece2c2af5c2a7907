"""The orders that this silo was given, by job, with what it sent: as its journal has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from federation.evidence.own_orders import OwnOrder
from silo_connector.journal import all_entries


class OwnOrders(Mapping[str, list[OwnOrder]]):
    """Every order of a job that was allowed or refused here, by the job's id: read from the journal when asked for.

    One job's orders are in memory at a time, however long the journal is. A journal that was put aside is not read:
    orders from before are not known here. Asking raises as ``journal.entries``.
    """

    def __init__(self, state: Path) -> None:
        self._state = state

    def __getitem__(self, job_id: str) -> list[OwnOrder]:
        orders: dict[str, OwnOrder] = {}
        sent: dict[str, set[str]] = defaultdict(set)
        for entry in all_entries(self._state):
            match entry:
                case {"event": "order.allowed" | "order.refused", "order_id": str(order_id), "job_id": str(job)}:
                    if job == job_id:
                        orders[order_id] = OwnOrder(order_id, _moment(entry), _digest(entry))
                case {"event": "sent", "purpose": "document", "order_id": str(order_id), "digest": str(digest)}:
                    if order_id in orders:  # the line about the order is before that about its answer
                        sent[order_id].add(digest)
        if not orders:
            raise KeyError(job_id)
        return [replace(one, answers=frozenset(sent.get(one.order_id, ()))) for one in orders.values()]

    def __iter__(self) -> Iterator[str]:
        jobs = {str(entry["job_id"]) for entry in all_entries(self._state) if _is_of_job(entry)}
        return iter(sorted(jobs))

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _is_of_job(entry: Mapping[str, Any]) -> bool:
    match entry:
        case {"event": "order.allowed" | "order.refused", "order_id": str(), "job_id": str()}:
            return True
    return False


def _moment(entry: Mapping[str, Any]) -> datetime | None:
    try:
        moment = datetime.fromisoformat(entry["issued_at"])
    except (KeyError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None


def _digest(entry: Mapping[str, Any]) -> str | None:
    digest = entry.get("order")
    return digest if isinstance(digest, str) else None
