"""To whom a version of an agreement hands models: names in its signed terms, organisations once it is in force."""

from __future__ import annotations

from accounts.names import organisation_called
from agreements.models import AgreementVersion, Recipient, Signature


def resolve_recipients(version: AgreementVersion) -> None:
    """Keep which organisations the terms mean: members by the keys that signed, others by the name that they have now.

    A name that no organisation has then means nobody, no matter who takes it later.
    """
    found = {
        signature.organisation_id: signature.organisation.name
        for signature in Signature.objects.select_related("organisation").filter(version=version)
    }
    for name in version.terms["disclosure"].get("recipients", ()):
        organisation = organisation_called(name)
        if organisation is not None:
            found.setdefault(organisation.pk, name)
    Recipient.objects.bulk_create(
        Recipient(version=version, organisation_id=organisation, named=name) for organisation, name in found.items()
    )
