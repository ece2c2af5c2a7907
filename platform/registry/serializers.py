"""Models and their versions as JSON."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from consortia.serializers import ConsortiumBrief
from federation.tasks import task_of
from registry.cards import combined_out, parameters_of
from registry.models import Model, ModelVersion
from rest.figures import TargetOut


class CombinedMetrics(serializers.Serializer[Any]):
    """How a model did over the silos. All are left out where no silo could report."""

    accuracy = serializers.FloatField(required=False, help_text="Where the target has classes, as loss and auc.")
    loss = serializers.FloatField(required=False)
    silos = serializers.IntegerField(required=False, help_text="How many silos reported.")
    combination = serializers.CharField(required=False, help_text="How the silos' figures were put together.")
    auc = serializers.FloatField(required=False, allow_null=True, help_text="Always null; auc_unavailable says why.")
    auc_unavailable = serializers.CharField(required=False)
    figures = serializers.DictField(
        child=serializers.FloatField(), required=False, help_text="All of them, by the names of the target's metrics."
    )

    def to_representation(self, instance: Any) -> Any:
        """The figures, and that there is none for the area under the curve of all rows."""
        reported = super().to_representation(figures := combined_out(instance))
        if instance and "auc" not in figures:
            del reported["auc"]  # a number has none
        return reported


class VersionOut(serializers.ModelSerializer[ModelVersion]):
    """A model's weights after a round."""

    model_id = serializers.UUIDField()
    metrics = CombinedMetrics()

    class Meta:
        model = ModelVersion
        fields: tuple[str, ...] = (
            "id",
            "model_id",
            "round_number",
            "digest",
            "size_bytes",
            "metrics",
            "is_best",
            "created_at",
            "pruned_at",
        )


class ModelOut(serializers.ModelSerializer[Model]):
    """A model, in a list."""

    consortium = ConsortiumBrief()
    family = serializers.CharField(source="specification.family")
    parameters = serializers.SerializerMethodField()
    target = TargetOut(source="target_kind")
    job_id = serializers.SerializerMethodField(help_text="The job that trained it.")
    latest_version = serializers.SerializerMethodField()
    best_version = serializers.SerializerMethodField()

    class Meta:
        model = Model
        fields: tuple[str, ...] = (
            "id",
            "name",
            "consortium",
            "family",
            "parameters",
            "n_features",
            "n_classes",
            "target",
            "job_id",
            "latest_version",
            "best_version",
            "created_at",
            "retired_at",
            "retirement_reason_code",
        )
        extra_kwargs: ClassVar = {
            "retired_at": {"help_text": "When its agreement took it out of use for good; null while it is in use."},
            "n_classes": {"help_text": "Null where the target has no classes."},
            "retirement_reason_code": {
                "source": "retired_code",
                "help_text": "`model.retired`: a member left. `model.expired`: its time is over.",
            },
        }

    def get_parameters(self, model: Model) -> int:
        """How many numbers it has."""
        return parameters_of(model)

    def get_job_id(self, model: Model) -> str | None:
        """The job that trained it."""
        return next((str(job.id) for job in model.jobs.all() if task_of(job.task).trains), None)

    def get_latest_version(self, model: Model) -> str | None:
        """The version after the last round."""
        newest = max(model.versions.all(), key=lambda version: version.round_number, default=None)
        return str(newest.id) if newest else None

    def get_best_version(self, model: Model) -> str | None:
        """The version that is best by the target's `best_by` over the silos."""
        return next((str(version.id) for version in model.versions.all() if version.is_best), None)


class ModelDetailOut(ModelOut):
    """A model, with all that is needed to use it."""

    specification = serializers.DictField(help_text="The family and its settings.")
    layout = serializers.ListField(child=serializers.DictField(), help_text="Name, shape and type of each tensor.")
    preprocessing = serializers.DictField(help_text="Columns, transformations and split of the data that it takes.")

    class Meta(ModelOut.Meta):
        fields = (*ModelOut.Meta.fields, "specification", "layout", "preprocessing")


class CardOut(serializers.Serializer[Any]):
    """A model version's card."""

    format = serializers.CharField()
    name = serializers.CharField()
    model_id = serializers.UUIDField()
    version_id = serializers.UUIDField()
    weights = serializers.DictField()
    architecture = serializers.DictField()
    target = serializers.DictField(help_text="What the model is asked for, with its metrics.")
    preprocessing = serializers.DictField()
    inputs = serializers.DictField(help_text="The features in order, each with what is done to make it.")
    classes = serializers.ListField(
        child=serializers.CharField(), help_text="In the order of the outputs; empty where there are none."
    )
    metrics = serializers.DictField()
    lineage = serializers.DictField()
