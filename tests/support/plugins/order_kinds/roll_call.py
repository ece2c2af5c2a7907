"""The kind of order that the task of calling the roll is made of: its silos answer with words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.models import ModelVersion
from tests.support.plugins.order_kinds.words import Words
from training.engine.kinds.models import model_in_manifest
from training.models import Job


class RollCall(Words):
    """Words, about a model."""

    kind = "answer_call"
    is_about_model = True

    def in_manifest(self, job: Job, version: ModelVersion | None) -> Mapping[str, Any]:
        """The model."""
        assert version is not None
        return model_in_manifest(job, version)


STEP_KIND = RollCall()
