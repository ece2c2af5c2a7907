"""Two at the same moment: each does one thing, and the outcome is one that could have come one after the other."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from agreements.actions import drafting, signing
from agreements.actions.expiry import update_all_states
from agreements.models import AgreementVersion, Signature, Via
from agreements.selectors import in_force
from agreements.transitions import AgreementState as S
from audit.models import Event
from consortia.actions import leave_consortium
from consortia.models import Participation
from tests.support.agreements import being_signed, parsed, proposed, signed_by
from tests.support.at_once import at_once
from tests.support.federation import TEST, Federation, make_federation

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def federation(transactional_db: None, blob_root: Path) -> Federation:
    """Three organisations with a silo each."""
    return make_federation(agreed=False)


def test_all_sign_at_once_and_the_agreement_comes_into_force_once(federation: Federation) -> None:
    version = being_signed(federation)
    upload_signed = [
        partial(signing.accept_signature, envelope=signed_by(version, one.signatory), by=one.silo, via=Via.CONNECTOR)
        for one in federation.silos
    ]
    assert at_once(*upload_signed, *upload_signed) == [""] * 6
    version.refresh_from_db()
    assert (version.state, Signature.objects.count()) == (S.IN_FORCE, 3)
    assert Event.objects.filter(verb="agreement.entered_into_force").count() == 1
    assert Event.objects.filter(verb="agreement.signed").count() == 3


def test_the_last_signs_while_another_leaves(federation: Federation) -> None:
    version = being_signed(federation)
    for played in federation.silos[:2]:
        signing.accept_signature(envelope=signed_by(version, played.signatory), by=played.silo, via=Via.CONNECTOR)
    last = federation.silos[2]
    place = Participation.objects.get(
        consortium=federation.consortium, organisation=federation.silos[1].silo.organisation
    )
    sealed = signed_by(version, last.signatory)
    at_once(
        partial(signing.accept_signature, envelope=sealed, by=last.silo, via=Via.CONNECTOR),
        partial(leave_consortium, participation=place, by=TEST),
    )
    version.refresh_from_db()
    assert version.state in {S.IN_FORCE, S.PROPOSED}
    assert (version.envelope is not None) == (version.state == S.IN_FORCE)
    assert in_force(federation.consortium) is None
    update_all_states(by=TEST)
    version.refresh_from_db()
    assert version.state in {S.SUSPENDED, S.PROPOSED}


def test_two_drafts_and_two_counter_proposals_at_once(federation: Federation) -> None:
    draft = partial(
        drafting.draft, consortium=federation.consortium, terms=parsed(federation), by=federation.administrator
    )
    assert sorted(at_once(draft, draft)) == ["", "agreement.overlapping"]
    assert AgreementVersion.objects.count() == 1
    AgreementVersion.objects.all().delete()
    version = proposed(federation)
    revise = [
        partial(
            drafting.revise,
            version=version,
            terms=parsed(federation, protection=[mode]),
            seen_digest=version.terms_digest,
            by=federation.administrator,
        )
        for mode in ("masked", "encrypted")
    ]
    assert sorted(at_once(*revise)) == ["", "agreement.changed_meanwhile"]
