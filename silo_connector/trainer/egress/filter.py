"""What may leave the site: an allow-list of fields (``allowlist.py``), vocabularies, bounds. All goes through here."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from federation.errors import Invalid
from federation.plans.reviews import open_review
from federation.protocol import envelope
from federation.protocol.digests import digest_bytes, digest_stream
from federation.protocol.documents import (
    Agreement,
    CodeReview,
    DatasetRegistration,
    Document,
    EvaluationReport,
    LogAcceptance,
    Manifest,
    PayloadReference,
    Refusal,
    Submission,
    open_sealed,
    read,
    seal,
)
from federation.protocol.keys import PrivateKey, PublicKey
from federation.protocol.rows import NO_LIMITS, RowLimits, coarse
from federation.protocol.tensors import Layout, file_size_bytes, read_header
from federation.statistics.columns import ColumnShape
from federation.statistics.disclosure import check_report
from federation.statistics.report import read_report
from federation.targets import Target
from silo_connector.trainer.egress.allowlist import FIELDS, STATES, Status, may_leave
from silo_connector.trainer.refusals import is_standard_sentence, may_name


@dataclass(frozen=True)
class Bounds:
    """What an outcome of a job is held to: its limits, its agreement's, and the site's own; the tightest counts."""

    layout: Layout
    minimum_cell: int
    update_norm_l2_max: float
    metrics: frozenset[str]
    """The figures about a model that the agreement lets out."""
    target: Target
    """What the job's models are asked for."""
    rows: RowLimits = NO_LIMITS
    """What the manifest holds this silo's rows to."""

    @classmethod
    def of(cls, manifest: Manifest, minimum_cell: int, metrics: frozenset[str], rows: RowLimits) -> Bounds:
        """The bounds of a job on a site that lets no smaller cell out than this, and these figures only."""
        limits = manifest.limits
        cell = max(minimum_cell, limits.minimum_cell)
        return cls(manifest.layout, cell, limits.update_norm_l2_max, metrics, manifest.target_kind, rows)


@dataclass(frozen=True)
class StatisticsBounds:
    """What statistics are held to: the columns as this silo has declared them, and the tightest minimum cell."""

    shapes: tuple[ColumnShape, ...]
    minimum_cell: int


def sign_if_allowed(
    document: Document,
    key: PrivateKey,
    bounds: Bounds | StatisticsBounds | None = None,
    payload: Path | None = None,
) -> bytes:
    """Sign a document if it, and the file that goes with it, may leave the site.

    Raises Invalid ``leaving.not_allowed`` with the field at fault.
    """
    check_may_leave(document, bounds, payload)
    return seal(document, key)


def leave_signature(sealed: bytes, signatory: PublicKey) -> bytes:
    """An agreement with the own organisation's signature and nothing else that may have stood in the envelope.

    Raises what ``envelope.verify`` and ``read`` raise.
    """
    return _own_only(sealed, Agreement, signatory)


def leave_review(sealed: bytes, signatory: PublicKey) -> bytes:
    """A review of a training plan as the own organisation signed it, and nothing else of the envelope.

    What is in it its reviewer wrote and was shown before it was signed. Raises what ``open_review`` raises.
    """
    check_may_leave(open_review(sealed, signatory))
    return _own_only(sealed, CodeReview, signatory)


def leave_acceptance(sealed: bytes, signatory: PublicKey) -> bytes:
    """The organisation's word about a log as it was signed, and nothing else of the envelope.

    Raises as `sign_if_allowed`.
    """
    check_may_leave(open_sealed(LogAcceptance, sealed, [signatory]))
    return _own_only(sealed, LogAcceptance, signatory)


def _own_only(sealed: bytes, kind: type[Document], signatory: PublicKey) -> bytes:
    payload = envelope.verify(sealed, kind.payload_type, [signatory]).payload
    read(kind, payload)
    (own,) = (entry["sig"] for entry in json.loads(sealed)["signatures"] if entry["keyid"] == signatory.key_id)
    content = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind.payload_type,
        "signatures": [{"keyid": signatory.key_id, "sig": own}],
    }
    return json.dumps(content, separators=(",", ":")).encode()


def check_may_leave(
    thing: BaseModel, bounds: Bounds | StatisticsBounds | None = None, payload: Path | None = None
) -> None:
    """The one allow-list. Raises Invalid ``leaving.not_allowed`` with the field at fault."""
    if type(thing) not in FIELDS:
        raise _not_allowed(type(thing).__name__)
    for field, value in _leaves("", thing.model_dump(mode="json")):
        if not may_leave(type(thing), field) and value is not None and value != {}:
            raise _not_allowed(field)
    match thing:
        case Submission():
            _check_submission(thing, bounds, payload)
        case Refusal():
            if not is_standard_sentence(thing):
                raise _not_allowed("message")
            if not may_name(thing):
                raise _not_allowed("rule")
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


def _check_submission(submission: Submission, bounds: Bounds | StatisticsBounds | None, payload: Path | None) -> None:
    if bounds is None:
        raise _not_allowed("manifest_digest")
    if isinstance(bounds, StatisticsBounds):
        _check_statistics(submission, bounds, payload)
        return
    if len({submission.payload is None, submission.training is None, payload is None}) != 1:
        raise _not_allowed("payload")
    if submission.evaluation is not None:
        _check_evaluation(submission.evaluation, bounds)
    if submission.training is not None:
        if submission.training.rows > bounds.rows.weight(submission.training.rows):
            raise _not_allowed("training.rows")
        if submission.training.update_norm_l2 > bounds.update_norm_l2_max:
            raise _not_allowed("training.update_norm_l2")
        if submission.training.loss is not None:
            _check_training_loss(submission.training.loss, submission.training.rows, bounds)
    if payload is not None and submission.payload is not None:
        _check_payload(submission.payload, payload, bounds.layout)


def _check_statistics(submission: Submission, bounds: StatisticsBounds, payload: Path | None) -> None:
    """The file is a report of these columns, cut as they are declared here, and has no small cell nor what gives one.

    No figure about a model goes with it.
    """
    reference = submission.payload
    for name in ("training", "evaluation", "model_digest"):
        if getattr(submission, name) is not None:
            raise _not_allowed(name)
    if reference is None or payload is None:
        raise _not_allowed("payload")
    content = payload.read_bytes()
    if (reference.digest, reference.size_bytes) != (digest_bytes(content), len(content)):
        raise _not_allowed("payload.digest")
    report = read_report(content)
    check_may_leave(report)
    if tuple(column.shape for column in report.columns) != bounds.shapes:
        raise _not_allowed("columns.edges")
    try:
        check_report(report, bounds.minimum_cell)
    except Invalid as error:
        raise _not_allowed("columns.cells") from error


def _check_training_loss(loss: float, rows: int, bounds: Bounds) -> None:
    if bounds.target.loss_figure not in bounds.metrics:
        raise _not_allowed("training.loss")
    try:
        bounds.target.check_training_loss(loss, rows, bounds.minimum_cell)
    except Invalid as error:
        raise _not_allowed("training.loss") from error


def _check_payload(reference: PayloadReference, payload: Path, layout: Layout) -> None:
    """The file is the model's tensors and nothing else, and the very bytes that the document names."""
    with payload.open("rb", buffering=0) as stream:
        header = read_header(stream, file_size_bytes(layout))
        stream.seek(0)
        if header.layout != layout or reference.digest != digest_stream(stream):
            raise _not_allowed("payload.digest")
        if reference.size_bytes != stream.tell():
            raise _not_allowed("payload.size_bytes")


def _check_evaluation(report: EvaluationReport, bounds: Bounds) -> None:
    minimum_cell = bounds.minimum_cell
    if report.rows < minimum_cell and (report.rows or report.told):
        raise _not_allowed("evaluation.rows")
    for name in report.told:
        if name not in bounds.metrics:
            raise _not_allowed(f"evaluation.figures.{name}")
    try:
        bounds.target.check(report.told, report.rows)
    except Invalid as error:
        raise _not_allowed(f"evaluation.figures.{error.field}") from error
    table = bounds.target.table
    if bounds.target.points_at_few(report.told, minimum_cell):
        raise _not_allowed(f"evaluation.figures.{table}")
    if isinstance(counts := report.told.get(table), tuple) and sum(map(sum, counts)) != report.rows:
        raise _not_allowed(f"evaluation.figures.{table}")


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
