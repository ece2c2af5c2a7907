"""A purpose that meets conditions of use: for tutorials, until the reader puts their own words there."""

from __future__ import annotations

from typing import Any

from federation.protocol.documents import Purpose, UseConditions

_CATEGORY = {
    "NRES": "general_research",
    "GRU": "general_research",
    "HMB": "health",
    "DS": "disease",
    "POA": "population_origins",
}


def purpose_within(use: UseConditions) -> dict[str, Any]:
    """What a job could declare to meet these conditions, as JSON values. Who launches it can't be declared (US)."""
    category = use.finance[0] if use.permission == "FIN" else _CATEGORY[use.permission]
    by_name: dict[str, Any] = {"category": category}
    if use.permission == "DS":
        by_name["diseases"] = list(use.diseases[:1])
    for modifier in use.modifiers:
        by_name |= _met(modifier, use)
    return Purpose.model_validate(by_name).model_dump(mode="json", exclude_defaults=True)


def _met(modifier: str, use: UseConditions) -> dict[str, Any]:
    match modifier:
        case "RS":
            return {"restrictions_accepted": True}
        case "GSO":
            return {"genetic": True}
        case "PUB":
            return {"publishes": True}
        case "MOR":
            return {"publishes_from": use.moratorium_until}
        case "COL":
            return {"collaborates": True}
        case "IRB":
            return {"ethics_approval": "the reference of your approval"}
        case "GS":
            return {"countries": list(use.countries[:1])}
        case "PS":
            return {"project": use.projects[0] if use.projects else None}
        case "IS":
            return {"institutions": list(use.institutions[:1])}
        case "RTN":
            return {"returns_results": True}
        case _:
            return {}
