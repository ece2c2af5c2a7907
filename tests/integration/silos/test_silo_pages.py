"""The pages of silos and datasets: enrolment from the code to the confirmation, health, orders, withdrawal."""

from __future__ import annotations

import re
import shlex
import tomllib

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from audit.models import Event
from demo.services import ROOT
from federation.protocol.keys import PrivateKey
from silos import actions, datasets, enrolment, selectors
from silos.health import note_heartbeat
from silos.models import Silo
from silos.transitions import SiloState
from tests.support.cohort import Cohort, browser, present, run_job
from tests.support.federation import TEST, certificate, registration, statement, withdrawal

pytestmark = pytest.mark.django_db


def test_a_silo_from_its_name_to_its_confirmation(cohort: Cohort) -> None:
    it, administrator = browser(cohort.it), browser(cohort.administrator)
    home = cohort.silo.organisation
    assert it.get("/silos/new/").status_code == 200
    made = it.post("/silos/new/", {"organisation": home.id, "name": "annexe"})
    silo = Silo.objects.get(name="annexe")
    assert made["Location"] == f"/silos/{silo.id}/"

    shown = it.post(f"/silos/{silo.id}/code/")
    code = re.search(r"[A-Z2-9]{5}(-[A-Z2-9]{5}){4}", shown.content.decode())
    assert code is not None
    assert "no-store" in shown["Cache-Control"]
    assert f"silo-connector enrol --config connector.toml --code {code[0]}" in shown.content.decode()
    assert code[0] not in it.get(f"/silos/{silo.id}/").content.decode()

    identity, transport, signatory = PrivateKey.generate(), PrivateKey.generate(), cohort.federation.silos[0].signatory
    actions.enrol(
        code=code[0],
        transport_key=transport.public,
        statement=statement(identity, signatory),
        certificate=certificate(home.name, identity, signatory),
        by=TEST,
    )
    assert "Is this your connector?" not in it.get(f"/silos/{silo.id}/").content.decode()
    page = administrator.get(f"/silos/{silo.id}/").content.decode()
    assert identity.public.fingerprint in page
    assert "Is this your connector?" in page

    other = PrivateKey.generate().public.fingerprint
    response = administrator.post(f"/silos/{silo.id}/confirm/", {"identity_fingerprint": other}, follow=True)
    assert "not the fingerprint of the key that has presented itself" in response.content.decode()
    silo.refresh_from_db()
    assert silo.state == SiloState.PRESENTED
    spoken = identity.public.fingerprint.replace(" ", "").upper()
    administrator.post(f"/silos/{silo.id}/confirm/", {"identity_fingerprint": spoken})
    silo.refresh_from_db()
    assert silo.state == SiloState.ACTIVE
    verbs = list(Event.objects.filter(subject_id=str(silo.id)).order_by("id").values_list("verb", flat=True))
    assert verbs == ["silo.created", "silo.code_issued", "silo.presented", "silo.confirmed"]


def test_a_page_that_waits_is_sent_on_when_the_silo_gets_on(cohort: Cohort) -> None:
    silo = actions.create(organisation=cohort.silo.organisation, name="annexe", by=cohort.it)
    it = browser(cohort.it)
    shown = it.post(f"/silos/{silo.id}/code/")
    waits = f"/silos/{silo.id}/progress/?mark={shown.context['mark']}"
    assert f'hx-get="{waits}"' in shown.content.decode()
    assert "HX-Redirect" not in it.get(waits).headers
    assert Client().get(waits).status_code == 302
    assert browser(cohort.outsider).get(waits).status_code == 404
    assert "made one" in browser(cohort.administrator).get(f"/silos/{silo.id}/").content.decode()
    Silo.objects.filter(pk=silo.pk).update(
        state=SiloState.PRESENTED,
        identity_key=PrivateKey.generate().public.raw,
        transport_key=PrivateKey.generate().public.raw,
        enrolled_at=timezone.now(),
    )
    assert it.get(waits)["HX-Redirect"] == f"/silos/{silo.id}/"
    assert "For the confirmation." in it.get(f"/silos/{silo.id}/").content.decode()


def test_what_is_copied_to_the_premises_is_whole(cohort: Cohort) -> None:
    organisation = cohort.silo.organisation
    type(organisation).objects.filter(pk=organisation.pk).update(name='O"Brien & $(Sons)')
    silo = actions.create(organisation=organisation, name="the annexe", by=cohort.it)
    silo.organisation.refresh_from_db()
    texts = enrolment.texts_for(silo, "ABCDE-FGHJK")
    reported = tomllib.loads(texts.configuration)
    assert reported["platform_url"] == settings.PUBLIC_URL
    assert reported["platform_key"] == selectors.platform_keys()[0].fingerprint
    assert shlex.split(texts.signatory)[4] == 'O"Brien & $(Sons)'
    for commands in (texts.in_containers, texts.without_containers):
        assert "enrol --config connector.toml --code ABCDE-FGHJK\n" in commands
    again = enrolment.texts_for(cohort.silo, "ABCDE-FGHJK")
    assert ("--again" in again.without_containers) is (cohort.silo.enrolled_at is not None)
    assert texts.compose == (ROOT / "silo_connector" / "docker-compose.yml").read_text()
    page = browser(cohort.it).get(f"/silos/{silo.id}/").content.decode()
    assert "THE-CODE" in page
    assert "THE-CODE" not in browser(cohort.neighbour).get(f"/silos/{silo.id}/").content.decode()


def test_a_wrong_fingerprint_stays_in_the_field(cohort: Cohort) -> None:
    silo = present(cohort)
    other = PrivateKey.generate().public.fingerprint
    reported = browser(cohort.administrator).post(f"/silos/{silo.id}/confirm/", {"identity_fingerprint": other})
    assert reported.status_code == 422
    assert "identity_fingerprint" in reported.context["confirmation_form"].errors
    assert f'value="{other}"' in reported.content.decode()


def test_a_silo_that_works_shows_how_it_does(
    cohort: Cohort, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    run_job(cohort, rounds_answered=1)
    note_heartbeat(by=cohort.silo, report={"disk_free_bytes": 5_000_000_000, "clock_skew_s": 0.25})
    client, path = browser(cohort.it), f"/silos/{cohort.silo.id}/"
    with django_assert_max_num_queries(16):
        page = client.get(path).content.decode()
    assert "not reported" in page
    assert "Enrol again" not in page
    shown = client.post(f"{path}code/").content.decode()
    assert "Enrol again" in shown
    assert cohort.silo.name in client.get("/silos/").content.decode()


def test_a_name_that_is_taken_is_reported(cohort: Cohort) -> None:
    reported = browser(cohort.it).post(
        "/silos/new/", {"organisation": cohort.silo.organisation_id, "name": cohort.silo.name}, follow=True
    )
    assert "has a silo of that name already" in reported.content.decode()
    elsewhere = browser(cohort.it).post("/silos/new/", {"organisation": cohort.elsewhere.id, "name": "mine now"})
    assert elsewhere.status_code == 422
    assert not Silo.objects.filter(name="mine now").exists()


def test_revoking_a_silo_asks_for_confirmation(cohort: Cohort) -> None:
    client, path = browser(cohort.steward), f"/silos/{cohort.silo.id}/revoke/"
    assert "Revoke" in client.get(path).content.decode()
    cohort.silo.refresh_from_db()
    assert cohort.silo.state == SiloState.ACTIVE
    client.post(path)
    cohort.silo.refresh_from_db()
    assert cohort.silo.state == SiloState.REVOKED


def test_each_role_sees_only_its_silos(cohort: Cohort) -> None:
    run_job(cohort, rounds_answered=1)
    note_heartbeat(by=cohort.silo, report={"disk_free_bytes": 5_000_000_000, "clock_skew_s": 0.25})
    path = f"/silos/{cohort.silo.id}/"
    own, neighbour = browser(cohort.it).get(path), browser(cohort.neighbour).get(path)
    assert "Free disk" in own.content.decode()
    assert "Free disk" not in neighbour.content.decode()
    for page in (own, neighbour):
        assert "online" in page.content.decode()
        assert "Heart disease" in page.content.decode()
        assert len(page.context["orders"]) == 2
    assert "Make an enrolment code" not in neighbour.content.decode()
    assert cohort.silo.name in browser(cohort.neighbour).get("/silos/").content.decode()
    assert cohort.silo.name not in browser(cohort.outsider).get("/silos/").content.decode()


def test_who_may_not_is_informed(cohort: Cohort) -> None:
    silo, dataset = cohort.silo.id, cohort.dataset.id
    for path in (
        f"/silos/{silo}/",
        f"/silos/{silo}/revoke/",
        f"/datasets/{dataset}/",
        f"/datasets/{dataset}/withdraw/",
    ):
        assert browser(cohort.outsider).get(path).status_code == 404, path
        assert Client().get(path).status_code == 302, path
    for path in (f"/silos/{silo}/code/", f"/silos/{silo}/confirm/", f"/silos/{silo}/revoke/"):
        assert browser(cohort.neighbour).post(path).status_code == 403, path
    assert browser(cohort.it).post(f"/silos/{silo}/confirm/").status_code == 403
    for path in (f"/datasets/{dataset}/withdraw/", f"/datasets/{dataset}/offer/"):
        assert browser(cohort.outsider).post(path).status_code == 404, path
        assert browser(cohort.it).post(path).status_code == 403, path
    assert browser(cohort.neighbour).get("/silos/new/").status_code == 403


def test_a_dataset_is_shown_as_it_was_declared(cohort: Cohort) -> None:
    client = browser(cohort.neighbour)
    assert "Heart disease, Cleveland" in client.get("/datasets/").content.decode()
    consortium = cohort.federation.consortium.id
    assert "Heart disease, Cleveland" in client.get(f"/datasets/?consortium={consortium}").content.decode()
    page = client.get(f"/datasets/{cohort.dataset.id}/").content.decode()
    assert "one_hot" in page
    assert "train fraction 0.66" in page
    assert "healthy, ill" in page
    assert "Withdraw…" not in page


def test_datasets_are_looked_for(cohort: Cohort) -> None:
    client, withdrawn = browser(cohort.steward), cohort.dataset

    def listed(query: str) -> int:
        return len(client.get(f"/datasets/?{query}").context["page"].object_list)

    everything = len(cohort.federation.silos)
    assert listed("") == listed(f"schema={withdrawn.schema_digest[7:15]}") == everything
    assert listed(f"q={withdrawn.silo.name.upper()}") == 1
    assert listed("q=nothing-like-it") == listed("schema=ffffffffffff") == 0
    datasets.withdraw(dataset=withdrawn, by=cohort.steward)
    assert (listed(""), listed("withdrawn=on")) == (everything - 1, everything)
    assert client.get("/datasets/?consortium=nonsense").status_code == 404
    assert len(browser(cohort.outsider).get("/datasets/").context["page"].object_list) == 0


def test_a_dataset_shows_who_may_train_on_it_and_what_did(
    cohort: Cohort, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    job = run_job(cohort, rounds_answered=1)
    client, path = browser(cohort.neighbour), f"/datasets/{cohort.dataset.id}/"
    with django_assert_max_num_queries(20):
        shown = client.get(path)
    page = shown.content.decode()
    assert f"/jobs/{job.id}/" in page
    assert f"/consortia/{cohort.federation.consortium.id}/" in page
    assert len(shown.context["alike"]) == len(cohort.federation.silos) - 1
    datasets.withdraw(dataset=cohort.dataset, by=cohort.steward)
    assert "Nobody: it is withdrawn." in client.get(path).content.decode()


def test_a_withdrawn_dataset_is_offered_no_more(cohort: Cohort) -> None:
    client, path = browser(cohort.steward), f"/datasets/{cohort.dataset.id}/withdraw/"
    assert client.get(path).status_code == 200
    client.post(path)
    again = client.post(path, follow=True)
    assert "has been withdrawn already" in again.content.decode()
    assert str(cohort.dataset.id) not in client.get("/datasets/").content.decode()
    launch = browser(cohort.scientist).get(f"/consortia/{cohort.federation.consortium.id}/launch/").content.decode()
    assert str(cohort.dataset.id) not in launch


def test_a_withdrawn_dataset_is_offered_again_with_a_button(cohort: Cohort) -> None:
    client, page = browser(cohort.steward), f"/datasets/{cohort.dataset.id}/"
    assert "Offer again" not in client.get(page).content.decode()
    client.post(f"{page}withdraw/")
    assert "Offer again" in client.get(page).content.decode()
    assert "Offer again" not in browser(cohort.it).get(page).content.decode()
    text = client.post(f"{page}offer/", follow=True).content.decode()
    assert "is on offer again" in text
    assert "Offer again" not in text
    assert str(cohort.dataset.id) in client.get("/datasets/").content.decode()
    assert "isn&#x27;t withdrawn" in client.post(f"{page}offer/", follow=True).content.decode()


def test_a_dataset_that_its_silo_withdrew_is_not_for_a_person_to_offer(cohort: Cohort) -> None:
    client, page = browser(cohort.steward), f"/datasets/{cohort.dataset.id}/"
    datasets.accept_withdrawal(withdrawal=withdrawal(cohort.federation.silos[0]), by=cohort.silo)
    shown = client.get(page).content.decode()
    assert "withdrawn by the silo" in shown
    assert "Offer again" not in shown
    assert "Withdraw…" in shown
    assert "declares this dataset no longer" in client.post(f"{page}offer/", follow=True).content.decode()


def test_a_dataset_that_grew_tenfold_waits_for_its_own_steward(cohort: Cohort) -> None:
    page = f"/datasets/{cohort.dataset.id}/"
    large = registration(cohort.federation.silos[0], 12000)
    datasets.register(registration=large, by=cohort.silo)
    for user in (cohort.neighbour, cohort.administrator, cohort.scientist):
        shown = browser(user).get(page).content.decode()
        assert "registered about 12,000 rows" in shown, "who trains with it sees it"
        assert "Confirm about" not in shown
        assert browser(user).post(f"{page}rows/", {"rows_coarse": "12000"}).status_code == 403
        assert "registered about" not in browser(user).get("/").content.decode()
    assert browser(cohort.outsider).get(page).status_code == 404
    assert browser(cohort.outsider).post(f"{page}rows/", {"rows_coarse": "12000"}).status_code == 404
    client = browser(cohort.steward)
    assert "registered about 12,000 rows, 300 count" in client.get("/").content.decode()
    assert "12,000 rows to be confirmed" in client.get("/datasets/").content.decode()
    assert "Confirm about 12,000 rows" in client.get(page).content.decode()
    text = client.post(f"{page}rows/", {"rows_coarse": "1200"}, follow=True).content.decode()
    assert "has registered another number of rows since" in text
    text = client.post(f"{page}rows/", {"rows_coarse": "12000"}, follow=True).content.decode()
    assert "count in jobs that begin from now on" in text
    assert "Confirm about" not in text
    assert "registered about" not in client.get("/").content.decode()
