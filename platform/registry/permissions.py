"""Who may see and take which model."""

from __future__ import annotations

from uuid import UUID

from accounts.models import Organisation, User
from accounts.permissions import Permission
from agreements.selectors import organisations_in
from consortia.permissions import require
from registry.models import Model, ModelVersion
from registry.selectors import models_visible_to, versions_visible_to
from rest.errors import Forbidden, NotFound


def access_model(user: User, model_id: UUID, permission: Permission = Permission.MODEL_VIEW) -> Model:
    """The model, for who may do this to it. Raises the same NotFound for absent and hidden, Forbidden for the rest."""
    model = models_visible_to(user).prefetch_related(None).filter(id=model_id).first()
    if model is None:
        raise NotFound.of("model")
    require(user, permission, consortium=model.consortium)
    return model


def access_version(user: User, version_id: UUID, permission: Permission = Permission.MODEL_VIEW) -> ModelVersion:
    """A version of a model, likewise."""
    version = versions_visible_to(user).filter(id=version_id).first()
    if version is None:
        raise NotFound.of("model version")
    require(user, permission, consortium=version.model.consortium)
    return version


def access_version_to_confirm(user: User, version_id: UUID) -> tuple[ModelVersion, Organisation]:
    """A version, and the member for which this person may confirm its release: as its steward."""
    version = access_version(user, version_id)
    organisation = organisations_in(user, version.model.consortium, Permission.AGREEMENT_APPROVE).first()
    if organisation is None:
        raise Forbidden("permission.denied", "Releases are confirmed by the stewards of the members.")
    return version, organisation
