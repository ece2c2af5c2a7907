"""An agreement in force, made through the actions: wide terms, signed by the silos' signatories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from accounts.models import User
from agreements.actions import drafting, lifecycle, signing
from agreements.models import AgreementVersion, Via
from agreements.selectors import document_of
from consortia.models import Consortium
from federation.agreements.signing import sign
from federation.learning.models import FAMILIES
from federation.protocol.documents import (
    Cohort,
    CoveredDataset,
    DisclosureTerms,
    Member,
    Terms,
    TrainingLimits,
    UseConditions,
    Validity,
    now,
)
from federation.protocol.keys import PrivateKey
from federation.tasks import TASKS
from silos.models import Silo


def wide_terms(
    parties: Sequence[tuple[str, PrivateKey]], brought: Sequence[tuple[PrivateKey, str]], **changes: Any
) -> Terms:
    """Terms that allow whatever the platform can do, for these organisations and data sets."""
    fields: dict[str, Any] = {
        "members": [Member(organisation=name, signatory_key=key.public.encoded) for name, key in parties],
        "purposes": UseConditions(permission="NRES"),
        "datasets": [CoveredDataset(signatory_key=key.public.encoded, dataset=name) for key, name in brought],
        "training_limits": TrainingLimits(
            tasks=tuple(TASKS),
            families=tuple(sorted(FAMILIES)),
            parameters_max=10**9,
            rounds_max=100_000,
            update_norm_l2_max=1e9,
        ),
        "protection": ("masked", "encrypted", "clear"),
        "clear_reason": "Played silos have nothing to hide.",
        "cohort": Cohort(minimum_participants=1),
        "disclosure": DisclosureTerms(
            metrics=("loss", "accuracy", "auc", "confusion"), minimum_cell=1, round_models=True
        ),
        "validity": Validity(not_before=now() - timedelta(days=1), not_after=now() + timedelta(days=365)),
    }
    return Terms(**(fields | changes))


def bring_into_force(
    *, consortium: Consortium, terms: Terms, administrator: User, signers: Sequence[tuple[Silo | User, PrivateKey]]
) -> AgreementVersion:
    """Draft, propose, open for signing, and have everybody sign."""
    version = drafting.draft(consortium=consortium, terms=terms, by=administrator)
    version = lifecycle.propose(version=version, by=administrator)
    version = lifecycle.open_signing(version=version, by=administrator)
    for who, key in signers:
        version = signing.accept_signature(envelope=sign(document_of(version), key), by=who, via=Via.CONNECTOR).version
    return version
