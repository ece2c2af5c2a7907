"""What happened, for ever: append-only."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from federation.protocol.merkle import Frontier
from federation.protocol.tree_heads import TreeHead

EVIDENCE = "evidence"
"""What an event's detail has for verifiers, beside what it reports to people: digests of the documents that it is
about.
"""


class ActorKind(models.TextChoices):
    """What kind of actor did it."""

    USER = "user"
    SILO = "silo"
    SYSTEM = "system"


class Event(models.Model):
    """One thing that somebody did, written in the transaction that did it and never changed.

    It points at nothing by foreign key: what it reports may go, the event stays. A trigger forbids changing it.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(default=timezone.now)
    verb = models.CharField(max_length=80)
    actor_kind = models.CharField(max_length=10, choices=ActorKind.choices)
    actor_id = models.CharField(max_length=80)
    actor_name = models.CharField(max_length=254)
    subject_kind = models.CharField(max_length=80)
    subject_id = models.CharField(max_length=80)
    consortium_id = models.UUIDField(null=True)
    organisation_id = models.UUIDField(null=True)
    job_id = models.UUIDField(null=True)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                name="audit_event_actor_kind_known", condition=models.Q(actor_kind__in=ActorKind.values)
            ),
            models.CheckConstraint(
                name="audit_event_verb_dotted", condition=models.Q(verb__regex=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")
            ),
        )
        indexes = (
            models.Index(name="audit_event_consortium", fields=("consortium_id", "-id")),
            models.Index(name="audit_event_organisation", fields=("organisation_id", "-id")),
            models.Index(name="audit_event_job", fields=("job_id", "-id")),
            models.Index(name="audit_event_subject", fields=("subject_kind", "subject_id", "-id")),
            models.Index(name="audit_event_actor", fields=("actor_kind", "actor_id", "-id")),
        )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor_name} {self.verb} {self.subject_kind} {self.subject_id}"

    @property
    def shown_detail(self) -> dict[str, object]:
        """The detail without what only verifiers read."""
        return {name: value for name, value in self.detail.items() if name != EVIDENCE}


class Link(models.Model):
    """An event's place in the hash chain of its consortium, or of the platform: the bytes that were hashed, and how."""

    event_id = models.BigIntegerField(primary_key=True)
    chain = models.CharField(max_length=50)
    position = models.BigIntegerField()
    record = models.BinaryField()
    digest = models.BinaryField(max_length=32)

    class Meta:
        constraints = (
            models.UniqueConstraint(name="audit_link_position_once", fields=("chain", "position")),
            models.CheckConstraint(name="audit_link_position_from_one", condition=models.Q(position__gte=1)),
        )

    def __str__(self) -> str:
        return f"{self.chain} {self.position}"


class TreeNode(models.Model):
    """A complete subtree of the Merkle tree over a chain's links: of the level 1 or higher, and never changed again.

    The leaves are the links' digests themselves (``federation.protocol.merkle``).
    """

    chain = models.CharField(max_length=50)
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        constraints = (
            models.UniqueConstraint(name="audit_treenode_once", fields=("chain", "level", "index"), include=("hash",)),
            models.CheckConstraint(name="audit_treenode_no_leaf", condition=models.Q(level__gte=1, index__gte=0)),
        )

    def __str__(self) -> str:
        return f"{self.chain} {self.level}/{self.index}"


class Head(models.Model):
    """The last link of a chain: what the next one follows, and the right edge of the tree over all of them."""

    chain = models.CharField(max_length=50, primary_key=True)
    position = models.BigIntegerField()
    digest = models.BinaryField(max_length=32)
    peaks = models.BinaryField(default=b"")
    """The tree's complete subtrees, the largest first, 32 bytes each."""

    @property
    def tree(self) -> TreeHead:
        """As it is signed."""
        root = Frontier(self.position, bytes(self.peaks)).root
        return TreeHead(self.position, bytes(self.digest).hex(), root.hex())

    def __str__(self) -> str:
        return f"{self.chain} {self.position}"


class Follower(models.Model):
    """A job that somebody follows now, in an event stream: its events send a notice (a trigger asks this table)."""

    job_id = models.UUIDField(primary_key=True)
    until = models.DateTimeField()
    """By the database's clock. Anyone who goes on following says so again in time."""

    def __str__(self) -> str:
        return f"of {self.job_id} until {self.until}"


class Unchained(models.Model):
    """An event that the sequencer has not chained yet; a trigger writes it with the event."""

    event_id = models.BigIntegerField(primary_key=True)

    def __str__(self) -> str:
        return str(self.event_id)


class JobEvents(models.Model):
    """How many events of a job are in its consortium's chain: each carries its number, and the link of the one before.

    `count` is None for jobs that had events before these were numbered: theirs stay without.
    """

    job_id = models.UUIDField(primary_key=True)
    count = models.BigIntegerField(null=True)
    digest = models.BinaryField(max_length=32, null=True)

    def __str__(self) -> str:
        return str(self.job_id)


class Checkpoint(models.Model):
    """The head of a chain at a moment, signed by the platform: a document, kept as it was signed."""

    chain = models.CharField(max_length=50)
    position = models.BigIntegerField()
    root = models.BinaryField(max_length=32, null=True)
    """Of the tree over so many links; None in heads that were signed under protocol 1.0."""
    document = models.BinaryField()
    made_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                name="audit_checkpoint_once", fields=("chain", "position", "root"), nulls_distinct=False
            ),
        )

    def __str__(self) -> str:
        return f"{self.chain} {self.position}"


class Countersignature(models.Model):
    """A silo's signature on a checkpoint: it keeps that head itself, and would see another history of it."""

    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.CASCADE, related_name="countersignatures")
    silo_id = models.UUIDField()
    document = models.BinaryField()
    at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(name="audit_countersigned_once", fields=("checkpoint", "silo_id")),)

    def __str__(self) -> str:
        return f"{self.silo_id} on {self.checkpoint}"


class SiloHead(models.Model):
    """The head of a chain that a silo keeps, as it has reported last: by countersigning one, or by naming it in a
    refusal.

    The next head that it is to countersign is proven from this one.
    """

    chain = models.CharField(max_length=50)
    silo_id = models.UUIDField()
    position = models.BigIntegerField()
    digest = models.BinaryField(max_length=32)
    root = models.BinaryField(max_length=32, null=True)
    at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(name="audit_silohead_once", fields=("chain", "silo_id")),)

    def __str__(self) -> str:
        return f"{self.silo_id} at {self.position} of {self.chain}"

    @property
    def tree(self) -> TreeHead:
        """As the silo keeps it."""
        root = None if self.root is None else bytes(self.root).hex()
        return TreeHead(self.position, bytes(self.digest).hex(), root)


class LogRestored(models.Model):
    """A chain that does not lead through heads that silos keep: this platform was restored from an older backup.

    One row an episode, with the audit event ``log.restored``. What is lost is what lay between.
    """

    chain = models.CharField(max_length=50, db_index=True)
    position = models.BigIntegerField()
    """How long the chain was here when the first silo reported."""
    found_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.chain} at {self.position}"


class LostHead(models.Model):
    """A head that a silo reported, signed, and that the chain here does not lead through; its organisation's word."""

    restored = models.ForeignKey(LogRestored, on_delete=models.PROTECT, related_name="heads")
    silo_id = models.UUIDField()
    position = models.BigIntegerField()
    digest = models.BinaryField(max_length=32)
    document = models.BinaryField()
    """The silo's sealed statement, as it came."""
    at = models.DateTimeField()
    acceptance = models.BinaryField(null=True)
    """The organisation's sealed word that this silo goes on with the chain as it is here."""
    accepted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(name="audit_losthead_once", fields=("restored", "silo_id", "position", "digest")),
            models.CheckConstraint(
                name="audit_losthead_accepted_whole",
                condition=models.Q(acceptance__isnull=True, accepted_at__isnull=True)
                | models.Q(acceptance__isnull=False, accepted_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.silo_id} at {self.position}"
