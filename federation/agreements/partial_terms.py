"""What contradicts itself in terms that are not whole yet: reported with what is missing, not after it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from federation.agreements.contradictions import Fault, faults
from federation.protection import MODES
from federation.protocol.documents import Terms

_TRIES_MAX = 10
_FAULTS_MAX = 1000
"""Of what is wrong in so many places, no more is reported than that."""
_KEY = f"{'0' * 43}="
_STAND_INS: dict[str, Any] = {
    "members": [{"organisation": "-", "signatory_key": _KEY}],
    "purposes": {"permission": "GRU"},
    "datasets": [{"signatory_key": _KEY, "dataset": "0"}],
    "training_limits": {
        "tasks": ["train"],
        "families": ["-"],
        "parameters_max": 1,
        "rounds_max": 1,
        "update_norm_l2_max": 1.0,
    },
    "protection": [next(iter(MODES))],
    "cohort": {"minimum_participants": 1},
    "disclosure": {"minimum_cell": 1},
    "validity": {"not_before": "2000-01-01T00:00:00Z", "not_after": "2199-01-01T00:00:00Z"},
}
"""What stands for a term that has to be given, while it is missing or wrong."""

Path = tuple[str, ...]


def faults_so_far(given: Mapping[str, Any], families: frozenset[str], moment: datetime) -> Iterator[Fault]:
    """What contradicts itself already, whatever will stand where terms (as JSON values) are missing or wrong now."""
    mended: dict[str, Any] = copy.deepcopy(dict(given))
    wrong: set[Path] = set()
    for _try in range(_TRIES_MAX):
        try:
            terms = Terms.model_validate_json(json.dumps(mended), strict=True)
            break
        except ValidationError as error:
            if error.error_count() > _FAULTS_MAX:
                return
            for fault in error.errors(include_url=False, include_input=False):
                if fault["loc"] and not _is_within(tuple(map(str, fault["loc"])), wrong):
                    wrong.add(_mend(mended, fault["loc"]))
    else:
        return
    above = {path[:length] for path in wrong for length in range(1, len(path))}
    for found in faults(terms, families, moment):
        places = [tuple(field.split(".")) for field in (found.field, *found.rests_on)]
        if not any(place in above or _is_within(place, wrong) for place in places):
            yield found


def _is_within(path: Path, wrong: set[Path]) -> bool:
    return any(path[:length] in wrong for length in range(1, len(path) + 1))


def _mend(mended: dict[str, Any], location: Sequence[str | int]) -> Path:
    """Put what contradicts nothing where something is wrong, or leave it out. Returns which term it was."""
    parts = list(location[: _depth(mended, location)])
    while len(parts) > 1 and _stand_in(parts) is None and not _can_be_left_out(mended, parts):
        parts.pop()
    within = _at(mended, parts[:-1])
    if (stand_in := _stand_in(parts)) is not None:
        within[parts[-1]] = copy.deepcopy(stand_in)
    else:
        within.pop(parts[-1], None)
    return tuple(map(str, parts))


def _depth(mended: Any, location: Sequence[str | int]) -> int:
    """How far a location leads; pydantic's go on into the kinds that a value could have been of."""
    for depth, part in enumerate(location):
        if isinstance(mended, dict) and part not in mended:
            return depth + 1
        if not isinstance(mended, dict | list):
            return depth
        mended = _at(mended, [part])
    return len(location)


def _can_be_left_out(mended: Any, parts: Sequence[str | int]) -> bool:
    """Not one of a list, whose place others would take, and not what is missing already."""
    within = _at(mended, parts[:-1])
    return isinstance(within, dict) and parts[-1] in within


def _stand_in(parts: Sequence[str | int]) -> Any:
    return _at(_STAND_INS, [0 if isinstance(part, int) else part for part in parts])


def _at(value: Any, parts: Sequence[str | int]) -> Any:
    """What is there; None if nothing is."""
    for part in parts:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value
