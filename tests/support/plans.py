"""Training plans of a played federation, and reviews that are really signed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from accounts.models import User
from agreements.models import AgreementVersion
from consortia.models import Consortium
from federation.plans.reviews import sign_review
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import CodeReview, CustomCode, now
from plans.actions import accept_review, upload
from plans.models import TrainingPlan, Via
from tests.support.federation import Federation, PlayedSilo

SOURCE = b'''"""Logistic regression, written out."""

import torch

PLAN = {
    "interface": 1,
    "title": "Logistic regression, written out",
    "parameters": [
        {"name": "linear.weight", "shape": [1, "n_features"]},
        {"name": "linear.bias", "shape": [1], "start": "zeros"},
    ],
}


def predict(parameters, features):
    """Logits, one a row."""
    return features @ parameters["linear.weight"].T + parameters["linear.bias"]


def loss(outputs, target):
    """Focal: what is easy counts less."""
    chance = torch.sigmoid(outputs[:, 0])
    hit = torch.where(target == 1, chance, 1 - chance)
    return -((1 - hit) ** 2) * torch.log(hit + 1e-9)
'''
CHANGED = SOURCE.replace(b"** 2", b"** 3").replace(b'written out",', b'sharper",')


def uploaded(consortium: Consortium, by: User, source: bytes = SOURCE) -> TrainingPlan:
    """A plan of the consortium."""
    return upload(consortium=consortium, source=source, by=by).plan


def sealed_review(
    played: PlayedSilo,
    code: TrainingPlan | bytes = SOURCE,
    *,
    reviewer: str = "Rita Reader",
    verdict: str = "approved",
    at: datetime | None = None,
    **changes: Any,
) -> bytes:
    """What `silo-connector approve` makes at a silo."""
    digest = digest_bytes(code) if isinstance(code, bytes) else code.digest
    fields: dict[str, Any] = {
        "code_digest": digest,
        "signatory_key": played.signatory.public.encoded,
        "reviewer": reviewer,
        "verdict": verdict,
        "reviewed_at": at or now(),
    }
    return sign_review(CodeReview.model_construct(**(fields | changes)), played.signatory)  # also what no reader takes


def review_everywhere(federation: Federation, code: TrainingPlan | bytes = SOURCE, **statement: Any) -> None:
    """Every silo hands in a signed review."""
    for played in federation.silos:
        accept_review(envelope=sealed_review(played, code, **statement), by=played.silo, via=Via.CONNECTOR)


def agree_on(federation: Federation, *codes: bytes, reviewers: int = 1, **changes: Any) -> AgreementVersion:
    """An agreement in force that names these plans."""
    code = CustomCode(digests=tuple(digest_bytes(one) for one in codes), reviewers=reviewers)
    return federation.agree(code=code, **changes)
