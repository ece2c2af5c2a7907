"""Who sees which models, and what a model's card says.

The jobs and evaluations that stand behind a model belong to an app above this one: they are read by way of the model.
"""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.models import User
from consortia.selectors import consortia_visible_to
from registry.models import Model, ModelVersion


def models_visible_to(user: User) -> QuerySet[Model]:
    """The models of the consortia that a person sees, with their jobs."""
    return (
        Model.objects.filter(consortium__in=consortia_visible_to(user))
        .select_related("consortium")
        .prefetch_related("jobs", "versions")
    )


def versions_visible_to(user: User) -> QuerySet[ModelVersion]:
    """The versions of those models."""
    return ModelVersion.objects.filter(model__consortium__in=consortia_visible_to(user)).select_related(
        "model__consortium"
    )
