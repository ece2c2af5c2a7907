"""A signatory key that comes with an enrolment counts for nothing until an administrator has confirmed it."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from accounts.actions import add_signatory_key, revoke_signatory_key
from accounts.models import Organisation, SignatoryKey
from agreements.membership import check_members
from audit.models import Event
from federation.errors import Invalid
from federation.protocol.documents import Terms
from federation.protocol.keys import PrivateKey
from rest.errors import Conflict, Unprocessable
from silos import actions, tasks
from silos.models import EnrolmentCode, Silo
from silos.transitions import SiloState
from tests.support.agreements import terms_for
from tests.support.cohort import Cohort, browser
from tests.support.federation import TEST, certificate, statement
from tests.support.world import client_of, make_organisation

pytestmark = pytest.mark.django_db


class Presented:
    """A connector that presents itself as a new silo of an organisation, with a signatory key of its own."""

    def __init__(self, organisation: Organisation, name: str = "annexe", signatory: PrivateKey | None = None) -> None:
        self.identity, self.signatory = PrivateKey.generate(), signatory or PrivateKey.generate()
        self.organisation = organisation
        self.row = actions.create(organisation=organisation, name=name, by=TEST)
        self.present()

    def present(self) -> None:
        """With a new code."""
        code, _ = actions.issue_code(silo=self.row, by=organisation_administrator())
        actions.enrol(
            code=code,
            transport_key=PrivateKey.generate().public,
            statement=statement(self.identity, self.signatory),
            certificate=certificate(self.organisation.name, self.identity, self.signatory),
            by=TEST,
        )

    @property
    def silo(self) -> Silo:
        """As it is now."""
        return Silo.objects.get(id=self.row.id)

    def confirm(self, **changes: Any) -> Silo:
        """As its site reads the fingerprints out, but for these."""
        read = {
            "identity_fingerprint": self.identity.public.fingerprint,
            "signatory_fingerprint": self.signatory.public.fingerprint,
        }
        return actions.confirm(silo=self.silo, **{**read, **changes}, by=organisation_administrator())


def organisation_administrator() -> Any:
    from accounts.models import User

    return User.objects.get(email="admin@heart.example")


def keys_of(organisation: Organisation) -> list[tuple[str, str]]:
    return list(SignatoryKey.objects.filter(organisation=organisation).values_list("key_id", "state"))


def test_a_key_that_an_enrolment_brings_is_registered_only_with_the_confirmation(cohort: Cohort) -> None:
    home = cohort.elsewhere
    new = Presented(home)
    assert keys_of(home) == []
    reported = new.silo
    assert (reported.signatory, reported.signatory_key) == (new.signatory.public, None)

    with pytest.raises(Unprocessable) as missing:
        new.confirm(signatory_fingerprint="")
    assert missing.value.code == "silo.signatory_unconfirmed"
    with pytest.raises(Conflict) as other:
        new.confirm(signatory_fingerprint=PrivateKey.generate().public.fingerprint)
    assert other.value.code == "silo.signatory_mismatch"
    with pytest.raises(Conflict) as identity:
        new.confirm(identity_fingerprint=PrivateKey.generate().public.fingerprint)
    assert identity.value.code == "silo.fingerprint_mismatch"
    assert (keys_of(home), new.silo.state) == ([], SiloState.PRESENTED)

    spoken = new.signatory.public.fingerprint.replace(" ", "").upper()
    silo = new.confirm(signatory_fingerprint=spoken)
    assert (silo.state, silo.pending_signatory_key) == (SiloState.ACTIVE, None)
    assert keys_of(home) == [(new.signatory.public.key_id, "active")]
    presented, added, confirmed = (
        Event.objects.get(verb=verb, organisation_id=home.id)
        for verb in ("silo.presented", "signatory_key.added", "silo.confirmed")
    )
    assert presented.detail["signatory"] == confirmed.detail["signatory"] == new.signatory.public.key_id
    assert presented.detail["signatory_pending"]
    assert added.actor_id == str(organisation_administrator().pk)


def test_revoking_an_unconfirmed_silo_drops_its_key(cohort: Cohort) -> None:
    new = Presented(cohort.elsewhere)
    silo = actions.revoke(silo=new.silo, by=organisation_administrator())
    assert (silo.signatory, keys_of(cohort.elsewhere)) == (None, [])
    ended = Event.objects.get(verb="silo.revoked", organisation_id=cohort.elsewhere.id)
    assert ended.detail == {"signatory_dropped": new.signatory.public.key_id}
    # the organisation is as free as before: another key, brought by the same silo, can be confirmed
    new.signatory = PrivateKey.generate()
    new.present()
    new.confirm()
    assert keys_of(cohort.elsewhere) == [(new.signatory.public.key_id, "active")]


def test_an_unconfirmed_silo_expires_with_its_key(cohort: Cohort) -> None:
    new, waiting = Presented(cohort.elsewhere), Presented(cohort.elsewhere, "other")
    actions.issue_code(silo=new.silo, by=organisation_administrator())
    Silo.objects.filter(id=new.row.id).update(enrolled_at=timezone.now() - actions.UNCONFIRMED_FOR)
    with pytest.raises(Conflict) as late:
        new.confirm()
    assert late.value.code == "silo.presentation_expired"
    tasks.expire_unconfirmed()
    tasks.expire_unconfirmed()
    assert (new.silo.state, new.silo.signatory, waiting.silo.state) == (SiloState.REVOKED, None, SiloState.PRESENTED)
    assert keys_of(cohort.elsewhere) == []
    assert EnrolmentCode.objects.filter(silo=new.row, used_at=None, expires_at__gt=timezone.now()).count() == 0
    event = Event.objects.get(verb="silo.presentation_expired")
    assert (event.subject_id, event.detail) == (str(new.row.id), {"signatory_dropped": new.signatory.public.key_id})
    assert cohort.silo.state == SiloState.ACTIVE


def test_of_two_keys_that_wait_the_first_confirmed_counts(cohort: Cohort) -> None:
    first, second = Presented(cohort.elsewhere), Presented(cohort.elsewhere, "second")
    same = Presented(cohort.elsewhere, "same", first.signatory)
    first.confirm()
    with pytest.raises(Conflict) as refused:
        second.confirm()
    assert (refused.value.code, second.silo.state) == ("silo.signatory_replaced", SiloState.PRESENTED)
    assert same.confirm().signatory_key == first.silo.signatory_key
    assert keys_of(cohort.elsewhere) == [(first.signatory.public.key_id, "active")]
    with pytest.raises(Invalid) as unknown:
        Presented(cohort.elsewhere, "late")
    assert unknown.value.code == "certificate.unknown_signatory"


def test_one_key_is_never_two_organisations_key(cohort: Cohort) -> None:
    theirs = cohort.federation.silos[0].signatory
    with pytest.raises(Invalid) as known:
        Presented(cohort.elsewhere, signatory=theirs)
    assert known.value.code == "certificate.unknown_signatory"
    # both wait with the same key: anyone who is confirmed first has it
    new = Presented(cohort.elsewhere, "second")
    other = Presented(make_organisation("third"), "third", new.signatory)
    new.confirm()
    with pytest.raises(Conflict) as taken:
        other.confirm()
    assert (taken.value.code, other.silo.state) == ("signatory_key.known", SiloState.PRESENTED)
    assert keys_of(other.organisation) == []


def test_a_key_that_was_revoked_does_not_come_back_by_an_enrolment(cohort: Cohort) -> None:
    new = Presented(cohort.elsewhere)
    added = add_signatory_key(organisation=cohort.elsewhere, public_key=new.signatory.public, by=TEST)
    revoke_signatory_key(signatory_key=added, by=TEST)
    with pytest.raises(Conflict) as revoked:
        new.confirm()
    assert revoked.value.code == "signatory_key.known"
    assert new.silo.state == SiloState.PRESENTED


def test_a_registered_key_needs_no_second_word_and_is_compared_where_it_is_given(cohort: Cohort) -> None:
    new = Presented(cohort.silo.organisation, signatory=cohort.federation.silos[0].signatory)
    with pytest.raises(Conflict) as other:
        new.confirm(signatory_fingerprint=PrivateKey.generate().public.fingerprint)
    assert other.value.code == "silo.signatory_mismatch"
    assert new.confirm(signatory_fingerprint="").state == SiloState.ACTIVE


def test_a_silo_whose_registered_key_was_revoked_meanwhile_is_not_confirmed(cohort: Cohort) -> None:
    new = Presented(cohort.silo.organisation, signatory=cohort.federation.silos[0].signatory)
    revoke_signatory_key(signatory_key=SignatoryKey.objects.get(organisation=cohort.silo.organisation), by=TEST)
    with pytest.raises(Conflict) as gone:
        new.confirm()
    assert gone.value.code == "silo.signatory_replaced"


def test_an_agreement_can_not_name_a_pending_key(cohort: Cohort) -> None:
    home = cohort.federation.silos[1].silo.organisation
    revoke_signatory_key(signatory_key=SignatoryKey.objects.get(organisation=home), by=TEST)
    new = Presented(home)
    terms = terms_for(cohort.federation)
    old = cohort.federation.silos[1].signatory.public.encoded
    for part in (*terms["members"], *terms["datasets"]):
        part["signatory_key"] = part["signatory_key"].replace(old, new.signatory.public.encoded)
    with pytest.raises(Unprocessable) as nobody:
        check_members(cohort.federation.consortium.id, Terms.model_validate(terms))
    assert nobody.value.code == "agreement.members"
    new.confirm()
    check_members(cohort.federation.consortium.id, Terms.model_validate(terms))


def test_page_and_rest_show_both_fingerprints_and_ask_for_both(cohort: Cohort) -> None:
    new = Presented(cohort.elsewhere)
    administrator, path = cohort.outsider, f"/api/v1/silos/{new.row.id}/"
    body = client_of(administrator).get(path).json()
    assert body["signatory"]["fingerprint"] == new.signatory.public.fingerprint
    assert body["signatory_is_pending"]
    page = browser(administrator).get(f"/silos/{new.row.id}/").content.decode()
    for key in (new.identity, new.signatory):
        assert key.public.fingerprint in page
    assert 'name="signatory_fingerprint"' in page
    listed = f"/organisations/{cohort.elsewhere.id}/"
    assert new.signatory.public.fingerprint in browser(administrator).get(listed).content.decode()
    half = {"identity_fingerprint": new.identity.public.fingerprint}
    answer = browser(administrator).post(f"/silos/{new.row.id}/confirm/", half)
    assert answer.context["confirmation_form"].errors.keys() == {"signatory_fingerprint"}
    by_rest = client_of(administrator).post(f"{path}confirm/", half, format="json")
    assert (by_rest.status_code, by_rest.json()["code"]) == (422, "silo.signatory_unconfirmed")
    whole = {**half, "signatory_fingerprint": new.signatory.public.fingerprint}
    # who is of another organisation confirms nothing, and learns nothing
    stranger = client_of(cohort.administrator).post(f"{path}confirm/", whole, format="json")
    assert (stranger.status_code, stranger.json()["code"]) == (404, "silo.not_found")
    confirmed = client_of(administrator).post(f"{path}confirm/", whole, format="json").json()
    assert (confirmed["state"], confirmed["signatory_is_pending"]) == ("active", False)


def test_keys_that_were_taken_unconfirmed_before_go_back_to_pending(cohort: Cohort) -> None:
    new, home = Presented(cohort.elsewhere), cohort.elsewhere
    key = SignatoryKey.objects.create(
        organisation=home, public_key=new.signatory.public.raw, key_id=new.signatory.public.key_id
    )
    Silo.objects.filter(id=new.row.id).update(pending_signatory_key=None, signatory_key=key)
    SignatoryKey.objects.update(added_by=None, added_at=timezone.now() - timedelta(days=1))
    before = set(SignatoryKey.objects.exclude(id=key.id))
    import_module("silos.migrations.0006_pending_signatory").take_back_unconfirmed(apps, None)
    assert (new.silo.signatory, new.silo.signatory_key) == (new.signatory.public, None)
    assert set(SignatoryKey.objects.all()) == before
