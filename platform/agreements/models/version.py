"""A version of a consortium's data-use agreement."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from agreements.transitions import BINDING_ONCE, CURRENT, ENDED, OPEN, AgreementState
from audit.reasons import reason_text
from federation.protocol.documents.terms_1_0 import PROTOCOL as OLD_PROTOCOL

_UNFIXED = (AgreementState.DRAFT, AgreementState.PROPOSED)


class AgreementVersion(models.Model):
    """What the members of a consortium agree on: negotiated as terms, signed as bytes that never change again.

    `payload` is there from the moment at which signing opens; `envelope`, the same with every member's signature, from
    the moment at which the last has signed.
    """

    State = AgreementState

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    consortium = models.ForeignKey("consortia.Consortium", on_delete=models.PROTECT, related_name="agreement_versions")
    agreement_id = models.UUIDField()
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=12, choices=AgreementState.choices, default=AgreementState.DRAFT)
    reason_code = models.CharField(max_length=80, blank=True)
    reason_params = models.JSONField(null=True)
    """What is in the sentence of the code (`audit.reasons`); None where a person said why, or nobody did."""
    reason = models.TextField(max_length=2000, blank=True)
    terms = models.JSONField()
    payload = models.BinaryField(null=True)
    protocol = models.CharField(max_length=10, blank=True, default="", db_default="")
    """Under which version of the protocol the bytes were written; empty while there are none."""
    digest = models.CharField(max_length=80, blank=True)
    envelope = models.BinaryField(null=True)
    supersedes = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="superseded_by")
    drafted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    drafted_at = models.DateTimeField(default=timezone.now)
    proposed_at = models.DateTimeField(null=True)
    signing_at = models.DateTimeField(null=True)
    in_force_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)
    not_after = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-drafted_at", "id")
        constraints = (
            models.UniqueConstraint(
                name="agreement_one_open",
                fields=("consortium",),
                condition=Q(state__in=OPEN),
                violation_error_code="agreement.overlapping",
                violation_error_message="Another version is under way already: negotiate that one, or withdraw it.",
            ),
            models.UniqueConstraint(
                name="agreement_one_current",
                fields=("consortium",),
                condition=Q(state__in=CURRENT),
                violation_error_code="agreement.in_force_already",
                violation_error_message="Another version is in force already.",
            ),
            models.UniqueConstraint(name="agreement_number_once", fields=("agreement_id", "number")),
            models.UniqueConstraint(name="agreement_digest_once", fields=("digest",), condition=~Q(digest="")),
            models.CheckConstraint(name="agreement_state_known", condition=Q(state__in=AgreementState.values)),
            models.CheckConstraint(
                name="agreement_payload_iff_fixed",
                condition=Q(state=AgreementState.WITHDRAWN)
                | (Q(state__in=_UNFIXED) & Q(payload__isnull=True, signing_at__isnull=True))
                | (~Q(state__in=_UNFIXED) & Q(payload__isnull=False, signing_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="agreement_digest_iff_payload",
                condition=Q(payload__isnull=True, digest="", not_before__isnull=True, not_after__isnull=True)
                | (Q(payload__isnull=False, not_before__isnull=False, not_after__isnull=False) & ~Q(digest="")),
            ),
            models.CheckConstraint(
                name="agreement_envelope_iff_in_force_once",
                condition=(Q(state__in=BINDING_ONCE) & Q(envelope__isnull=False, in_force_at__isnull=False))
                | (~Q(state__in=BINDING_ONCE) & Q(envelope__isnull=True, in_force_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="agreement_ended_at_iff_ended",
                condition=(Q(state__in=ENDED) & Q(ended_at__isnull=False))
                | (~Q(state__in=ENDED) & Q(ended_at__isnull=True)),
            ),
        )

    def __str__(self) -> str:
        return f"version {self.number}"

    @property
    def reason_text(self) -> str:
        """Why it came to where it is: a person's own words, or the platform's in the reader's language."""
        return reason_text(self.reason_code, self.reason_params, self.reason)

    @property
    def terms_digest(self) -> str:
        """Which wording this is: anyone who changes it says which they have seen."""
        return digest_of_terms(self.terms)

    @property
    def is_open(self) -> bool:
        """Whether it is still under way to be the next."""
        return self.state in OPEN

    @property
    def is_outdated(self) -> bool:
        """Whether its bytes are of protocol 1.0, so that no trainer does anything under it."""
        return self.protocol == OLD_PROTOCOL

    @property
    def may_change(self) -> bool:
        """Whether the terms can be edited as they stand."""
        return self.state in _UNFIXED

    def is_over(self, at: datetime) -> bool:
        """Whether its validity has passed."""
        return self.not_after is not None and at >= self.not_after


def digest_of_terms(terms: object) -> str:
    """The hash of a wording as it is kept; not that of the bytes which are signed."""
    plain = json.dumps(terms, sort_keys=True, separators=(",", ":")).encode()
    return "sha256:" + hashlib.sha256(plain).hexdigest()
