"""The cohort's certificates: each silo's key must have its organisation's word, or the platform could invent silos."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

from federation.errors import FederationError
from federation.protocol.documents import CohortMember, SiloCertificate, verify_document
from federation.protocol.keys import PublicKey
from silo_connector.trainer.refusals import Refused

_KNOWN_MAX = 256
_Span = tuple[datetime, datetime]


class Certificates:
    """Verifies a cohort once for each manifest; that all are in time, at every order."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Span] = OrderedDict()

    def check(self, manifest_digest: str, cohort: Sequence[CohortMember], moment: datetime) -> None:
        """Raise Refused ``cohort.uncertified`` unless every silo of the manifest's cohort is certified now."""
        span = self._known.get(manifest_digest)
        if span is None:
            span = verified_span(cohort)
            self._known[manifest_digest] = span
            if len(self._known) > _KNOWN_MAX:
                self._known.popitem(last=False)
        if not span[0] <= moment < span[1]:
            raise Refused("cohort.uncertified", f"A certificate of the cohort holds from {span[0]} to {span[1]} only.")


def verified_span(cohort: Sequence[CohortMember]) -> _Span:
    """From when to when every certificate of a cohort holds. Raises Refused ``cohort.uncertified``."""
    if len({member.identity_key for member in cohort}) < len(cohort):
        raise Refused("cohort.uncertified", "Two silos of the cohort have the same identity key.")
    certificates = [_verified(member) for member in cohort]
    return max(found.not_before for found in certificates), min(found.not_after for found in certificates)


def _verified(member: CohortMember) -> SiloCertificate:
    if member.certificate is None:
        raise Refused("cohort.uncertified", f"Silo {member.silo_id} comes without a certificate.")
    try:
        signatory = PublicKey.from_encoded(member.signatory_key)
        certificate = verify_document(SiloCertificate, member.certificate.encode(), [signatory])
    except FederationError as error:
        raise Refused("cohort.uncertified", f"Silo {member.silo_id}: {error.message}") from error
    if (certificate.identity_key, certificate.signatory_key) != (member.identity_key, member.signatory_key):
        raise Refused("cohort.uncertified", f"The certificate of silo {member.silo_id} is of another key.")
    return certificate
