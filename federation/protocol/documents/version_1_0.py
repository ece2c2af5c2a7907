"""Documents of protocol 1.0 as today's fields: what was signed then is verified for ever, and authorises nothing.

Only what is read is put into other fields, after the signed bytes were verified as they came. Classes of today carry
no field of the past: this module alone knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from federation.errors import Invalid
from federation.protocol.documents.terms_1_0 import AGREEMENT_TYPE, agreement_as_today

_FIGURES = ("loss", "accuracy", "auc")
_ORDER = "application/vnd.consilience.order.v1+json"
_SUBMISSION = "application/vnd.consilience.submission.v1+json"
_MANIFEST = "application/vnd.consilience.manifest.v1+json"


def as_today(payload_type: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The parsed JSON of a document of 1.0, with today's names for its fields; what else it says is left as it is.

    Raises Invalid ``document.malformed`` with a field that 1.0 did not have and that would be read as another.
    """
    if "critical" in data:
        raise _not_of_1_0("critical")
    translate = _TRANSLATIONS.get(payload_type)
    return dict(data) if translate is None else translate(dict(data))


def _order(data: dict[str, Any]) -> dict[str, Any]:
    _rename_into(data, "model", "inputs", lambda model: {"model": model})
    _rename_into(data, "upload", "outputs", lambda grant: {"update": _with_kind(grant)})
    return data


def _submission(data: dict[str, Any]) -> dict[str, Any]:
    _rename_into(data, "payload", "payloads", lambda payload: {"update": _with_kind(payload)})
    if isinstance(data.get("evaluation"), dict):
        data["evaluation"] = _evaluation(dict(data["evaluation"]))
    return data


def _evaluation(statement: dict[str, Any]) -> dict[str, Any]:
    """There were four figures, each a field of its own."""
    by_name = {name: statement.pop(name) for name in _FIGURES if name in statement}
    table = statement.pop("confusion", None)
    if table is not None:
        by_name["confusion"] = table.get("counts") if isinstance(table, dict) else table
    by_name = {name: figure for name, figure in by_name.items() if figure is not None}
    if by_name and statement.get("figures"):
        raise _not_of_1_0("evaluation.figures")
    return {**statement, "figures": by_name or statement.get("figures", {})}


def _manifest(data: dict[str, Any]) -> dict[str, Any]:
    """What `privacy` said then was what the job costs."""
    _rename_into(data, "privacy", "privacy_cost", lambda cost: cost)
    return data


def _with_kind(data: Any) -> Any:
    """There was one kind of payload."""
    return {**data, "kind": "update.f32"} if isinstance(data, dict) else data


def _rename_into(data: dict[str, Any], old: str, new: str, change: Callable[[Any], Any]) -> None:
    if new in data:
        raise _not_of_1_0(new)
    value = data.pop(old, None)
    if value is not None:
        data[new] = change(value)


def _not_of_1_0(field: str) -> Invalid:
    return Invalid("document.malformed", f"Protocol 1.0 has no field {field}.", field)


_TRANSLATIONS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    _ORDER: _order,
    _SUBMISSION: _submission,
    _MANIFEST: _manifest,
    AGREEMENT_TYPE: agreement_as_today,
}
