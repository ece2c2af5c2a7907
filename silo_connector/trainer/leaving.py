"""What may leave the site: an allow-list of fields, vocabularies and bounds. Everything goes through ``leave``.

A field that is not named here does not leave, whatever the document's type may carry one day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from federation.errors import Invalid
from federation.protocol.digests import digest_stream
from federation.protocol.documents import (
    DatasetRegistration,
    DatasetWithdrawal,
    Document,
    EnrolmentStatement,
    EvaluationReport,
    Manifest,
    PayloadReference,
    Refusal,
    SiloCertificate,
    Submission,
    seal,
)
from federation.protocol.keys import PrivateKey
from federation.protocol.tensors import Layout, file_size_bytes, read_header
from silo_connector.trainer.refusals import REFUSALS
from silo_connector.trainer.resources import Resources

PHASES = frozenset({"verify", "data", "evaluate", "load", "train", "write"})
STATES = frozenset({"waiting_for_enrolment", "idle", "working"})
_ENVIRONMENT = ("environment.connector_version", "environment.image_digest")
_ANSWER = ("protocol", "order_id", "number", "silo_id", "job_id", "created_at", *_ENVIRONMENT)
_CAPABILITIES = ("capabilities.kinds", "capabilities.protection", "capabilities.families")

_RESOURCES = ("resources.memory_total_bytes", "resources.memory_free_bytes", "resources.gpus")


class Status(BaseModel):
    """What the trainer says about itself between orders."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connector_version: str
    capabilities: dict[str, Any]
    resources: Resources
    state: str
    at: AwareDatetime


FIELDS: Mapping[type[BaseModel], frozenset[str]] = MappingProxyType(
    {
        Submission: frozenset(
            {
                *_ANSWER,
                *("kind", "manifest_digest", "round", "attempt", "model_digest"),
                *("payload", "payload.digest", "payload.size_bytes"),
                *("training", "training.rows", "training.steps", "training.loss", "training.update_norm_l2"),
                *("evaluation", "evaluation.rows", "evaluation.loss", "evaluation.accuracy", "evaluation.auc"),
                *("evaluation.confusion", "evaluation.confusion.counts", "evaluation.suppressed"),
                *(f"phases_s.{phase}" for phase in PHASES),
            }
        ),
        Refusal: frozenset({*_ANSWER, "code", "message"}),
        DatasetRegistration: frozenset(
            {
                *("protocol", "silo_id", "schema_digest", "rows_coarse", "registered_at"),
                *(f"declaration.{name}" for name in ("name", "title", "description", "format", "delimiter", "header")),
                *(
                    f"declaration.{name}"
                    for name in ("missing", "encoding", "decimal", "split.method", "split.train_fraction", "split.seed")
                ),
                *("declaration.split.column", "declaration.split.train_value"),
                *(f"declaration.columns.{name}" for name in ("name", "type", "levels", "unit", "minimum", "maximum")),
                *(
                    f"declaration.steps.{name}"
                    for name in ("step", "column", "columns", "positive", "classes", "names")
                ),
                *(f"declaration.steps.{name}" for name in ("drop_first", "ddof", "epsilon", "fit")),
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
        Status: frozenset({"connector_version", "state", "at", *_CAPABILITIES, *_RESOURCES}),
    }
)


@dataclass(frozen=True)
class Bounds:
    """What an outcome of a job is held to: the job's limits, and the site's own where they are tighter."""

    layout: Layout
    minimum_cell: int
    update_norm_l2_max: float

    @classmethod
    def of(cls, manifest: Manifest, minimum_cell: int) -> Bounds:
        """The bounds of a job on a site that lets no smaller cell out than this."""
        limits = manifest.limits
        return cls(manifest.layout, max(minimum_cell, limits.minimum_cell), limits.update_norm_l2_max)


def leave(document: Document, key: PrivateKey, bounds: Bounds | None = None, payload: Path | None = None) -> bytes:
    """Sign a document if it, and the file that goes with it, may leave the site.

    Raises Invalid ``leaving.not_allowed`` with the field at fault.
    """
    check_may_leave(document, bounds, payload)
    return seal(document, key)


def check_may_leave(thing: BaseModel, bounds: Bounds | None = None, payload: Path | None = None) -> None:
    """The one allow-list. Raises Invalid ``leaving.not_allowed`` with the field at fault."""
    allowed = FIELDS.get(type(thing))
    if allowed is None:
        raise _not_allowed(type(thing).__name__)
    for field, value in _leaves("", thing.model_dump(mode="json")):
        if field not in allowed and value is not None and value != {}:
            raise _not_allowed(field)
    match thing:
        case Submission():
            _check_submission(thing, bounds, payload)
        case Refusal():
            if REFUSALS.get(thing.code) != thing.message:
                raise _not_allowed("message")
        case DatasetRegistration():
            if thing.rows_coarse != coarse(thing.rows_coarse):
                raise _not_allowed("rows_coarse")
            if thing.schema_digest != thing.declaration.schema_digest:
                raise _not_allowed("schema_digest")
        case Status():
            if thing.state not in STATES:
                raise _not_allowed("state")
    if payload is not None and not isinstance(thing, Submission):
        raise _not_allowed("payload")


def coarse(rows: int) -> int:
    """A number of rows as it may be told: two significant digits, and tens at the finest."""
    step = int(10 ** max(1, len(str(rows)) - 2))
    return (rows + step // 2) // step * step


def _check_submission(submission: Submission, bounds: Bounds | None, payload: Path | None) -> None:
    if bounds is None:
        raise _not_allowed("manifest_digest")
    if len({submission.payload is None, submission.training is None, payload is None}) != 1:
        raise _not_allowed("payload")
    if submission.evaluation is not None:
        _check_evaluation(submission.evaluation, bounds.minimum_cell)
    if submission.training is not None and submission.training.update_norm_l2 > bounds.update_norm_l2_max:
        raise _not_allowed("training.update_norm_l2")
    if payload is not None and submission.payload is not None:
        _check_payload(submission.payload, payload, bounds.layout)


def _check_payload(reference: PayloadReference, payload: Path, layout: Layout) -> None:
    """The file is the model's tensors and nothing else, and the very bytes that the document names."""
    with payload.open("rb", buffering=0) as stream:
        header = read_header(stream, file_size_bytes(layout))
        stream.seek(0)
        if header.layout != layout or reference.digest != digest_stream(stream):
            raise _not_allowed("payload.digest")
        if reference.size_bytes != stream.tell():
            raise _not_allowed("payload.size_bytes")


def _check_evaluation(report: EvaluationReport, minimum_cell: int) -> None:
    figures = (report.loss, report.accuracy, report.auc, report.confusion)
    if report.rows < minimum_cell and (report.rows or any(figure is not None for figure in figures)):
        raise _not_allowed("evaluation.rows")
    if report.confusion is not None:
        cells = [cell for row in report.confusion.counts for cell in row]
        if any(0 < cell < minimum_cell for cell in cells) or sum(cells) != report.rows:
            raise _not_allowed("evaluation.confusion")


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Dotted paths of all values; the elements of a list have the path of the list."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), inner)
    elif isinstance(value, list | tuple) and value:
        for inner in value:
            yield from _leaves(path, inner)
    else:
        yield path, value


def _not_allowed(field: str) -> Invalid:
    return Invalid("leaving.not_allowed", f"{field} may not leave the site like this.", field)
