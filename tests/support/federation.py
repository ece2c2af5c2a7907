"""A consortium made through the actions, with silos played by the test: they hold keys and really sign."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from accounts.actions import create_organisation, create_user, grant_role
from accounts.models import Organisation, User
from accounts.permissions import Role
from agreements.models import AgreementVersion
from artefacts import store
from audit.actors import System
from consortia.actions import found_consortium, grant_consortium_role
from consortia.models import Consortium, Participation
from consortia.transitions import ParticipationState
from federation.learning.models import FAMILIES
from federation.learning.weights import write_weights
from federation.protocol import PROTOCOL_VERSION, documents
from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.documents import OrderKind
from federation.protocol.documents.base import Network
from federation.protocol.keys import PrivateKey
from federation.protocol.tensors import TensorSpec
from federation.targets import TARGETS
from silos import actions, datasets
from silos.models import Dataset, Silo
from tests.support.db_snapshot import remembered
from tests.support.signed import bring_into_force, wide_terms
from training.engine.kinds import STEP_KINDS
from training.models import Order, Upload

TEST = System("test")
DECLARATION = tomllib.loads((Path(__file__).parents[2] / "silo_connector/examples/heart-disease.toml").read_text())
ENVIRONMENT = documents.Environment(connector_version="test")


@dataclass
class PlayedSilo:
    """A silo and its secrets."""

    silo: Silo
    identity: PrivateKey
    transport: PrivateKey
    signatory: PrivateKey
    dataset: Dataset | None = None

    def train(self, order: Order, delta: float, rows: int = 10, **changes: Any) -> bytes:
        """The signed submission to a train order with an update of `delta` everywhere, which was uploaded."""
        statement = documents.read(documents.Order, json_payload(bytes(order.envelope)))
        model = order.round.version.model
        layout = tuple(TensorSpec(name=s["name"], shape=tuple(s["shape"]), dtype=s["dtype"]) for s in model.layout)
        folder = store.new_folder()
        file = folder / "update"
        weights = {spec.name: np.full(spec.shape, delta, np.float32) for spec in layout}
        digest = write_weights(file, layout, weights)
        size = file.stat().st_size
        store.commit_file(file, digest, is_named=True)
        store.remove_folder(folder)
        fields: dict[str, Any] = {
            "order_id": statement.order_id,
            "number": statement.number,
            "kind": statement.kind,
            "silo_id": statement.silo_id,
            "job_id": statement.job_id,
            "manifest_digest": statement.manifest_digest,
            "round": statement.round,
            "attempt": statement.attempt,
            "model_digest": statement.model_digest,
            "evaluation": {"rows": 10, "figures": {"loss": 1.0 / statement.round, "accuracy": 0.5}},
            "environment": ENVIRONMENT,
            "created_at": documents.now(),
        }
        if statement.kind == OrderKind.TRAIN:
            uploaded(order, digest, size)
            fields |= {
                "payloads": {"update": {"kind": "update.f32", "digest": digest, "size_bytes": size}},
                "training": {"rows": rows, "steps": 1, "loss": 0.5, "update_norm_l2": 1.0},
            }
        return documents.sign_document(documents.Submission.model_validate(fields | changes), self.identity)

    def refuse(self, order: Order, code: str = "data.unreadable") -> bytes:
        """The signed refusal of an order."""
        statement = documents.read(documents.Order, json_payload(bytes(order.envelope)))
        refusal = documents.Refusal(
            order_id=statement.order_id,
            number=statement.number,
            silo_id=statement.silo_id,
            job_id=statement.job_id,
            code=code,
            message="The data can't be read.",
            environment=ENVIRONMENT,
            created_at=documents.now(),
        )
        return documents.sign_document(refusal, self.identity)


def uploaded(order: Order, digest: str, size_bytes: int, name: str = documents.UPDATE) -> None:
    """Note that this artefact, which is in the store, has come by a grant of the order."""
    now = documents.now()
    Upload.objects.update_or_create(
        order=order,
        name=name,
        defaults={"digest": digest, "size_bytes": size_bytes, "begun_at": now, "finished_at": now},
    )


@dataclass
class Federation:
    """A consortium with its people and silos."""

    consortium: Consortium
    administrator: User
    scientist: User
    silos: list[PlayedSilo] = field(default_factory=list)

    def request(self, **changes: Any) -> dict[str, Any]:
        """A launch request over all silos."""
        return {
            "name": "Heart disease",
            "purpose": "research",
            "datasets": [str(played.dataset.id) for played in self.silos if played.dataset],
            "protection": {"mode": "clear"},
            "model": {"family": "logistic"},
            "strategy": {"name": "fedavg"},
            "local": {"epochs": 1},
            "rounds": 2,
            "quorum": 2,
            **changes,
        }

    def agree(self, **changes: Any) -> AgreementVersion:
        """Bring an agreement into force that allows whatever the platform can do, but for these terms."""
        organisations = {played.silo.organisation.name: played for played in self.silos}
        terms = wide_terms(
            [(name, played.signatory) for name, played in organisations.items()],
            [(played.signatory, played.dataset.name) for played in self.silos if played.dataset],
            **changes,
        )
        signers = [(played.silo, played.signatory) for played in organisations.values()]
        return bring_into_force(
            consortium=self.consortium, terms=terms, administrator=self.administrator, signers=signers
        )

    def played(self, silo_id: object) -> PlayedSilo:
        """The silo with this id."""
        return next(played for played in self.silos if played.silo.id == silo_id)


def json_payload(envelope: bytes) -> bytes:
    """The payload of an envelope, unverified."""
    from federation.protocol.envelope import payload_unverified

    assert json.loads(envelope)
    return payload_unverified(envelope)


@remembered
def make_federation(silos: int = 3, name: str = "heart", *, agreed: bool = True) -> Federation:
    """A consortium of so many organisations with one confirmed silo each, a dataset at each, and a data scientist.

    `agreed`: an agreement with wide terms is in force.
    """
    administrator = create_user(email=f"admin@{name}.example", full_name="Ada Admin", by=TEST)
    scientist = create_user(email=f"ds@{name}.example", full_name="Dana Data", by=TEST)
    organisations = [
        create_organisation(
            name=f"Hospital {name} {i}", slug=f"hospital-{name}-{i}", country="CH", kind="hospital", by=TEST
        )
        for i in range(silos)
    ]
    grant_role(user=administrator, organisation=organisations[0], role=Role.ORGANISATION_ADMINISTRATOR, by=TEST)
    grant_role(user=scientist, organisation=organisations[0], role=Role.DATA_SCIENTIST, by=TEST)
    consortium = found_consortium(
        name=f"Consortium {name}",
        slug=f"consortium-{name}",
        description="",
        organisation=organisations[0],
        by=administrator,
    )
    for organisation in organisations[1:]:
        Participation.objects.create(
            consortium=consortium, organisation=organisation, state=ParticipationState.ACTIVE, joined_at=documents.now()
        )
    grant_consortium_role(user=scientist, consortium=consortium, role=Role.DATA_SCIENTIST, by=administrator)
    federation = Federation(consortium, administrator, scientist)
    federation.silos = [enrol(organisation, administrator) for organisation in organisations]
    if agreed:
        federation.agree()
    return federation


def enrol(organisation: Organisation, administrator: User, name: str = "main") -> PlayedSilo:
    """A silo, enrolled with a code, confirmed, with its dataset registered."""
    silo = actions.create(organisation=organisation, name=f"{organisation.slug} {name}", by=administrator)
    code, _ = actions.issue_code(silo=silo, by=administrator)
    identity, transport, signatory = PrivateKey.generate(), PrivateKey.generate(), PrivateKey.generate()
    silo = actions.enrol(
        code=code,
        transport_key=transport.public,
        statement=statement(identity, signatory),
        certificate=certificate(organisation.name, identity, signatory),
        by=TEST,
    )
    silo = actions.confirm(
        silo=silo,
        identity_fingerprint=identity.public.fingerprint,
        signatory_fingerprint=signatory.public.fingerprint,
        by=administrator,
    )
    played = PlayedSilo(silo, identity, transport, signatory)
    played.dataset = datasets.register(registration=registration(played), by=silo)
    return played


def capabilities(**changes: list[str]) -> dict[str, list[str]]:
    """What a connector of today that runs training plans reports that it can do."""
    return {
        "protocols": [PROTOCOL_VERSION],
        "kinds": sorted({*OrderKind, *STEP_KINDS}),
        "protection": ["clear"],
        "families": sorted(FAMILIES),
        "targets": sorted(TARGETS),
        "payloads": ["statistics.v1", "update.f32"],
        **changes,
    }


def statement(identity: PrivateKey, signatory: PrivateKey) -> bytes:
    """A trainer presents itself."""
    return documents.sign_document(
        documents.EnrolmentStatement(
            identity_key=identity.public.encoded,
            signatory_key=signatory.public.encoded,
            connector_version="test",
            capabilities=capabilities(),
            created_at=documents.now(),
        ),
        identity,
    )


def certificate(organisation: str, identity: PrivateKey, signatory: PrivateKey) -> bytes:
    """The signatory's word for an identity key."""
    now = documents.now()
    return documents.sign_document(
        documents.SiloCertificate(
            organisation=organisation,
            signatory_key=signatory.public.encoded,
            identity_key=identity.public.encoded,
            not_before=now - timedelta(days=1),
            not_after=now + timedelta(days=365),
        ),
        signatory,
    )


def registration(
    played: PlayedSilo, rows_coarse: int = 300, *, network: Network | None = None, **changes: Any
) -> bytes:
    """A signed dataset registration: heart disease."""
    data = {key: value for key, value in DECLARATION.items() if key != "source"}
    declaration = DatasetDeclaration.model_validate(data | changes)
    return documents.sign_document(
        documents.DatasetRegistration(
            silo_id=played.silo.id,
            declaration=declaration,
            schema_digest=declaration.schema_digest,
            rows_coarse=rows_coarse,
            network=network,
            registered_at=documents.now(),
        ),
        played.identity,
    )


def withdrawal(played: PlayedSilo, name: str = DECLARATION["name"], **changes: Any) -> bytes:
    """The signed word that a dataset is declared no longer."""
    fields = {"silo_id": played.silo.id, "name": name, "withdrawn_at": documents.now()}
    return documents.sign_document(documents.DatasetWithdrawal.model_validate(fields | changes), played.identity)
