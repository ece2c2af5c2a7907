"""What may leave the site: an allow-list of fields (``allowlist.py``), vocabularies, bounds. All goes through here."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from pydantic import BaseModel

from federation.discovery import Offers
from federation.errors import Invalid
from federation.plans.reviews import open_review
from federation.protection import mode_of
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
    Order,
    Payload,
    Protection,
    Refusal,
    Submission,
    UploadGrant,
    read,
    sign_document,
    verify_document,
)
from federation.protocol.keys import PrivateKey, PublicKey
from federation.protocol.payloads import check_payload
from federation.protocol.rows import NO_LIMITS, RowLimits, coarse
from federation.protocol.tensors import Layout
from federation.statistics.columns import ColumnShape
from federation.statistics.disclosure import check_report
from federation.statistics.report import KIND as STATISTICS
from federation.statistics.report import REPORT, read_report
from federation.targets import Target
from silo_connector.trainer.egress.allowlist import FIELDS, STATES, Status, may_leave
from silo_connector.trainer.refusals import is_standard_sentence, may_name

NONE: Mapping[str, Path] = MappingProxyType({})
CARRIED_OUT: Mapping[str, object] = Offers("silo_connector.trainer.kinds", "KIND")
"""The kinds of order that this connector carries out. They stand above the filter, so they are found when asked for."""


class AnswerBounds(Protocol):
    """What an answer to an order of a job is held to. Each kind of order has its own, or one of those below."""

    @property
    def kind(self) -> str:
        """Of the order: the answer says the same."""

    @property
    def layout(self) -> Layout:
        """Of the job's model; empty where it is about none."""

    @property
    def protection(self) -> Protection:
        """How the job's updates are protected."""

    @property
    def outputs(self) -> Mapping[str, UploadGrant]:
        """What the order asks for."""

    @property
    def payload_kinds(self) -> AbstractSet[str]:
        """The kinds of payload that may go with the answer."""

    def check(self, submission: Submission, payloads: Mapping[str, Path]) -> None:
        """Check what stands in the answer and in its files. Raises Invalid ``egress.not_allowed``.

        That the files are what was granted, and the bytes that the answer names, was looked at before.
        """


@dataclass(frozen=True)
class Bounds:
    """What an outcome of a job is held to: its limits, its agreement's, and the site's own; the tightest counts."""

    kind: str
    """Of the order: the answer says the same."""
    layout: Layout
    protection: Protection
    """How the job's updates are protected: it says which kinds of payload there may be."""
    outputs: Mapping[str, UploadGrant]
    """What the order asks for."""
    minimum_cell: int
    update_norm_l2_max: float
    metrics: frozenset[str]
    """The figures about a model that the agreement lets out."""
    target: Target
    """What the job's models are asked for."""
    rows: RowLimits = NO_LIMITS
    """What the manifest holds this silo's rows to."""

    @property
    def payload_kinds(self) -> AbstractSet[str]:
        """Those of the mode, without a kind whose contents nobody checks here."""
        return mode_of(self.protection.mode).payload_kinds - {STATISTICS}

    def check(self, submission: Submission, payloads: Mapping[str, Path]) -> None:
        """Figures about a model only as far as they were agreed on, and rows and norms within their limits."""
        if submission.training is not None and not payloads:
            raise _not_allowed("training")
        if submission.evaluation is not None:
            _check_evaluation(submission.evaluation, self)
        if submission.training is not None:
            if submission.training.rows > self.rows.weight(submission.training.rows):
                raise _not_allowed("training.rows")
            if submission.training.update_norm_l2 > self.update_norm_l2_max:
                raise _not_allowed("training.update_norm_l2")
            if submission.training.loss is not None:
                _check_training_loss(submission.training.loss, submission.training.rows, self)

    @classmethod
    def of(
        cls, manifest: Manifest, order: Order, minimum_cell: int, metrics: frozenset[str], rows: RowLimits
    ) -> Bounds:
        """The bounds of an answer on a site that lets no smaller cell out than this, and these figures only."""
        limits = manifest.limits
        cell = max(minimum_cell, limits.minimum_cell)
        return cls(
            kind=order.kind,
            layout=manifest.layout,
            protection=manifest.protection,
            outputs=order.outputs,
            minimum_cell=cell,
            update_norm_l2_max=limits.update_norm_l2_max,
            metrics=metrics,
            target=manifest.target_kind,
            rows=rows,
        )


@dataclass(frozen=True)
class StatisticsBounds:
    """What statistics are held to: the columns as this silo has declared them, and the tightest minimum cell."""

    kind: str
    shapes: tuple[ColumnShape, ...]
    minimum_cell: int
    protection: Protection
    outputs: Mapping[str, UploadGrant]
    layout: Layout = ()
    """Of no model."""

    @property
    def payload_kinds(self) -> AbstractSet[str]:
        """Those of the mode: what stands in a report is checked here."""
        return mode_of(self.protection.mode).payload_kinds

    def check(self, submission: Submission, payloads: Mapping[str, Path]) -> None:
        """A report of these columns, and no figure about a model."""
        _check_statistics(submission, self, payloads)


def sign_if_allowed(
    document: Document,
    key: PrivateKey,
    bounds: AnswerBounds | None = None,
    payloads: Mapping[str, Path] = NONE,
) -> bytes:
    """Sign a document if it, and the files that go with it, may leave the site.

    Raises Invalid ``egress.not_allowed`` with the field at fault.
    """
    check_may_leave(document, bounds, payloads)
    return sign_document(document, key)


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
    check_may_leave(verify_document(LogAcceptance, sealed, [signatory]))
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


def check_may_leave(thing: BaseModel, bounds: AnswerBounds | None = None, payloads: Mapping[str, Path] = NONE) -> None:
    """The one allow-list. Raises Invalid ``egress.not_allowed`` with the field at fault."""
    if type(thing) not in FIELDS:
        raise _not_allowed(type(thing).__name__)
    for field, value in _leaves("", thing.model_dump(mode="json")):
        if not may_leave(type(thing), field) and value is not None and value != {}:
            raise _not_allowed(field)
    match thing:
        case Submission():
            _check_submission(thing, bounds, payloads)
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
    if payloads and not isinstance(thing, Submission):
        raise _not_allowed("payloads")


def _check_submission(submission: Submission, bounds: AnswerBounds | None, payloads: Mapping[str, Path]) -> None:
    if bounds is None:
        raise _not_allowed("manifest_digest")
    if submission.kind != bounds.kind or submission.kind not in CARRIED_OUT:
        raise _not_allowed("kind")
    if not submission.payloads.keys() == payloads.keys() == bounds.outputs.keys():
        raise _not_allowed("payloads")
    for name, payload in submission.payloads.items():
        _check_payload(name, payload, payloads[name], bounds)
    bounds.check(submission, payloads)


def _check_statistics(submission: Submission, bounds: StatisticsBounds, payloads: Mapping[str, Path]) -> None:
    """The file is a report of these columns, cut as they are declared here, and has no small cell nor what gives one.

    No figure about a model goes with it.
    """
    for name in ("training", "evaluation", "model_digest"):
        if getattr(submission, name) is not None:
            raise _not_allowed(name)
    if payloads.keys() != {REPORT}:
        raise _not_allowed("payloads")
    content = payloads[REPORT].read_bytes()
    if submission.payloads[REPORT].digest != digest_bytes(content):
        raise _not_allowed(f"payloads.{REPORT}.digest")
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


def _check_payload(name: str, payload: Payload, file: Path, bounds: AnswerBounds) -> None:
    """The file is what was granted and the protection allows, and the very bytes that the document names."""
    if payload.kind != bounds.outputs[name].kind or payload.kind not in bounds.payload_kinds:
        raise _not_allowed(f"payloads.{name}.kind")
    with file.open("rb", buffering=0) as stream:
        try:
            check_payload(payload.kind, stream, bounds.layout, bounds.protection)
        except Invalid as error:
            raise _not_allowed(f"payloads.{name}") from error
        stream.seek(0)
        if payload.digest != digest_stream(stream):
            raise _not_allowed(f"payloads.{name}.digest")
        if payload.size_bytes != stream.tell() or payload.size_bytes > bounds.outputs[name].size_bytes_max:
            raise _not_allowed(f"payloads.{name}.size_bytes")


def _check_evaluation(report: EvaluationReport, bounds: Bounds) -> None:
    minimum_cell = bounds.minimum_cell
    if report.rows < minimum_cell and (report.rows or report.figures):
        raise _not_allowed("evaluation.rows")
    for name in report.figures:
        if name not in bounds.metrics:
            raise _not_allowed(f"evaluation.figures.{name}")
    try:
        bounds.target.check(report.figures, report.rows)
    except Invalid as error:
        raise _not_allowed(f"evaluation.figures.{error.field}") from error
    table = bounds.target.table
    if bounds.target.points_at_few(report.figures, minimum_cell):
        raise _not_allowed(f"evaluation.figures.{table}")
    if isinstance(counts := report.figures.get(table), tuple) and sum(map(sum, counts)) != report.rows:
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
    return Invalid("egress.not_allowed", f"{field} may not leave the site like this.", field)
