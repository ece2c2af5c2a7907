"""Silos and what they are known by."""

from __future__ import annotations

import uuid
from typing import ClassVar, get_args

from django.db import models
from django.db.models import Q

from federation.protocol.documents.base import Network
from federation.protocol.keys import PublicKey
from federation.targets import Target, target_of
from rest.names import NameField
from silos.transitions import SiloState


class Silo(models.Model):
    """A connector at an organisation: one trainer with data and keys, one relay with the network."""

    State = SiloState

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="silos")
    name = NameField(max_length=120)
    state = models.CharField(max_length=12, choices=SiloState, default=SiloState.CREATED)
    identity_key = models.BinaryField(null=True, max_length=32)
    transport_key = models.BinaryField(null=True, max_length=32)
    signatory_key = models.ForeignKey("accounts.SignatoryKey", null=True, on_delete=models.PROTECT, related_name="+")
    pending_signatory_key = models.BinaryField(null=True, max_length=32)
    """The organisation's key that the connector brought, whose fingerprint nobody has confirmed yet."""
    statement = models.BinaryField(null=True)
    certificate = models.BinaryField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    enrolled_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    confirmed_by = models.ForeignKey("accounts.User", null=True, on_delete=models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True)
    silent_since = models.DateTimeField(null=True)
    connector_version = models.CharField(max_length=60, blank=True)
    trainer_network = models.CharField(max_length=10, blank=True, default="", db_default="")
    """What its trainer last signed of its network: `none`, or `allowed`; empty where it did not say."""
    capabilities = models.JSONField(default=dict)
    capabilities_noted = models.JSONField(null=True)
    """What it could do by the last event about that; None before there was one."""
    capabilities_noted_at = models.DateTimeField(null=True)
    capabilities_change = models.JSONField(default=dict, db_default={})
    """What that event reported: `old` and `new`, by name."""
    clock_skew_s = models.FloatField(null=True)
    disk_free_bytes = models.BigIntegerField(null=True)
    memory_total_bytes = models.BigIntegerField(null=True)
    memory_free_bytes = models.BigIntegerField(null=True)
    gpus = models.JSONField(default=list)
    latency_s = models.FloatField(null=True)
    orders_issued = models.BigIntegerField(default=0)
    numbers_ahead_at = models.DateTimeField(null=True)
    """When it last reported a higher number than this platform knew: the platform is older than what the silo saw."""
    numbers_lost = models.BigIntegerField(default=0)
    """How many of its orders this platform does not know, by what it reported then."""
    platform_older = models.BooleanField(default=False)
    """Whether it says that the audit log here is not the one that it keeps, and its organisation has not accepted."""
    palette = models.PositiveIntegerField(default=0)

    actor_kind: ClassVar[str] = "silo"

    class Meta:
        ordering: ClassVar = ["organisation__name", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organisation", "name"], name="silo_name_once_an_organisation"),
            models.CheckConstraint(
                condition=Q(state="created")
                | Q(state="revoked")
                | Q(identity_key__isnull=False, transport_key__isnull=False),
                name="silo_has_keys_once_enrolled",
            ),
            models.CheckConstraint(
                condition=~Q(state="active") | Q(confirmed_at__isnull=False, confirmed_by__isnull=False),
                name="silo_active_iff_confirmed",
            ),
            models.CheckConstraint(
                condition=Q(pending_signatory_key__isnull=True)
                | Q(state="presented", pending_signatory_key__isnull=False),
                name="silo_pending_signatory_only_while_presented",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def actor_id(self) -> str:
        """Who acts, in an audit event."""
        return str(self.id)

    @property
    def actor_name(self) -> str:
        """How the actor is called, in an audit event."""
        return self.name

    @property
    def stated_network(self) -> Network | None:
        """What its trainer last signed of its network; None where it did not say."""
        return next((stated for stated in get_args(Network) if stated == self.trainer_network), None)

    @property
    def series(self) -> int:
        """Which of the eight colours of the style sheet stands for it on every page."""
        return self.palette % 8

    @property
    def identity(self) -> PublicKey | None:
        """The trainer's key, which signs submissions."""
        return PublicKey(bytes(self.identity_key)) if self.identity_key else None

    @property
    def signatory(self) -> PublicKey | None:
        """The key that certified it: the organisation's, or the pending one that is to become that."""
        if self.pending_signatory_key:
            return PublicKey(bytes(self.pending_signatory_key))
        return self.signatory_key.key if self.signatory_key else None

    @property
    def transport(self) -> PublicKey | None:
        """The relay's key, which signs requests."""
        return PublicKey(bytes(self.transport_key)) if self.transport_key else None


class KeySuccession(models.Model):
    """The platform's signing key passed on to the next: a document sealed by the predecessor, kept as it was signed."""

    sequence = models.PositiveIntegerField()
    predecessor = models.CharField(max_length=40)
    key_id = models.CharField(max_length=40)
    document = models.BinaryField()
    made_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["sequence"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["sequence"], name="key_succession_numbered_once"),
            models.UniqueConstraint(fields=["predecessor"], name="key_succession_never_forks"),
            models.UniqueConstraint(fields=["key_id"], name="key_succession_brings_a_new_key"),
        ]

    def __str__(self) -> str:
        return f"{self.predecessor} to {self.key_id}"


class EnrolmentCode(models.Model):
    """A single-use, expiring code with which one connector may present itself as this silo. Kept as its hash."""

    silo = models.ForeignKey(Silo, on_delete=models.CASCADE, related_name="enrolment_codes")
    code_hash = models.BinaryField(max_length=32, unique=True)
    created_by = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"code for {self.silo_id}"


class RequestNonce(models.Model):
    """A signed request that was seen: the same one again is a replay."""

    key_id = models.CharField(max_length=60)
    nonce = models.CharField(max_length=100)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["key_id", "nonce"], name="request_once_only")]

    def __str__(self) -> str:
        return f"{self.key_id} {self.nonce}"


class RefusedRequest(models.Model):
    """The last request that a silo's own key signed and the platform refused: one row a silo, seldom written."""

    silo = models.OneToOneField(Silo, primary_key=True, on_delete=models.CASCADE, related_name="refused_request")
    code = models.CharField(max_length=80)
    at = models.DateTimeField()
    clock_skew_s = models.FloatField(null=True)
    """By how much its clock was ahead, measured by ours, where that was the reason."""

    def __str__(self) -> str:
        return f"{self.silo_id} {self.code}"


class Dataset(models.Model):
    """Data that a silo holds and has described: schema and declared transformations, never a value."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    silo = models.ForeignKey(Silo, on_delete=models.PROTECT, related_name="datasets")
    name = NameField(max_length=100)
    title = NameField(max_length=200)
    description = models.TextField(blank=True)
    declaration = models.JSONField()
    registration = models.BinaryField()
    schema_digest = models.CharField(max_length=80, db_index=True)
    n_features = models.PositiveIntegerField()
    n_classes = models.PositiveIntegerField(null=True)
    """None where the target has none."""
    target = models.CharField(max_length=40, blank=True, default="", db_default="")
    """The target by its name; empty where it follows from the number of classes."""
    rows_coarse = models.BigIntegerField()
    """The rows that count, as the silo rounded them."""
    rows_confirmed = models.BigIntegerField(default=0)
    """What was confirmed last, or registered first: growth is held against it."""
    rows_pending = models.BigIntegerField(null=True)
    """So many rows that a steward has to confirm them first."""
    registered_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by_silo = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["name", "silo__name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["silo", "name"], name="dataset_name_once_a_silo"),
            models.CheckConstraint(
                condition=Q(withdrawn_by_silo=False) | Q(withdrawn_at__isnull=False),
                name="dataset_withdrawn_by_silo_only_if_withdrawn",
            ),
            models.CheckConstraint(
                condition=Q(n_classes__isnull=False) | ~Q(target=""), name="dataset_has_classes_or_a_named_target"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def target_kind(self) -> Target:
        """What its target holds, with the loss and the metrics that belong to it."""
        return target_of(self.target or None, self.n_classes)
