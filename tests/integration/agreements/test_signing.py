"""From terms to bytes that bind: what is taken as a signature, what is not, and what the last one does."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.actions import add_signatory_key, revoke_signatory_key
from accounts.models import SignatoryKey
from agreements import selectors
from agreements.actions import drafting, lifecycle, signing
from agreements.actions.expiry import update_all_states
from agreements.models import AgreementVersion, Approval, Signature, Via
from agreements.transitions import AgreementState as S
from audit.models import Event
from consortia.actions import leave_consortium
from consortia.models import Participation
from federation.agreements.signing import merge, open_agreement, sign
from federation.errors import FederationError
from federation.protocol import envelope
from federation.protocol.documents import Agreement
from federation.protocol.keys import PrivateKey
from tests.support.agreements import (
    agreed,
    being_signed,
    drafted,
    parsed,
    proposed,
    sign_all,
    signed_by,
    steward_of,
    terms_for,
    until,
)
from tests.support.federation import TEST, Federation, make_federation

pytestmark = pytest.mark.django_db


@pytest.fixture
def federation(db: None) -> Federation:
    """Three organisations with a silo each."""
    return make_federation(agreed=False)


def refused(code: str, work: Callable[[], object]) -> FederationError:
    """The error with this code that the work raises."""
    with pytest.raises(FederationError) as caught:
        work()
    assert caught.value.code == code
    return caught.value


def state_of(version: AgreementVersion) -> str:
    version.refresh_from_db()
    return version.state


def leave(federation: Federation, index: int) -> None:
    """One of the organisations leaves the consortium."""
    place = Participation.objects.get(
        consortium=federation.consortium, organisation=federation.silos[index].silo.organisation
    )
    leave_consortium(participation=place, by=TEST)


def test_the_last_signature_brings_a_version_into_force_and_each_is_written_down(federation: Federation) -> None:
    version = being_signed(federation)
    assert selectors.in_force(federation.consortium) is None
    states = []
    for played in federation.silos:
        taken = signing.accept_signature(
            envelope=signed_by(version, played.signatory), by=played.silo, via=Via.CONNECTOR
        )
        states.append((taken.version.state, len(taken.missing)))
    assert states == [(S.SIGNING, 2), (S.SIGNING, 1), (S.IN_FORCE, 0)]
    found = selectors.in_force(federation.consortium)
    assert found == version
    opened = open_agreement(selectors.complete_envelope(found))
    assert opened.complete
    assert opened.digest == found.digest
    assert opened.payload == bytes(found.payload or b"")
    assert opened.agreement.consortium_id == federation.consortium.id
    assert selectors.complete_envelopes([found.digest, "sha256:0"]) == {found.digest: bytes(found.envelope or b"")}
    verbs = list(Event.objects.filter(verb__startswith="agreement.").order_by("id").values_list("verb", flat=True))
    assert verbs == [
        "agreement.drafted",
        "agreement.proposed",
        "agreement.signing_opened",
        *["agreement.signed"] * 3,
        "agreement.entered_into_force",
    ]
    last = Event.objects.filter(verb="agreement.signed").latest("id")
    assert (last.actor_kind, last.actor_id) == ("silo", str(federation.silos[2].silo.id))
    assert last.detail["missing"] == []
    assert last.detail["digest"] == version.digest


def test_a_member_without_a_silo_submits_its_signature_by_its_steward(federation: Federation) -> None:
    version = being_signed(federation)
    played = federation.silos[1]
    steward = steward_of(played.silo.organisation)
    taken = signing.accept_signature(
        envelope=signed_by(version, played.signatory), version=version, by=steward, via=Via.BROWSER
    )
    assert taken.missing == (federation.silos[0].silo.organisation.name, federation.silos[2].silo.organisation.name)
    row = Signature.objects.get(version=version)
    assert (row.organisation, row.received_via) == (played.silo.organisation, "browser")


def test_the_same_signature_again_changes_nothing(federation: Federation) -> None:
    version = being_signed(federation)
    played = federation.silos[0]
    sealed = signed_by(version, played.signatory)
    for _ in range(2):
        signing.accept_signature(envelope=sealed, by=played.silo, via=Via.CONNECTOR)
    assert Signature.objects.count() == 1
    sign_all(federation, version)
    events = Event.objects.count()
    assert signing.accept_signature(envelope=sealed, by=played.silo, via=Via.CONNECTOR).version.state == S.IN_FORCE
    assert Event.objects.count() == events


def test_what_is_kept_of_an_envelope_is_the_own_signature_alone(federation: Federation) -> None:
    version = being_signed(federation)
    sealed = signed_by(version, federation.silos[0].signatory)
    both = json.loads(sign(sealed, federation.silos[1].signatory))
    both["signatures"].append({"keyid": PrivateKey.generate().public.key_id, "sig": "00" * 64})
    both["more"] = "x" * 100
    signing.accept_signature(envelope=json.dumps(both).encode(), by=federation.silos[0].silo, via=Via.CONNECTOR)
    kept = json.loads(bytes(Signature.objects.get().envelope))
    assert [entry["keyid"] for entry in kept["signatures"]] == [federation.silos[0].signatory.public.key_id]
    assert set(kept) == {"payload", "payloadType", "signatures"}


def test_a_signature_over_other_bytes_is_reported(federation: Federation) -> None:
    version = being_signed(federation)
    played = federation.silos[0]
    opened = open_agreement(selectors.document_of(version)).agreement
    other = opened.model_copy(update={"version": 7})
    sealed = envelope.sign(other.model_dump_json().encode(), Agreement.payload_type, played.signatory)
    steward = steward_of(played.silo.organisation)
    refused(
        "agreement.other_bytes",
        lambda: signing.accept_signature(envelope=sealed, version=version, by=steward, via=Via.API),
    )
    refused("agreement.not_found", lambda: signing.accept_signature(envelope=sealed, by=played.silo, via=Via.CONNECTOR))
    # the right bytes with a signature that was made over the others
    mixed = json.loads(selectors.document_of(version))
    mixed["signatures"] = json.loads(sealed)["signatures"]
    refused(
        "signature.invalid",
        lambda: signing.accept_signature(envelope=json.dumps(mixed).encode(), by=played.silo, via=Via.CONNECTOR),
    )
    refused("agreement.other_bytes", lambda: merge([selectors.document_of(version), sealed]))
    assert not Signature.objects.exists()


def test_a_signatory_without_mandate_is_reported(federation: Federation) -> None:
    version = being_signed(federation)
    first, second, _ = federation.silos
    of_second = signed_by(version, second.signatory)
    nobodys = merge(
        [
            selectors.document_of(version),
            envelope.sign(bytes(version.payload or b""), Agreement.payload_type, PrivateKey.generate()),
        ]
    )
    for sealed in (of_second, nobodys, selectors.document_of(version)):
        upload_signed = partial(signing.accept_signature, envelope=sealed, by=first.silo, via=Via.CONNECTOR)
        refused("agreement.no_mandate", upload_signed)
    refused(
        "agreement.no_mandate",
        lambda: signing.accept_signature(
            envelope=of_second, version=version, by=steward_of(first.silo.organisation), via=Via.BROWSER
        ),
    )
    assert not Signature.objects.exists()


def test_a_key_that_was_revoked_has_no_mandate(federation: Federation) -> None:
    version = being_signed(federation)
    played = federation.silos[0]
    sealed = signed_by(version, played.signatory)
    key = SignatoryKey.objects.get(key_id=played.signatory.public.key_id)
    revoke_signatory_key(signatory_key=key, by=TEST)
    add_signatory_key(organisation=played.silo.organisation, public_key=PrivateKey.generate().public, by=TEST)
    refused(
        "agreement.no_mandate", lambda: signing.accept_signature(envelope=sealed, by=played.silo, via=Via.CONNECTOR)
    )


@pytest.mark.parametrize("made", [drafted, proposed])
def test_what_is_not_open_for_signing_has_no_document(
    federation: Federation, made: Callable[[Federation], AgreementVersion]
) -> None:
    version = made(federation)
    refused("agreement.not_fixed", lambda: selectors.document_of(version))
    refused("agreement.unsigned", lambda: selectors.complete_envelope(version))


def test_an_amendment_supersedes_once_the_last_has_signed_it(federation: Federation) -> None:
    first = agreed(federation)
    second = being_signed(federation, protection=["clear", "masked"])
    assert (second.number, second.agreement_id) == (2, first.agreement_id)
    assert open_agreement(selectors.document_of(second)).agreement.supersedes == first.digest
    for played in federation.silos[:2]:
        signing.accept_signature(envelope=signed_by(second, played.signatory), by=played.silo, via=Via.CONNECTOR)
    assert selectors.in_force(federation.consortium) == first
    last = federation.silos[2]
    signing.accept_signature(envelope=signed_by(second, last.signatory), by=last.silo, via=Via.CONNECTOR)
    assert selectors.in_force(federation.consortium) == second
    assert (state_of(first), first.ended_at is not None) == (S.SUPERSEDED, True)
    assert selectors.complete_envelope(first)
    assert Event.objects.filter(verb="agreement.superseded", subject_id=str(first.id)).count() == 1


def test_overlapping_versions_are_reported_and_the_database_forbids_them(federation: Federation) -> None:
    version = drafted(federation)
    refused("agreement.overlapping", lambda: drafted(federation))
    row = {
        "consortium": federation.consortium,
        "agreement_id": version.agreement_id,
        "terms": {},
        "drafted_by": federation.administrator,
    }
    with pytest.raises(IntegrityError, match="agreement_one_open"), transaction.atomic():
        AgreementVersion.objects.create(**row, number=2)
    lifecycle.withdraw(version=version, by=federation.administrator)
    assert drafted(federation).number == 2


def test_a_member_that_leaves_in_the_middle_of_signing_opens_the_terms_again(federation: Federation) -> None:
    version = being_signed(federation)
    first, second, _ = federation.silos
    signing.accept_signature(envelope=signed_by(version, first.signatory), by=first.silo, via=Via.CONNECTOR)
    late = signed_by(version, second.signatory)
    leave(federation, 2)
    failure = refused(
        "agreement.not_signing", lambda: signing.accept_signature(envelope=late, by=second.silo, via=Via.CONNECTOR)
    )
    assert "open to changes again" in failure.message or "no such" in failure.message
    assert (state_of(version), version.reason_code, version.number) == (S.PROPOSED, "agreement.member_gone", 2)
    assert federation.silos[2].silo.organisation.name in version.reason_text
    assert version.reason == "", "no sentence of ours is kept"
    assert not Signature.objects.exists()
    event = Event.objects.get(verb="agreement.reopened")
    assert event.detail["thrown_away"] == [first.silo.organisation.name]
    assert event.actor_kind == "system"
    named = refused("agreement.members", lambda: lifecycle.open_signing(version=version, by=federation.administrator))
    assert list(named.fields) == ["terms.members.2.signatory_key"]


def test_the_sweep_finds_a_member_that_is_gone(federation: Federation) -> None:
    version = being_signed(federation)
    leave(federation, 1)
    update_all_states(by=TEST)
    assert state_of(version) == S.PROPOSED
    events = Event.objects.count()
    update_all_states(by=TEST)
    assert Event.objects.count() == events


@pytest.mark.parametrize("how", ["leaves", "revokes its key"])
def test_a_version_in_force_stops_at_once_when_a_member_is_gone(federation: Federation, how: str) -> None:
    version = agreed(federation)
    if how == "leaves":
        leave(federation, 1)
    else:
        key = SignatoryKey.objects.get(key_id=federation.silos[1].signatory.public.key_id)
        revoke_signatory_key(signatory_key=key, by=TEST)
    assert selectors.in_force(federation.consortium) is None  # before any sweep
    update_all_states(by=TEST)
    assert (state_of(version), version.reason_code) == (S.SUSPENDED, "agreement.member_gone")
    if how == "leaves":
        rest = Federation(
            federation.consortium,
            federation.administrator,
            federation.scientist,
            [federation.silos[0], federation.silos[2]],
        )
        amended = agreed(rest)
        assert state_of(version) == S.SUPERSEDED
        assert selectors.in_force(federation.consortium) == amended


def test_a_version_expires_at_its_end(federation: Federation) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    version = agreed(federation, validity=until(soon))
    AgreementVersion.objects.filter(pk=version.pk).update(not_after=datetime.now(UTC) - timedelta(seconds=1))
    assert selectors.in_force(federation.consortium) is None
    update_all_states(by=TEST)
    assert state_of(version) == S.EXPIRED
    assert drafted(federation).supersedes == version


def test_reopening_throws_the_signatures_away_and_says_so(federation: Federation) -> None:
    version = being_signed(federation)
    played = federation.silos[0]
    old = signed_by(version, played.signatory)
    signing.accept_signature(envelope=old, by=played.silo, via=Via.CONNECTOR)
    signing.approve(
        version=version,
        organisation=played.silo.organisation,
        seen_digest=version.digest,
        by=steward_of(played.silo.organisation),
    )
    digest = version.digest
    new = parsed(federation, protection=["masked"])
    reported = refused(
        "agreement.being_signed", lambda: drafting.revise(version=version, terms=new, by=played_by(played))
    )
    assert "so far 1" in reported.message
    drafting.revise(version=version, terms=new, note="masks", reopen=True, by=played_by(played))
    assert (state_of(version), version.number, version.digest) == (S.PROPOSED, 2, "")
    assert not Signature.objects.exists()
    assert not Approval.objects.exists()
    event = Event.objects.get(verb="agreement.reopened")
    assert (event.detail["thrown_away"], event.detail["digest"]) == ([played.silo.organisation.name], digest)
    lifecycle.open_signing(version=version, by=federation.administrator)
    refused("agreement.not_found", lambda: signing.accept_signature(envelope=old, by=played.silo, via=Via.CONNECTOR))


def played_by(played: Any) -> Any:
    return steward_of(played.silo.organisation)


def test_opening_says_what_stands_in_the_way_by_field(federation: Federation) -> None:
    version = proposed(
        federation,
        members=[{**m, "organisation": "X"} for m in terms_for(federation)["members"][:1]]
        + terms_for(federation)["members"][1:],
    )
    reported = refused(
        "agreement.members", lambda: lifecycle.open_signing(version=version, by=federation.administrator)
    )
    assert list(reported.fields) == ["terms.members.0.organisation"]
    refused(
        "agreement.changed_meanwhile",
        lambda: lifecycle.open_signing(version=version, seen_digest="sha256:other", by=federation.administrator),
    )


def test_an_approval_is_of_the_bytes_that_were_read(federation: Federation) -> None:
    version = being_signed(federation)
    member_organisation = federation.silos[0].silo.organisation
    steward = steward_of(member_organisation)

    def approve(digest: str) -> object:
        return signing.approve(version=version, organisation=member_organisation, seen_digest=digest, by=steward)

    refused("agreement.changed_meanwhile", lambda: approve("sha256:other"))
    approve(version.digest)
    refused("agreement.approved_already", lambda: approve(version.digest))
    row = selectors.parties(version)[0]
    assert [approval.user for approval in row.approvals] == [steward]
    assert row.signed_at is None


def test_nothing_is_signed_where_it_can_not_be_written_down(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = being_signed(federation)
    for played in federation.silos[:2]:
        signing.accept_signature(envelope=signed_by(version, played.signatory), by=played.silo, via=Via.CONNECTOR)
    last = federation.silos[2]
    sealed = signed_by(version, last.signatory)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the record is broken")

    with monkeypatch.context() as patch:
        patch.setattr("audit.actions.database.fetch", broken)
        with pytest.raises(RuntimeError):
            signing.accept_signature(envelope=sealed, by=last.silo, via=Via.CONNECTOR)
    assert (state_of(version), Signature.objects.count()) == (S.SIGNING, 2)
    signing.accept_signature(envelope=sealed, by=last.silo, via=Via.CONNECTOR)
    assert state_of(version) == S.IN_FORCE
