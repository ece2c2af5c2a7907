"""Names of organisations: one that an organisation has or had is nobody else's, however it is written."""

from __future__ import annotations

from accounts.models import Organisation
from accounts.models.organisation import NAME_IN_USE, NAME_MIXED, OrganisationName, likeness_of
from federation.plans.alike import mixes_scripts
from rest.errors import Conflict, Unprocessable


def claim_name(organisation: Organisation, name: str) -> None:
    """Keep this name for the organisation, for ever.

    Raises Conflict ``organisation.name_taken``, Unprocessable ``organisation.name_mixed`` for a new name with a word in
    two scripts that look alike. Two at once are distinguished by the database's constraint, which has the same code.
    """
    kept, is_new = OrganisationName.objects.get_or_create(
        likeness=likeness_of(name), defaults={"organisation": organisation, "name": name}
    )
    if kept.organisation_id != organisation.pk:
        raise Conflict("organisation.name_taken", NAME_IN_USE, "name")
    if is_new and mixes_scripts(name):
        raise Unprocessable("organisation.name_mixed", NAME_MIXED, "name")


def organisation_called(name: str) -> Organisation | None:
    """The organisation that has or had this name; None where there never was one."""
    kept = OrganisationName.objects.select_related("organisation").filter(likeness=likeness_of(name)).first()
    return kept.organisation if kept else None
