"""Whether a model may be released: the terms of release of the agreement under which it was learned."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from accounts.models import Organisation, User
from accounts.selectors import belonged_somewhere, memberships_of
from agreements.models import Recipient
from agreements.selectors import parties
from agreements.terms import terms_of
from audit.actions import record
from federation.protocol.documents import DisclosureTerms, Terms
from registry.models import ModelVersion, ReleaseConfirmation
from registry.retirement import check_releasable
from rest.errors import Conflict, Forbidden


@dataclass(frozen=True)
class Release:
    """How a version stands to being released, for pages."""

    terms: DisclosureTerms | None
    missing: tuple[str, ...]
    """Members that have not confirmed, where each has to."""


def check_release(version: ModelVersion, user: User) -> None:
    """Raise Forbidden ``release.*`` unless the agreement lets this person have this version.

    A model from before there were agreements is bound by none.
    """
    terms = _terms(version)
    if terms is None:
        return
    disclosure = terms.disclosure
    if not disclosure.final_model:
        raise Forbidden("release.not_allowed", "The agreement lets no model leave the platform.")
    if not version.is_final and not disclosure.round_models:
        raise Forbidden(
            "release.round_model",
            "The agreement lets the final model leave, and none of a round before it. Take the last version.",
        )
    if not _is_recipient(version, user):
        raise Forbidden(
            "release.recipient",
            ("The agreement releases models to its members and to those it names; your organisation is none of them."),
        )
    if still := missing(version):
        raise Forbidden(
            "release.unconfirmed",
            f"The agreement asks every member to confirm a release. Still missing: {', '.join(still)}.",
        )


def release_of(version: ModelVersion) -> Release:
    """What the agreement says of handing this version out."""
    terms = _terms(version)
    return Release(terms.disclosure if terms else None, missing(version))


def missing(version: ModelVersion) -> tuple[str, ...]:
    """The members that have not confirmed; none where the agreement does not ask for it."""
    terms, agreement = _terms(version), version.model.agreement
    if terms is None or agreement is None or not terms.disclosure.release_confirmed_by_each:
        return ()
    confirmed = set(ReleaseConfirmation.objects.filter(version=version).values_list("organisation_id", flat=True))
    return tuple(party.organisation for party in parties(agreement) if party.organisation_id not in confirmed)


@transaction.atomic
def confirm_release(*, version: ModelVersion, organisation: Organisation, by: User) -> ReleaseConfirmation:
    """A member lets a version be released. The same again is a Conflict ``release.confirmed_already``.

    Raises Conflict ``release.not_asked`` where the agreement asks nobody, and what `check_releasable` raises.
    """
    check_releasable(version.model)
    terms = _terms(version)
    if terms is None or not terms.disclosure.release_confirmed_by_each:
        raise Conflict("release.not_asked", "The agreement of this model asks nobody to confirm releases.")
    if ReleaseConfirmation.objects.filter(version=version, organisation=organisation).exists():
        raise Conflict("release.confirmed_already", "Your organisation has confirmed this release already.")
    made = ReleaseConfirmation.objects.create(version=version, organisation=organisation, by=by)
    record(
        by=by,
        verb="model.release_confirmed",
        subject=version,
        consortium_id=version.model.consortium_id,
        organisation_id=organisation.id,
        detail={"model": version.model.name, "round": version.round_number, "organisation": organisation.name},
    )
    return made


def _terms(version: ModelVersion) -> Terms | None:
    return None if version.model.agreement is None else terms_of(version.model.agreement)


def _is_recipient(version: ModelVersion, user: User) -> bool:
    """People of the organisations that the terms meant when they came into force, whatever they are called since.

    Those who hold a role in the consortium alone, and never belonged to an organisation, act for it. The person who
    their role in an organisation does not become one of them: no model comes by leaving the organisation that may
    not have it.
    """
    organisations = set(memberships_of(user).values_list("organisation_id", flat=True))
    if not organisations:
        return not belonged_somewhere(user)
    return Recipient.objects.filter(version=version.model.agreement, organisation__in=organisations).exists()
