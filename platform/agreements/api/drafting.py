"""The bodies with which terms are submitted, as the OpenAPI document shows them; `agreements.terms` reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar
from uuid import UUID

from drf_spectacular.utils import OpenApiExample
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agreements.terms import WITHIN, with_contradictions
from federation.protection.clear import MODE as CLEAR
from federation.protocol.documents import Terms
from federation.validation import refusal

Note = Annotated[str, Field(max_length=2000)]
B = TypeVar("B", bound=BaseModel)


class NewAgreement(BaseModel):
    """The first wording of a consortium's next version."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    consortium: UUID
    terms: Terms
    note: Note = ""


class CounterProposal(BaseModel):
    """Another wording of a version."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    terms: Terms
    seen_digest: Annotated[str, Field(max_length=80, description="the `terms_digest` that you had before you")]
    note: Note = ""
    reopen: Annotated[bool, Field(description="while it is being signed: throw the signatures so far away")] = False


def read_body(kind: type[B], data: Mapping[str, Any] | list[Any]) -> B:
    """The body, strictly.

    Raises Invalid ``agreement.terms`` with all that is wrong, by field, and all that contradicts itself in its terms.
    """
    try:
        return kind.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        given = data.get(WITHIN) if isinstance(data, Mapping) else None
        raise with_contradictions(refusal(error, "agreement.terms", data=data), given) from error


_KEYS = ("1HXqzOSJCZpa5o1Q5dRzmFwHDO0n8tMLBi5zvRk8M2E=", "6oQrCu5pYqjvTkdmpJ8vVqvJ3QvT9gJ4h8m0yq1Xg3Y=")
TERMS_EXAMPLE: dict[str, Any] = {
    "members": [
        {"organisation": "First hospital", "signatory_key": _KEYS[0]},
        {"organisation": "Second hospital", "signatory_key": _KEYS[1]},
    ],
    "purposes": {"permission": "DS", "diseases": ["ICD-10:I25"], "modifiers": ["NCU"]},
    "datasets": [{"signatory_key": key, "dataset": "heart-disease"} for key in _KEYS],
    "training_limits": {
        "tasks": ["train", "evaluate"],
        "families": ["logistic"],
        "parameters_max": 100000,
        "rounds_max": 100,
        "update_norm_l2_max": 1000.0,
    },
    "protection": [CLEAR.name],
    "clear_reason": "Both hospitals trust the operator of the platform with single updates.",
    "cohort": {"minimum_participants": 2, "minimum_rows": 100},
    "disclosure": {"metrics": ["loss", "accuracy"], "minimum_cell": 10},
    "validity": {"not_before": "2026-01-01T00:00:00Z", "not_after": "2099-01-01T00:00:00Z"},
}
_ID = "0b8f7c9e-2d54-4c7a-9a63-5d0c4f1e2a70"
DRAFT_EXAMPLES = [
    OpenApiExample(
        "Coronary heart disease at two hospitals",
        request_only=True,
        value={"consortium": _ID, "terms": TERMS_EXAMPLE, "note": "A first try"},
    )
]
REVISION_EXAMPLES = [
    OpenApiExample(
        "The same with fewer rounds",
        request_only=True,
        value={
            "terms": {**TERMS_EXAMPLE, "training_limits": {**TERMS_EXAMPLE["training_limits"], "rounds_max": 50}},
            "seen_digest": "sha256:" + "0" * 64,
            "note": "Fifty rounds will do",
        },
    )
]
