"""Who may see and keep which silo and dataset."""

from __future__ import annotations

from uuid import UUID

from accounts.access import require
from accounts.models import User
from accounts.permissions import Permission
from rest.errors import NotFound
from silos.models import Dataset, Silo
from silos.selectors import datasets_visible_to, silos_visible_to


def access_silo(user: User, silo_id: UUID, permission: Permission = Permission.SILO_VIEW) -> Silo:
    """The silo, for who may do this to it. Who trains with its organisation sees it; the rest is for its own people.

    Raises the same NotFound for absent and hidden, Forbidden for the rest.
    """
    silo = silos_visible_to(user).filter(id=silo_id).first()
    if silo is None:
        raise NotFound.of("silo")
    if permission is not Permission.SILO_VIEW:
        require(user, permission, organisation=silo.organisation)
    return silo


def access_dataset(user: User, dataset_id: UUID, permission: Permission = Permission.DATASET_VIEW) -> Dataset:
    """The dataset, likewise."""
    dataset = datasets_visible_to(user).filter(id=dataset_id).first()
    if dataset is None:
        raise NotFound.of("dataset")
    if permission is not Permission.DATASET_VIEW:
        require(user, permission, organisation=dataset.silo.organisation)
    return dataset
