"""What kinds of order about a model have in common."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from artefacts import signed_urls
from federation.aggregation.metric_pooling import combine
from federation.protocol import documents
from registry.models import ModelVersion
from training.engine.kinds.base import Claim
from training.engine.sql import closing
from training.launch.requests import local_of
from training.models import Job


def model_reference(version: ModelVersion, until: datetime) -> documents.BlobReference:
    """Where a silo fetches a version of a model, and what it must be."""
    return documents.BlobReference(
        digest=version.digest,
        size_bytes=version.size_bytes,
        url=signed_urls.download_url(version.digest, expires_at_s=int(until.timestamp())),
    )


def combined_metrics(claim: Claim) -> dict[str, object]:
    """How a round's global model did over the silos, as they have told in this step."""
    round_ = claim.round
    told = closing.measured(claim.step.step_id)
    return combine(round_.version.model.target_kind, told, round_.job.organisation_share_max)


def model_in_manifest(job: Job, version: ModelVersion) -> Mapping[str, Any]:
    """What the manifest says of the model that a job is about."""
    model = version.model
    return {
        "model": model.specification,
        "code_digest": model.code_digest or None,
        "n_features": model.n_features,
        "n_classes": model.n_classes,
        "target": model.target or None,
        "layout": model.layout,
        "initial_model_digest": version.digest,
        "strategy": job.request["strategy"],
        "local": local_of(job.request),
    }
