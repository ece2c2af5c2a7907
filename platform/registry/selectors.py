"""Who sees which models, and what a model's card says.

The jobs and evaluations that stand behind a model belong to an app above this one: they are read by way of the model.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.models import User
from consortia.selectors import consortia_visible_to
from federation.tasks import tasks_that_train
from registry.models import Model, ModelVersion, Passport
from rest.errors import Conflict


def models_visible_to(user: User) -> QuerySet[Model]:
    """The models of the consortia that a person sees, with their jobs."""
    return (
        Model.objects.filter(consortium__in=consortia_visible_to(user))
        .select_related("consortium", "agreement")
        .prefetch_related("jobs", "versions")
    )


def listed_models(user: User) -> QuerySet[Model]:
    """The same for a list: each with its best version's figures, how many versions there are, and its job."""
    best = ModelVersion.objects.filter(model=OuterRef("pk"), is_best=True)
    counted = ModelVersion.objects.filter(model=OuterRef("pk")).order_by().values("model")
    trained = Model.objects.filter(pk=OuterRef("pk"), jobs__task__in=tasks_that_train()).order_by()
    return (
        Model.objects.filter(consortium__in=consortia_visible_to(user))
        .select_related("consortium")
        .defer("preprocessing")
        .annotate(
            best_round=Subquery(best.values("round_number")[:1]),
            best_metrics=Subquery(best.values("metrics")[:1]),
            versions_kept=Coalesce(Subquery(counted.annotate(count=Count("pk")).values("count")), 0),
            trained_by=Subquery(trained.values("jobs__id")[:1]),
            trained_by_name=Subquery(trained.values("jobs__name")[:1]),
        )
    )


def versions_visible_to(user: User) -> QuerySet[ModelVersion]:
    """The versions of those models."""
    return ModelVersion.objects.filter(model__consortium__in=consortia_visible_to(user)).select_related(
        "model__consortium", "model__agreement__consortium"
    )


def referenced(digests: Collection[str]) -> set[str]:
    """Those of these digests that a kept version has."""
    kept = ModelVersion.objects.filter(pruned_at=None)
    weights = kept.filter(digest__in=digests).values_list("digest", flat=True)
    return set(weights.union(kept.filter(optimiser_digest__in=digests).values_list("optimiser_digest", flat=True)))


def passport_of(version: ModelVersion) -> bytes:
    """What the platform signed about the weights. Raises Conflict ``passport.not_yet``."""
    found = Passport.objects.filter(version=version).values_list("document", flat=True).first()
    if found is None:
        raise Conflict(
            "passport.not_yet",
            "This version has no passport yet: the platform signs it within a minute of the silos trying the model.",
        )
    return bytes(found)
