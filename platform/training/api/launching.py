"""The body of a launch, as the OpenAPI document shows it; it is read by `training.requests`."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import Field, create_model
from rest_framework import serializers

from federation.aggregation.strategies import STRATEGIES
from federation.learning.models import FAMILIES
from federation.learning.specification import LocalTraining
from training.requests import JobRequest


class LaunchTarget(serializers.Serializer[Any]):
    """Where a job is launched."""

    consortium = serializers.UUIDField()


if TYPE_CHECKING:
    JobLaunch = JobRequest
else:
    _model = reduce(or_, (family.Specification for family in FAMILIES.values()))
    _strategy = reduce(or_, STRATEGIES.values())
    JobLaunch = create_model(
        "JobLaunch",
        __base__=JobRequest,
        __doc__="A job to launch. A training job names a `model`, an evaluation a stored `model_version`.",
        consortium=(UUID, Field(description="One in which you may launch jobs.")),
        model=(_model | None, None),
        strategy=(_strategy, Field(default={"name": "fedavg"})),
        local=(LocalTraining, Field(default={"epochs": 1})),
    )
