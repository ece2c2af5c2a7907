"""What may leave the site, field by field: a field that is not named here does not leave, whatever may carry it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from federation.protocol.documents import (
    AuditCheckpoint,
    CodeReview,
    DatasetRegistration,
    DatasetWithdrawal,
    EnrolmentStatement,
    LogAcceptance,
    Refusal,
    SiloCertificate,
    SiloState,
    Submission,
)
from federation.statistics.report import StatisticsReport
from federation.targets import figure_names
from silo_connector.trainer.resources import Resources

_PAYLOAD = re.compile(r"payloads\.[a-z][a-z0-9_]{0,39}\.(kind|digest|size_bytes)")
PHASES = frozenset({"verify", "data", "evaluate", "load", "train", "write"})
STATES = frozenset({"waiting_for_enrolment", "idle", "working", "locked"})
_ENVIRONMENT = ("environment.connector_version", "environment.image_digest", "environment.network")
_ANSWER = ("protocol", "order_id", "number", "silo_id", "job_id", "created_at", *_ENVIRONMENT)
_CAPABILITIES = (
    *("capabilities.protocols", "capabilities.kinds", "capabilities.protection"),
    *("capabilities.families", "capabilities.targets", "capabilities.payloads"),
)

_SEALED = tuple(
    f"{name}{part}"
    for name in ("seen", "log_acceptances")
    for part in ("", ".payload", ".payloadType", ".signatures.keyid", ".signatures.sig")
)
_RESOURCES = ("resources.memory_total_bytes", "resources.memory_free_bytes", "resources.gpus")


def may_leave(kind: type[BaseModel], field: str) -> bool:
    """Whether a field of such a document may leave at all: listed below, a figure that some target has, or a payload.

    Which figures of which job, and with which values, is checked after this by the job's target and agreement; which
    payloads, by the order.
    """
    figure = field.removeprefix("evaluation.figures.")
    is_of_answer = (figure != field and figure in figure_names()) or _PAYLOAD.fullmatch(field) is not None
    return field in FIELDS[kind] or (kind is Submission and is_of_answer)


class Status(BaseModel):
    """What the trainer says about itself between orders."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connector_version: str
    capabilities: dict[str, Any]
    resources: Resources
    state: str
    at: AwareDatetime
    seen: dict[str, Any] | None = None
    """What the silo has seen of the platform: a `SiloState`, sealed."""
    log_acceptances: tuple[dict[str, Any], ...] = ()
    """The organisation's newest `LogAcceptance`, one a chain, sealed."""


FIELDS: Mapping[type[BaseModel], frozenset[str]] = MappingProxyType(
    {
        Submission: frozenset(
            {
                *_ANSWER,
                *("kind", "manifest_digest", "round", "attempt", "model_digest"),
                "payloads",
                *("training", "training.rows", "training.steps", "training.loss", "training.update_norm_l2"),
                *("evaluation", "evaluation.rows", "evaluation.figures", "evaluation.suppressed"),
                *(f"phases_s.{phase}" for phase in PHASES),
            }
        ),
        StatisticsReport: frozenset(
            {
                *("kind", "minimum_cell", "rows", "columns"),
                *(f"columns.{name}" for name in ("name", "type", "levels", "unit", "edges")),
                *(f"columns.{name}" for name in ("missing", "cells", "mean", "variance")),
            }
        ),
        Refusal: frozenset(
            {
                *(*_ANSWER, "code", "message", "rule", "highest_number"),
                *("kept", "kept.position", "kept.digest", "kept.root"),
            }
        ),
        SiloState: frozenset(
            {
                *("protocol", "silo_id", "highest_number", "platform_older", "made_at"),
                *("heads", "heads.chain", "heads.position", "heads.digest", "heads.root"),
            }
        ),
        LogAcceptance: frozenset(
            {
                *("protocol", "identity_key", "signatory_key", "chain", "accepted_at"),
                *(f"{head}.{name}" for head in ("kept", "shown") for name in ("position", "digest", "root")),
            }
        ),
        DatasetRegistration: frozenset(
            {
                *("protocol", "silo_id", "schema_digest", "rows_coarse", "network", "registered_at"),
                *(f"declaration.{name}" for name in ("name", "title", "description", "format", "delimiter", "header")),
                *(
                    f"declaration.{name}"
                    for name in ("missing", "encoding", "decimal", "split.method", "split.train_fraction", "split.seed")
                ),
                *("declaration.split.column", "declaration.split.train_value"),
                *(f"declaration.columns.{name}" for name in ("name", "type", "levels", "unit", "minimum", "maximum")),
                "declaration.columns.histogram_edges",
                *("declaration.columns.date_format", "declaration.split.train_before"),
                *(
                    f"declaration.steps.{name}"
                    for name in ("step", "column", "columns", "positive", "classes", "names", "kind")
                ),
                *(f"declaration.steps.{name}" for name in ("drop_first", "ddof", "epsilon", "fit")),
                *(
                    f"declaration.steps.{name}"
                    for name in ("renames.column", "renames.to", "values.value", "values.to")
                ),
                *(f"declaration.steps.{name}" for name in ("levels", "value", "minimum", "maximum", "offset")),
            }
        ),
        DatasetWithdrawal: frozenset({"protocol", "silo_id", "name", "withdrawn_at"}),
        EnrolmentStatement: frozenset(
            {
                *("protocol", "identity_key", "signatory_key", "connector_version", "created_at"),
                *_CAPABILITIES,
            }
        ),
        SiloCertificate: frozenset(
            {"protocol", "organisation", "signatory_key", "identity_key", "not_before", "not_after"}
        ),
        CodeReview: frozenset(
            {"protocol", "code_digest", "signatory_key", "reviewer", "verdict", "note", "reviewed_at"}
        ),
        AuditCheckpoint: frozenset({"protocol", "chain", "position", "digest", "root", "made_at"}),
        Status: frozenset({"connector_version", "state", "at", *_CAPABILITIES, *_RESOURCES, *_SEALED}),
    }
)
