"""Checking an order before anything is done for it: who signed it, what it asks, and whether that is ours to do."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from federation.agreements.shares import train_fraction_of
from federation.errors import FederationError, Invalid, Untrusted
from federation.learning.family import Family, ModelSpecification
from federation.learning.models import parse_model
from federation.learning.specification import LocalTraining
from federation.protocol import envelope
from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import CohortMember, Manifest, Order, read
from federation.protocol.documents.orders import OrderBase
from federation.protocol.documents.versions import check_authorises
from federation.protocol.keys import PublicKey
from federation.protocol.successions import KeyChain
from silo_connector.trainer.refusals import OrderHead, Refused

CLOCK_TOLERANCE = timedelta(seconds=120)
RETIRED_KEY_LIFE = timedelta(days=31)
"""No order of the platform's is open for longer: beyond that, one by a retired key is a forgery, whatever it says."""


@dataclass(frozen=True)
class Trust:
    """Who we are and whom we believe."""

    silo_id: UUID
    platform: KeyChain
    identity_key: PublicKey
    signatory_key: PublicKey


class OrderForm(Protocol):
    """How the orders of a kind are read."""

    @property
    def document(self) -> type[OrderBase]:
        """The document that such an order is."""

    @property
    def is_of_job(self) -> bool:
        """Whether such an order names a job."""


@dataclass(frozen=True)
class OpenedOrder:
    """An order of the platform for us: what is needed to answer it, its kind, and the order, or why it can't be read.

    The kind is as the order says it, and perhaps one that nobody here knows.
    """

    head: OrderHead
    kind: str
    order: OrderBase | Refused


@dataclass(frozen=True)
class JobTask:
    """An order of a job that is in order: what to do, with which data."""

    order: Order
    manifest: Manifest
    member: CohortMember


@dataclass(frozen=True)
class Task(JobTask):
    """An order about a job's model that is in order."""

    family: Family
    spec: ModelSpecification
    local: LocalTraining | None = None


def open_order(sealed: bytes, trust: Trust, moment: datetime, forms: Mapping[str, OrderForm]) -> OpenedOrder:
    """Verify who signed an order, and read it; `forms` says how orders are read, by their kind.

    An order of the platform for us that can't be read comes back as the refusal that it gets. Raises Untrusted or
    Invalid when it can't even be answered: not signed by the platform, signed by a key that it had retired by then, not
    for us, no id or number.
    """
    verified = envelope.verify(sealed, Order.payload_type, trust.platform.keys)
    head, kind = _head(verified.payload, forms)
    if head.silo_id != trust.silo_id:
        raise Untrusted("order.not_for_us", "The order is for another silo.")
    order = _read_order(verified.payload, forms.get(kind))
    issued_at = None if isinstance(order, Refused) else order.issued_at.isoformat()
    head = replace(head, digest=digest_bytes(sealed), issued_at=issued_at)
    if trust.platform.current.key_id not in verified.key_ids:
        _check_retired(verified.key_ids, order, trust.platform, moment)
    return OpenedOrder(head, kind, order)


def kind_unverified(sealed: bytes) -> str | None:
    """The kind that an order says it has, for choosing what to look at first; None where it says none that can be read.

    Nothing is decided by it: `open_order` reads the kind again, from what is verified.
    """
    try:
        kind = json.loads(envelope.payload_unverified(sealed))["kind"]
    except (FederationError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return kind if isinstance(kind, str) else None


def _read_order(payload: bytes, form: OrderForm | None) -> OrderBase | Refused:
    try:
        order = read(Order if form is None else form.document, payload)
        check_authorises(order.protocol, "The order")
        return order
    except Invalid as error:
        code = "order.kind_not_supported" if form is None else "order.malformed"
        if error.code.startswith("protocol."):
            code = error.code
        return Refused(code, error.message, error.field)


def _check_retired(key_ids: frozenset[str], order: OrderBase | Refused, chain: KeyChain, moment: datetime) -> None:
    """A retired key still speaks for orders from before its succession, for as long as they can be open."""
    retired_at = max(filter(None, map(chain.retired_at, key_ids)))
    issued_later = isinstance(order, Refused) or order.issued_at > retired_at + CLOCK_TOLERANCE
    if issued_later or moment > retired_at + RETIRED_KEY_LIFE:
        raise Untrusted(
            "order.retired_key",
            f"The order is signed by a key that the platform retired at {retired_at}, and is not from before that.",
        )


def open_manifest(order: Order, sealed: bytes, trust: Trust) -> Manifest:
    """The manifest that came with an order, if it is the one that the order names. Raises Refused."""
    try:
        # A job may outlive the key that signed its manifest: the order, whose key was checked, vouches for these bytes.
        payload = envelope.verify(sealed, Manifest.payload_type, trust.platform.keys).payload
    except FederationError as error:
        raise Refused("manifest.untrusted", error.message) from error
    if digest_bytes(sealed) != order.manifest_digest:
        raise Refused("manifest.digest_mismatch", "The manifest has another digest than the order says.")
    try:
        manifest = read(Manifest, payload)
        check_authorises(manifest.protocol, "The manifest")
    except Invalid as error:
        protection = error.field is not None and error.field.startswith("protection")
        raise Refused("protection.not_supported" if protection else error.code, error.message, error.field) from error
    if manifest.job_id != order.job_id:
        raise Refused("manifest.job_mismatch", "The manifest is of another job.")
    return manifest


def validate_model_order(
    order: Order, manifest: Manifest, trust: Trust, datasets: Mapping[str, DatasetDeclaration]
) -> Task:
    """What must hold of every order about a job's model before the model is even looked at. Raises Refused."""
    task = validate_job_order(order, manifest, trust, datasets)
    digest = order.model_digest
    if digest is None:
        raise Refused("order.model_missing", "The order has no model.")
    if order.round <= 1 and digest != manifest.initial_model_digest:
        raise Refused("model.not_initial", f"Round {order.round} begins with {digest}.")
    return task


def check_artefacts(order: Order, *, inputs: Collection[str], outputs: Mapping[str, str]) -> None:
    """Raise Refused ``order.artefacts`` unless an order brings just these inputs and asks for just these outputs.

    `outputs` has the kind of payload by name.
    """
    asked = {name: grant.kind for name, grant in order.outputs.items()}
    if order.inputs.keys() != set(inputs) or asked != dict(outputs):
        raise Refused("order.artefacts", f"It brings {sorted(order.inputs)} and asks for {asked}.")


def check_parameters(order: OrderBase, known: Collection[str]) -> None:
    """Raise Refused ``order.parameters`` if an order has parameters that its kind does not know.

    One that was passed over would have been signed, sent and answered as if it had been carried out.
    """
    given: Mapping[str, object] = getattr(order, "parameters", {})  # a checkpoint's order can't have any
    unknown = sorted(given.keys() - set(known))
    if unknown:
        raise Refused("order.parameters", f"Orders of this kind have no parameter {unknown[0][:40]!r}.", "parameters")


def validate_job_order(
    order: Order, manifest: Manifest, trust: Trust, datasets: Mapping[str, DatasetDeclaration]
) -> Task:
    """What must hold of every order of a job, whatever it brings. Raises Refused.

    Whether the agreement allows it, `authorization` finds out after this.
    """
    member, declaration = validate_member(manifest, trust, datasets)
    if manifest.model is None or manifest.n_features is None:
        raise Refused("order.task_mismatch", f"A {manifest.task} job sent an order about a model.")
    if (len(declaration.features()), declaration.n_classes) != (manifest.n_features, manifest.n_classes):
        raise Refused("model.does_not_fit", "The manifest's numbers of features and classes are not the dataset's.")
    if declaration.target.kind != manifest.target:
        raise Refused("model.does_not_fit", "The manifest's target is not the dataset's.")
    try:
        family, spec = parse_model(manifest.model)
        if family.layout(spec, manifest.n_features, declaration.target_kind) != manifest.layout:
            raise Refused("model.layout_mismatch", "The manifest's layout is not that of the family.")
    except Refused:
        raise
    except FederationError as error:
        raise Refused(error.code, error.message, error.field) from error
    return Task(order, manifest, member, family, spec)


def validate_member(
    manifest: Manifest, trust: Trust, datasets: Mapping[str, DatasetDeclaration]
) -> tuple[CohortMember, DatasetDeclaration]:
    """This silo's place in a job, and what it brings. Raises Refused where the manifest has either otherwise."""
    member = _member(manifest, trust)
    declaration = datasets.get(member.dataset)
    if declaration is None:
        raise Refused("dataset.unknown", f"There is no dataset {member.dataset!r} here.")
    if declaration.schema_digest != member.schema_digest:
        raise Refused("dataset.schema_changed", f"The schema of {member.dataset!r} is not the one in the manifest.")
    if manifest.weighting is not None and manifest.weighting.train_fraction != train_fraction_of(declaration):
        raise Refused("manifest.weights", "The manifest names another part of the rows to train on than is declared.")
    return member, declaration


def _head(payload: bytes, forms: Mapping[str, OrderForm]) -> tuple[OrderHead, str]:
    """What is needed to answer, and the kind of order that it says it is."""
    try:
        data = json.loads(payload)
        number = data["number"]
        if type(number) is not int or not 1 <= number <= 2**53:
            raise ValueError
        kind = data.get("kind")
        kind = kind if isinstance(kind, str) else ""
        form = forms.get(kind)
        job_id = None if form is not None and not form.is_of_job else UUID(data["job_id"])
        return OrderHead(UUID(data["order_id"]), number, UUID(data["silo_id"]), job_id), kind
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Invalid("order.malformed", "The order has no proper id or number.") from error


def check_open(order: OrderBase, moment: datetime) -> None:
    """Raise Refused for an order whose time is over, or has not come."""
    if moment >= order.expires_at:
        raise Refused("order.expired", f"The order expired at {order.expires_at}.")
    if order.issued_at > moment + CLOCK_TOLERANCE:
        raise Refused("order.not_yet_valid", f"The order was issued at {order.issued_at}.")


def _member(manifest: Manifest, trust: Trust) -> CohortMember:
    ours = [member for member in manifest.cohort if member.silo_id == trust.silo_id]
    if len(ours) != 1:
        raise Refused("cohort.not_a_member", f"The cohort names this silo {len(ours)} times.")
    if ours[0].identity_key != trust.identity_key.encoded:
        raise Refused("cohort.identity_mismatch", "The cohort names another identity key for us.")
    if ours[0].signatory_key != trust.signatory_key.encoded:
        raise Refused("cohort.signatory_mismatch", "The cohort names another signatory key for us.")
    return ours[0]
