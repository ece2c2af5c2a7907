"""The body of a launch, as the OpenAPI document shows it; it is read by `training.launch.requests`."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample
from pydantic import Field, create_model
from rest_framework import serializers

from federation.learning.models import FAMILIES
from federation.learning.specification import LocalTraining
from federation.protection.clear import MODE as CLEAR
from federation.strategies import STRATEGIES
from plans.selectors import FAMILY
from training.launch.requests import JobRequest


class LaunchTarget(serializers.Serializer[Any]):
    """Where a job is launched."""

    consortium = serializers.UUIDField()


_ID = "0b8f7c9e-2d54-4c7a-9a63-5d0c4f1e2a7"
EXAMPLES = [
    OpenApiExample(
        "Logistic regression over two silos",
        request_only=True,
        value={
            "consortium": f"{_ID}0",
            "name": "Heart disease, first try",
            "purpose": "Find out whether a linear model will do",
            "use": {"category": "health"},
            "datasets": [f"{_ID}1", f"{_ID}2"],
            "protection": {"mode": CLEAR.name},
            "model": {"family": "logistic"},
            "strategy": {"name": "fedadam", "learning_rate": 0.05},
            "local": {"epochs": 1, "batch_size": 16, "learning_rate": 0.1},
            "rounds": 10,
            "quorum": 1,
            "wait": "adaptive",
        },
    ),
    OpenApiExample(
        "A training plan",
        request_only=True,
        value={
            "consortium": f"{_ID}0",
            "name": "Heart disease, with our own loss",
            "use": {"category": "health"},
            "datasets": [f"{_ID}1", f"{_ID}2"],
            "protection": {"mode": CLEAR.name},
            "plan": "sha256:" + "0123456789abcdef" * 4,
            "rounds": 10,
        },
    ),
    OpenApiExample(
        "Evaluation of a stored model",
        request_only=True,
        value={
            "consortium": f"{_ID}0",
            "name": "A second look",
            "use": {"category": "health"},
            "task": "evaluate",
            "datasets": [f"{_ID}1"],
            "protection": {"mode": CLEAR.name},
            "model_version": f"{_ID}3",
        },
    ),
]
EXAMPLES.append(
    OpenApiExample(
        "Statistics of two columns",
        request_only=True,
        value={
            "consortium": f"{_ID}0",
            "name": "Ages and cholesterol",
            "use": {"category": "health"},
            "task": "statistics",
            "datasets": [f"{_ID}1", f"{_ID}2"],
            "protection": {"mode": CLEAR.name},
            "statistics": {"columns": ["age", "chol"]},
        },
    )
)

if TYPE_CHECKING:
    JobLaunch = JobRequest
else:
    _model = reduce(or_, (family.Specification for family in FAMILIES.values() if family.name != FAMILY))
    _strategy = reduce(or_, STRATEGIES.values())
    JobLaunch = create_model(
        "JobLaunch",
        __base__=JobRequest,
        __doc__="A job to launch. A training job names a `model` or a `plan`, an evaluation a `model_version`, "
        "one of statistics the columns in `statistics`.",
        consortium=(UUID, Field(description="One in which you may launch jobs.")),
        model=(_model | None, None),
        strategy=(_strategy, Field(default={"name": "fedavg"})),
        local=(LocalTraining, Field(default={"epochs": 1})),
    )
