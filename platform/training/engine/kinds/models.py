"""What kinds of order about a model have in common."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from artefacts import signed_urls
from federation.aggregation.metric_pooling import combine
from federation.protocol import documents
from federation.protocol.documents.protection import parse_protection
from federation.protocol.payloads import payload_kind
from federation.protocol.tensors import Layout, TensorSpec
from registry.models import ModelVersion
from training.engine.kinds.base import Claim
from training.engine.sql import closing
from training.launch.requests import local_of
from training.models import Job, Round

UPLOAD_MARGIN_BYTES = 1 << 16
"""An update is as large as its kind says, give or take its header."""


def model_reference(version: ModelVersion, until: datetime) -> documents.BlobReference:
    """Where a silo fetches a version of a model, and what it must be."""
    return documents.BlobReference(
        digest=version.digest,
        size_bytes=version.size_bytes,
        url=signed_urls.download_url(version.digest, expires_at_s=int(until.timestamp())),
    )


def layout_of(version: ModelVersion) -> Layout:
    """The tensors of a version of a model."""
    return tuple(
        TensorSpec(name=spec["name"], shape=tuple(spec["shape"]), dtype=spec["dtype"]) for spec in version.model.layout
    )


def upload_grant(round_: Round, order_id: UUID, name: str, kind: str, until: datetime) -> documents.UploadGrant:
    """A grant for one output of an order: a payload of this kind, about the round's model."""
    protection = parse_protection(round_.job.request["protection"])
    size_max = payload_kind(kind).size_bytes_max(layout_about(round_), protection) + UPLOAD_MARGIN_BYTES
    url = signed_urls.upload_url(order_id, name, size_bytes_max=size_max, expires_at_s=int(until.timestamp()))
    return documents.UploadGrant(kind=kind, size_bytes_max=size_max, url=url)


def layout_about(round_: Round) -> Layout:
    """That of the round's model; empty where it is about none."""
    return () if round_.base_version is None else layout_of(round_.base_version)


def combined_metrics(claim: Claim) -> dict[str, object]:
    """How a round's global model did over the silos, as they have reported in this step."""
    round_ = claim.round
    reported = closing.measured(claim.step.step_id)
    return combine(round_.version.model.target_kind, reported, round_.job.organisation_share_max)


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
