"""What silos say of their health. None of it is trusted: it is shown, and bounded."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from rest.names import as_one_line
from silos.capabilities import bounded
from silos.capability_changes import note_change
from silos.models import Silo

GPUS_MAX = 16
_NAME_LENGTH_MAX = 80
_BYTES_MAX = 2**62
_SECONDS_MAX = 1e9


def note_heartbeat(*, by: Silo, report: dict[str, Any]) -> None:
    """Keep what the silo says of its health; what makes no sense is kept as not reported."""
    trainer = _object(report.get("trainer"))
    resources = _object(trainer.get("resources"))
    gpus = resources.get("gpus")
    by_name = {"capabilities": can} if (can := bounded(trainer.get("capabilities"))) else {}
    if can:
        note_change(silo=by, can=can)
    Silo.objects.filter(id=by.id).update(
        last_seen_at=timezone.now(),
        silent_since=None,
        clock_skew_s=_seconds(report.get("clock_skew_s")) or 0.0,
        latency_s=_seconds(report.get("latency_s")),
        disk_free_bytes=_size_bytes(report.get("disk_free_bytes")),
        memory_total_bytes=_size_bytes(resources.get("memory_total_bytes")),
        memory_free_bytes=_size_bytes(resources.get("memory_free_bytes")),
        gpus=[_text(gpu)[:_NAME_LENGTH_MAX] for gpu in (gpus if isinstance(gpus, list) else [])[:GPUS_MAX]],
        connector_version=_text(trainer.get("connector_version") or report.get("relay_version"))[:60],
        **by_name,  # without a trainer's word it can still do what it said last
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return as_one_line(value) if isinstance(value, str) else ""


def _size_bytes(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < _BYTES_MAX else None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_SECONDS_MAX < value < _SECONDS_MAX:
        return None  # NaN is not between them either
    return float(value)
