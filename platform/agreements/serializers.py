"""How versions of agreements, their wordings, comments and signatures look in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rest_framework import serializers

from accounts.serializers import OrganisationBrief, UserBrief
from agreements.models import AgreementVersion, Approval, Comment, Revision, Suspension
from agreements.selectors import PartyRow, parties
from agreements.terms import clauses_of
from agreements.transitions import AgreementState
from agreements.upgrades import AddedRow, added_rows
from audit.serializers import ReasonParams
from consortia.serializers import ConsortiumBrief
from federation.agreements.rendering import Clause
from rest.serializers import Input


class AgreementOut(serializers.ModelSerializer[AgreementVersion]):
    """A version, in a list."""

    consortium = ConsortiumBrief()
    drafted_by = UserBrief()
    reason = serializers.CharField(source="reason_text", help_text="Why it came to its state, in words.")
    reason_params = ReasonParams()
    digest = serializers.CharField(
        allow_blank=True, help_text="The SHA-256 of the bytes that are signed; empty while the terms may change."
    )

    protocol = serializers.CharField(
        allow_blank=True, help_text="Under which protocol its bytes were written; empty while the terms may change."
    )
    is_outdated = serializers.BooleanField(
        help_text="Whether it is of protocol 1.0: no trainer does anything under it. `upgrade/` drafts its successor."
    )

    class Meta:
        model = AgreementVersion
        fields: tuple[str, ...] = (
            "id",
            "consortium",
            "agreement_id",
            "number",
            "state",
            "reason_code",
            "reason",
            "reason_params",
            "digest",
            "protocol",
            "is_outdated",
            "drafted_by",
            "drafted_at",
            "proposed_at",
            "signing_at",
            "in_force_at",
            "ended_at",
            "not_before",
            "not_after",
        )


class ClauseOut(serializers.Serializer[Clause]):
    """A clause as people read it."""

    id = serializers.CharField()
    number = serializers.IntegerField()
    title = serializers.CharField()
    lines = serializers.ListField(child=serializers.CharField())


class ApprovalOut(serializers.ModelSerializer[Approval]):
    """A steward's approval in the browser."""

    user = UserBrief()

    class Meta:
        model = Approval
        fields = ("user", "at")


class SuspensionOut(serializers.ModelSerializer[Suspension]):
    """A member suspends the agreement for itself."""

    organisation = OrganisationBrief()
    by = UserBrief()

    class Meta:
        model = Suspension
        fields = ("organisation", "reason", "by", "at", "lifted_at")


class PartyOut(serializers.Serializer[PartyRow]):
    """A member of the agreement, and how it stands to it."""

    organisation = serializers.CharField()
    organisation_id = serializers.UUIDField(allow_null=True)
    key_id = serializers.CharField()
    fingerprint = serializers.CharField()
    is_current = serializers.BooleanField(help_text="Whether it takes part in the consortium now, by this key.")
    signed_at = serializers.DateTimeField(allow_null=True)
    signed_via = serializers.CharField(allow_blank=True)
    approvals = ApprovalOut(many=True)
    suspension = SuspensionOut(allow_null=True)


class AddedTermOut(serializers.Serializer[AddedRow]):
    """A term that an older protocol did not have."""

    path = serializers.CharField(help_text="Where it is in `terms`.")
    default = serializers.CharField(allow_null=True, help_text="What an upgrade puts there.")
    current_value = serializers.CharField(source="now", allow_null=True, help_text="What this version says.")
    meaning = serializers.CharField(help_text="What the default means.")


class AgreementDetailOut(AgreementOut):
    """A version whole: terms, the text that is made of them, and who has signed."""

    supersedes = serializers.CharField(source="supersedes.digest", allow_null=True, default=None)
    terms = serializers.DictField()
    terms_digest = serializers.CharField(help_text="Which wording this is; say it when you change the terms.")
    clauses = ClauseOut(many=True)
    parties = PartyOut(many=True)
    missing = serializers.ListField(child=serializers.CharField(), help_text="Members that have not signed.")
    added_terms = AddedTermOut(
        many=True, help_text="What an upgrade adds to a version of protocol 1.0, or has added to this draft."
    )

    class Meta(AgreementOut.Meta):
        fields = (
            *AgreementOut.Meta.fields,
            *("supersedes", "terms", "terms_digest", "clauses", "parties", "missing", "added_terms"),
        )


@dataclass(frozen=True)
class Whole:
    """What the detail of a version is made of."""

    version: AgreementVersion
    clauses: tuple[Clause, ...]
    parties: list[PartyRow]

    @property
    def added_terms(self) -> list[AddedRow]:
        """What an upgrade adds."""
        return added_rows(self.version)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.version, name)

    @property
    def missing(self) -> list[str]:
        """Who has not signed."""
        return [party.organisation for party in self.parties if party.signed_at is None]


def version_json(version: AgreementVersion) -> dict[str, Any]:
    """A version whole, as JSON."""
    whole: Any = Whole(version, clauses_of(version), parties(version))
    return dict(AgreementDetailOut(whole).data)


class RevisionOut(serializers.ModelSerializer[Revision]):
    """A wording of a version."""

    by = UserBrief()
    organisation = OrganisationBrief(allow_null=True)
    terms = serializers.DictField()
    terms_digest = serializers.CharField()

    class Meta:
        model = Revision
        fields = ("number", "terms", "terms_digest", "note", "by", "organisation", "at")


class CommentOut(serializers.ModelSerializer[Comment]):
    """What somebody said about a clause."""

    by = UserBrief()
    organisation = OrganisationBrief(allow_null=True)

    class Meta:
        model = Comment
        fields = ("id", "clause", "revision", "text", "by", "organisation", "at")


class SigningOut(serializers.Serializer[Any]):
    """Where a version stands once a signature was taken."""

    state = serializers.ChoiceField(choices=AgreementState.choices)
    missing = serializers.ListField(child=serializers.CharField(), help_text="Members that have not signed.")


class NewComment(Input):
    """What to say about a clause."""

    clause = serializers.CharField(max_length=40, help_text="the id of a clause, as in `clauses`")
    text = serializers.CharField(max_length=4000)


class OpenSigning(Input):
    """Which wording is to be signed."""

    seen_digest = serializers.CharField(max_length=80, help_text="the `terms_digest` that you have read")


class ReasonRequired(Input):
    """Why."""

    reason = serializers.CharField(max_length=2000, help_text="recorded for good, where the other members read it")


class ReasonOptional(Input):
    """Why, if you like."""

    reason = serializers.CharField(max_length=2000, allow_blank=True, default="")


class SignatureUpload(Input):
    """A signature made on premises."""

    document = serializers.DictField(help_text="the DSSE envelope that `silo-connector sign --export` wrote")


class OrganisationScope(Input):
    """For which of your organisations."""

    organisation = serializers.UUIDField()


class SuspensionIn(OrganisationScope):
    """For which of your organisations, and why."""

    reason = serializers.CharField(max_length=2000, help_text="recorded for good, where the other members read it")
