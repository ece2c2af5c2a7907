"""An earlier job as the launch form would have said it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from federation.learning.specification import LocalTraining
from plans.selectors import FAMILY
from training.launch.purpose_fields import as_typed
from training.waiting import Wait

PLAIN = ("name", "purpose", "datasets", "rounds", "seed", "quorum", "round_deadline_s", "retries_max")


def form_initial_from(asked: Mapping[str, Any], offered: Sequence[str]) -> dict[str, Any]:
    """What to fill in. Datasets that are not on offer any more are left out; what was not said is left empty."""
    filled = {name: asked.get(name) for name in PLAIN}
    filled["wait"] = asked.get("wait", Wait.ALL)  # as every job waited before it could be said
    filled["datasets"] = [dataset for dataset in asked["datasets"] if dataset in offered]
    filled["protection"] = asked["protection"]["mode"]
    filled |= {f"limits.{name}": value for name, value in asked.get("limits", {}).items()}
    filled |= {f"use.{name}": value for name, value in as_typed(asked.get("use")).items()}
    for kind, named in (("model", "family"), ("strategy", "name")):
        by_name = dict(asked.get(kind) or {})
        filled[kind] = chosen = by_name.pop(named, None)
        filled |= {f"{kind}.{chosen}.{name}": _shown(value) for name, value in by_name.items()}
    if digest := asked.get("plan"):
        filled |= {"model": FAMILY, f"model.{FAMILY}.digest": digest}
    local = {**dict.fromkeys(LocalTraining.model_fields), **asked.get("local", {})}
    return filled | {f"local.{name}": value for name, value in local.items()}


def _shown(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
