"""A version as each round keeps and checks it, in SQL."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from realtime import database
from registry.models import ModelVersion

_ADD = """
    INSERT INTO registry_modelversion
        (id, model_id, round_number, digest, size_bytes, optimiser_digest, metrics, is_best, created_at)
    VALUES (%(id)s, %(model)s, %(round_number)s, %(digest)s, %(size_bytes)s, %(optimiser_digest)s, '{}', false,
            %(created_at)s)
"""


def add(version: ModelVersion) -> None:
    """Keep a new version."""
    database.fetch(
        _ADD,
        {
            "id": version.id,
            "model": version.model_id,
            "round_number": version.round_number,
            "digest": version.digest,
            "size_bytes": version.size_bytes,
            "optimiser_digest": version.optimiser_digest,
            "created_at": version.created_at,
        },
    )
    version._state.adding = False


_JUDGE = """
    WITH judged AS (
        UPDATE registry_modelversion SET metrics = %(metrics)s WHERE id = %(version)s
    )
    SELECT metrics FROM registry_modelversion WHERE model_id = %(model)s AND is_best
"""


def store_metrics(version: ModelVersion, metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Keep a version's metrics; those of the best one so far (as they were before), or None when there is none."""
    given = {"metrics": Jsonb(metrics), "version": version.id, "model": version.model_id}
    rows = database.fetch(_JUDGE, given)
    return json.loads(rows[0][0]) if rows else None


_NO_BEST = "UPDATE registry_modelversion SET is_best = false WHERE model_id = %(model)s AND is_best"
_BEST = "UPDATE registry_modelversion SET is_best = true WHERE id = %(version)s"


def mark_best(version_id: UUID, *, model_id: UUID) -> None:
    """Make this the best version of its model: two statements, since no two may be it even for a moment."""
    database.fetch(_NO_BEST, {"model": model_id})
    database.fetch(_BEST, {"version": version_id})
