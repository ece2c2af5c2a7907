"""Agreements of a played federation: terms over all its members, and signatures that are really made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.actions import create_user, grant_role
from accounts.models import Organisation, User
from accounts.permissions import Role
from agreements.actions import drafting, lifecycle, signing
from agreements.models import AgreementVersion, Via
from agreements.selectors import document_of
from agreements.terms import read_terms
from federation.agreements.signing import sign
from federation.protocol.documents import Terms
from federation.protocol.keys import PrivateKey
from tests.support.federation import TEST, Federation


def terms_for(federation: Federation, **changes: Any) -> dict[str, Any]:
    """Terms that name every played silo's organisation and data set, as JSON values; `changes` replace whole parts."""
    return {
        "members": [
            {"organisation": played.silo.organisation.name, "signatory_key": played.signatory.public.encoded}
            for played in federation.silos
        ],
        "purposes": {"permission": "HMB", "modifiers": ["NCU"]},
        "datasets": [
            {"signatory_key": played.signatory.public.encoded, "dataset": played.dataset.name}
            for played in federation.silos
            if played.dataset
        ],
        "training_limits": {
            "tasks": ["train", "evaluate"],
            "families": ["logistic", "mlp"],
            "parameters_max": 1_000_000,
            "rounds_max": 100,
            "update_norm_l2_max": 1e4,
        },
        "protection": ["clear"],
        "clear_reason": "Played silos have nothing to hide.",
        "cohort": {"minimum_participants": 2, "minimum_rows": 100},
        "disclosure": {"metrics": ["loss", "accuracy"], "minimum_cell": 5},
        "validity": {"not_before": "2026-01-01T00:00:00Z", "not_after": "2099-01-01T00:00:00Z"},
        **changes,
    }


def parsed(federation: Federation, **changes: Any) -> Terms:
    """The same, read."""
    return read_terms(terms_for(federation, **changes))


def until(moment: datetime) -> dict[str, str]:
    """A validity that ends then."""
    return {"not_before": "2026-01-01T00:00:00Z", "not_after": moment.astimezone(UTC).isoformat()}


def steward_of(organisation: Organisation) -> User:
    """A steward of this organisation, made now."""
    name = f"steward-{organisation.slug}"
    if (known := User.objects.filter(email=f"{name}@example.org").first()) is not None:
        return known
    user = create_user(email=f"{name}@example.org", full_name=f"Steward of {organisation.name}", by=TEST)
    grant_role(user=user, organisation=organisation, role=Role.STEWARD, by=TEST)
    return user


def drafted(federation: Federation, **changes: Any) -> AgreementVersion:
    """A draft of the consortium's administrator."""
    return drafting.draft(
        consortium=federation.consortium, terms=parsed(federation, **changes), by=federation.administrator
    )


def proposed(federation: Federation, **changes: Any) -> AgreementVersion:
    """A proposal."""
    return lifecycle.propose(version=drafted(federation, **changes), by=federation.administrator)


def being_signed(federation: Federation, **changes: Any) -> AgreementVersion:
    """A version that waits for signatures."""
    return lifecycle.open_signing(version=proposed(federation, **changes), by=federation.administrator)


def signed_by(version: AgreementVersion, key: PrivateKey) -> bytes:
    """The document as it is now, with one more signature: what `silo-connector sign` makes of it."""
    return sign(document_of(version), key)


def sign_all(federation: Federation, version: AgreementVersion) -> AgreementVersion:
    """Every member signs, each by its silo."""
    taken = None
    for played in federation.silos:
        sealed = signed_by(version, played.signatory)
        taken = signing.accept_signature(envelope=sealed, by=played.silo, via=Via.CONNECTOR)
    assert taken is not None
    return taken.version


def agreed(federation: Federation, **changes: Any) -> AgreementVersion:
    """A version in force."""
    return sign_all(federation, being_signed(federation, **changes))


def page_of(federation: Federation, tail: str = "") -> str:
    """The address of the consortium's agreements."""
    return f"/consortia/{federation.consortium.id}/agreement/{tail}"


def upload_signed(client: Client, version: AgreementVersion, sealed: bytes) -> Any:
    """The answer to a signed file that is uploaded on the version's page."""
    file = SimpleUploadedFile("signed.json", sealed, content_type="application/json")
    return client.post(f"/agreements/{version.pk}/signature/", {"document": file})
