"""Silos and datasets as JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.serializers import OrganisationBrief
from federation.protocol.keys import PublicKey
from rest.names import NameInput
from rest.serializers import Input
from silos import selectors
from silos.capabilities import needs_upgrade
from silos.models import Dataset, RefusedRequest, Silo
from silos.refused import remedy_for
from silos.transitions import SiloState


class KeyOut(serializers.Serializer[PublicKey]):
    """A public key by its names."""

    key_id = serializers.CharField()
    fingerprint = serializers.CharField(help_text="What two people compare by telephone.")


class SiloBrief(serializers.ModelSerializer[Silo]):
    """A silo, as others refer to it."""

    class Meta:
        model = Silo
        fields = ("id", "name")


_OWN_FIGURES = (
    "clock_skew_s",
    "latency_s",
    "disk_free_bytes",
    "memory_free_bytes",
    "memory_total_bytes",
    "gpus",
    "last_refused_request",
)


class RefusedRequestOut(serializers.ModelSerializer[RefusedRequest]):
    """The last request of a silo that was refused."""

    clock_skew_s = serializers.FloatField(
        allow_null=True, help_text="By how much its clock was ahead, measured here, where that was the reason."
    )
    remedy = serializers.SerializerMethodField(help_text="What to do about it.")

    class Meta:
        model = RefusedRequest
        fields = ("code", "at", "clock_skew_s", "remedy")

    def get_remedy(self, last: RefusedRequest) -> str:
        """What to do about it."""
        return remedy_for(last)


class SiloOut(serializers.ModelSerializer[Silo]):
    """A silo: who it is, what it is known by, how it does. The figures are reported to its own organisation only."""

    organisation = OrganisationBrief()
    state = serializers.ChoiceField(choices=SiloState.choices)
    is_own = serializers.BooleanField(help_text="Whether it is of an organisation that you belong to.")
    identity = KeyOut(allow_null=True, help_text="The trainer's key, which signs submissions.")
    transport = KeyOut(allow_null=True, help_text="The relay's key, which signs requests.")
    signatory = KeyOut(allow_null=True, help_text="The organisation's key: it certified the identity key.")
    signatory_is_pending = serializers.SerializerMethodField(
        help_text="Whether the connector brought it, and it counts for nothing until it is confirmed with the silo."
    )
    trainer_network = serializers.CharField(
        help_text="What its trainer signed last: `none`, `allowed` (it was started with a network), or empty: not said."
    )
    capabilities = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="What its connector last said that it can do, by names: `protocols`, `kinds` of order, `protection`, "
        "`families`, `targets`, `payloads`, and what only a later connector knows of.",
    )
    needs_upgrade = serializers.SerializerMethodField(
        help_text="Whether its connector speaks no protocol of this platform: it gets no order until it is upgraded."
    )
    health = serializers.SerializerMethodField()
    clock_skew_s = serializers.FloatField(allow_null=True, help_text="By how much its clock is ahead.")
    latency_s = serializers.FloatField(allow_null=True, help_text="How long its relay's last heartbeat took.")
    disk_free_bytes = serializers.IntegerField(allow_null=True, help_text="Room on the relay's disk.")
    memory_free_bytes = serializers.IntegerField(allow_null=True, help_text="Memory that the trainer could take.")
    memory_total_bytes = serializers.IntegerField(allow_null=True)
    gpus = serializers.ListField(child=serializers.CharField(), allow_null=True, help_text="Models, by the driver.")
    last_refused_request = RefusedRequestOut(
        source="refused_request", allow_null=True, default=None, help_text="Signed by its own key, and not taken."
    )

    class Meta:
        model = Silo
        fields: tuple[str, ...] = (
            "id",
            "name",
            "organisation",
            "is_own",
            "state",
            "identity",
            "transport",
            "signatory",
            "signatory_is_pending",
            "created_at",
            "enrolled_at",
            "confirmed_at",
            "revoked_at",
            "last_seen_at",
            "health",
            "connector_version",
            "trainer_network",
            "capabilities",
            "needs_upgrade",
            *_OWN_FIGURES,
        )

    @extend_schema_field({"type": "string", "enum": ["unseen", "online", "silent", "refused"]})
    def get_health(self, silo: Silo) -> str:
        """How long ago it was heard of, in a word."""
        return selectors.health_of(silo)

    def get_needs_upgrade(self, silo: Silo) -> bool:
        """Whether it gets no order until it is upgraded."""
        return needs_upgrade(silo)

    def get_signatory_is_pending(self, silo: Silo) -> bool:
        """Whether nobody has confirmed the signatory key yet."""
        return silo.pending_signatory_key is not None

    def to_representation(self, silo: Silo) -> dict[str, Any]:
        """The figures left out for everybody else."""
        reported = super().to_representation(silo)
        return reported if getattr(silo, "is_own", False) else {**reported, **dict.fromkeys(_OWN_FIGURES)}


class NewSilo(Input):
    """A silo to be."""

    organisation = serializers.UUIDField(help_text="One of your organisations.")
    name = NameInput(max_length=120)


class EnrolmentCodeOut(serializers.Serializer[Any]):
    """What silo IT needs to enrol a connector. The code is shown once."""

    code = serializers.CharField(allow_null=True, help_text="Null when the answer is given again (Idempotency-Key).")
    expires_at = serializers.DateTimeField()
    platform_url = serializers.CharField()
    platform_key_fingerprint = serializers.CharField(help_text="What the connector must pin.")


class Confirmation(Input):
    """The fingerprints that were read out by the site."""

    identity_fingerprint = serializers.CharField(max_length=60, help_text="As the site shows it, spaced or not.")
    signatory_fingerprint = serializers.CharField(
        max_length=60,
        required=False,
        default="",
        help_text="Likewise; asked for while the signatory key is pending. It becomes the organisation's with this.",
    )


class RowsConfirmation(Input):
    """The number of rows that was looked at."""

    rows_coarse = serializers.IntegerField(min_value=0, max_value=2**53, help_text="As `rows_pending` has it.")


class DatasetOut(serializers.ModelSerializer[Dataset]):
    """A dataset, in a list."""

    silo = SiloBrief()
    organisation = OrganisationBrief(source="silo.organisation")
    silo_state = serializers.ChoiceField(source="silo.state", choices=SiloState.choices)
    n_classes = serializers.IntegerField(allow_null=True, min_value=2, help_text="Null where the target has none.")
    target = serializers.CharField(source="target_kind.name", help_text="What models of it are asked for.")
    rows_coarse = serializers.IntegerField(min_value=0, help_text="Rounded by the silo.")
    rows_pending = serializers.IntegerField(
        allow_null=True,
        min_value=0,
        help_text="Ten times as many or more, registered since: they count once a steward has confirmed them.",
    )
    withdrawn_by_silo = serializers.BooleanField(
        help_text="Whether the silo withdrew it, by declaring it no longer; a person's withdrawal stays until undone."
    )

    class Meta:
        model = Dataset
        fields: tuple[str, ...] = (
            "id",
            "name",
            "title",
            "description",
            "organisation",
            "silo",
            "silo_state",
            "schema_digest",
            "n_features",
            "n_classes",
            "target",
            "rows_coarse",
            "rows_pending",
            "registered_at",
            "withdrawn_at",
            "withdrawn_by_silo",
        )


class DatasetDetailOut(DatasetOut):
    """A dataset with its declaration: columns, steps and split, never a value."""

    declaration = serializers.DictField(
        help_text="Columns, transformations and split, as the trainer carries them out."
    )
    features = serializers.SerializerMethodField()
    classes = serializers.SerializerMethodField()

    class Meta(DatasetOut.Meta):
        fields = (*DatasetOut.Meta.fields, "declaration", "features", "classes")

    def get_features(self, dataset: Dataset) -> list[str]:
        """Names of the features, in the order in which a model gets them."""
        return list(selectors.declaration_of(dataset).features())

    def get_classes(self, dataset: Dataset) -> list[str]:
        """What people call the classes."""
        return list(selectors.declaration_of(dataset).class_names)
