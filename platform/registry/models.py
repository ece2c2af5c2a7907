"""Models that jobs have learned, and their versions."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from federation.targets import Target, target_of
from rest.names import NameField


class Model(models.Model):
    """What one training job learns: a family with its shape, and a version for every round."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    consortium = models.ForeignKey("consortia.Consortium", on_delete=models.PROTECT, related_name="models")
    name = NameField(max_length=200)
    specification = models.JSONField()
    layout = models.JSONField()
    n_features = models.PositiveIntegerField()
    n_classes = models.PositiveIntegerField(null=True)
    """None where the target has none."""
    target = models.CharField(max_length=40, blank=True, default="", db_default="")
    """The target by its name; empty where it follows from the number of classes."""
    preprocessing = models.JSONField()
    agreement = models.ForeignKey("agreements.AgreementVersion", null=True, on_delete=models.PROTECT, related_name="+")
    """The version under which it was learned: its terms say who may have it."""
    code_digest = models.CharField(max_length=80, blank=True, default="", db_default="")
    """The hash of the training plan that computes it; empty where a family of ours does."""
    rounds_planned = models.PositiveIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True)
    """When it went out of use for good, as its agreement says; None while it is in use."""
    retired_code = models.CharField(max_length=80, blank=True, default="", db_default="")

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(retired_at__isnull=True, retired_code="")
                | (Q(retired_at__isnull=False) & ~Q(retired_code="")),
                name="model_retired_with_code",
            ),
            models.CheckConstraint(
                condition=Q(n_classes__isnull=False) | ~Q(target=""), name="model_has_classes_or_a_named_target"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def target_kind(self) -> Target:
        """What it is asked for, with the loss and the metrics that belong to it."""
        return target_of(self.target or None, self.n_classes)


class ModelVersion(models.Model):
    """A model's weights after a round (round 0: as it started), with how well it did where it was tried."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    model = models.ForeignKey(Model, on_delete=models.PROTECT, related_name="versions")
    round_number = models.PositiveIntegerField()
    digest = models.CharField(max_length=80, db_index=True)
    size_bytes = models.BigIntegerField()
    optimiser_digest = models.CharField(max_length=80, blank=True)
    metrics = models.JSONField(default=dict)
    is_best = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    pruned_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["model", "round_number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["model", "round_number"], name="version_once_a_round"),
            models.UniqueConstraint(fields=["model"], condition=Q(is_best=True), name="version_one_best_a_model"),
        ]
        indexes: ClassVar = [
            # what housekeeping counts, over all models, to find those that have versions to prune
            models.Index(
                fields=["model"],
                condition=Q(pruned_at=None, is_best=False, round_number__gt=0),
                name="version_kept_on_the_way",
            ),
            models.Index(
                fields=["optimiser_digest"],
                condition=Q(pruned_at=None) & ~Q(optimiser_digest=""),
                name="version_optimiser_kept",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model.name}, round {self.round_number}"

    @property
    def is_final(self) -> bool:
        """Whether this is what the job was for, and no model of a round on the way there."""
        return self.round_number >= self.model.rounds_planned


class Passport(models.Model):
    """What the platform signed about a version's weights: their job, round, agreement, and whose answers made them."""

    version = models.OneToOneField(ModelVersion, primary_key=True, on_delete=models.CASCADE, related_name="passport")
    document = models.BinaryField()
    issued_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"passport of {self.version_id}"


class ReleaseConfirmation(models.Model):
    """A member's word that a version may be released, where the agreement asks each for it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="confirmations")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    by = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="release_confirmed_once",
                fields=["version", "organisation"],
                violation_error_code="release.confirmed_already",
                violation_error_message="Your organisation has confirmed this release already.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.organisation} lets {self.version} go"
