"""When a dataset is on offer: what a silo registers, what it withdraws itself, and what people decide."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from audit.models import Event
from federation.errors import FederationError, Invalid
from federation.protocol import documents, envelope
from federation.protocol.envelope import payload_unverified
from federation.protocol.keys import PrivateKey
from silos import datasets, growth
from silos.models import Dataset
from silos.selectors import declaration_of
from tests.support.cohort import Cohort, browser
from tests.support.federation import PlayedSilo, make_federation, registration, withdrawal
from training.launch.actions import launch

pytestmark = pytest.mark.django_db


@pytest.fixture
def played(cohort: Cohort) -> PlayedSilo:
    return cohort.federation.silos[0]


def now_of(cohort: Cohort) -> Dataset:
    return Dataset.objects.get(id=cohort.dataset.id)


def register(played: PlayedSilo, **changes: Any) -> Dataset:
    return datasets.register(registration=registration(played, **changes), by=played.silo)


def take_withdrawal(played: PlayedSilo, **changes: Any) -> Dataset | None:
    return datasets.accept_withdrawal(withdrawal=withdrawal(played, **changes), by=played.silo)


def registration_at(played: PlayedSilo, at: datetime) -> bytes:
    document = documents.read(documents.DatasetRegistration, payload_unverified(registration(played)))
    return documents.sign_document(document.model_copy(update={"registered_at": at}), played.identity)


def last_event(verb: str) -> Event:
    return Event.objects.filter(verb=verb).latest("id")


def test_a_registration_does_not_undo_a_persons_withdrawal(cohort: Cohort, played: PlayedSilo) -> None:
    withdrawn = datasets.withdraw(dataset=cohort.dataset, by=cohort.steward)
    register(played, title="A better title")
    dataset = now_of(cohort)
    assert dataset.title == "A better title"
    assert dataset.withdrawn_at == withdrawn.withdrawn_at
    assert last_event("dataset.registered").detail["offered"] is False


def test_a_person_offers_it_again(cohort: Cohort) -> None:
    datasets.withdraw(dataset=cohort.dataset, by=cohort.steward)
    datasets.offer_again(dataset=cohort.dataset, by=cohort.administrator)
    assert now_of(cohort).withdrawn_at is None
    event = last_event("dataset.offered")
    assert (event.subject_id, event.actor_id) == (str(cohort.dataset.id), cohort.administrator.actor_id)
    with pytest.raises(FederationError) as caught:
        datasets.offer_again(dataset=cohort.dataset, by=cohort.administrator)
    assert caught.value.code == "dataset.not_withdrawn"


def test_a_silo_withdraws_what_it_declares_no_longer_and_offers_it_again(cohort: Cohort, played: PlayedSilo) -> None:
    assert take_withdrawal(played) == cohort.dataset
    dataset = now_of(cohort)
    assert dataset.withdrawn_at is not None
    assert dataset.withdrawn_by_silo
    event = last_event("dataset.withdrawn")
    assert (event.actor_kind, event.actor_id) == ("silo", str(played.silo.id))
    assert event.detail["by_silo"] is True
    register(played)
    dataset = now_of(cohort)
    assert (dataset.withdrawn_at, dataset.withdrawn_by_silo) == (None, False)
    assert last_event("dataset.registered").detail["offered"] is True


def test_the_same_withdrawal_again_changes_nothing(cohort: Cohort, played: PlayedSilo) -> None:
    document = withdrawal(played)
    for _ in range(2):
        datasets.accept_withdrawal(withdrawal=document, by=played.silo)
    assert Event.objects.filter(verb="dataset.withdrawn").count() == 1


def test_what_a_person_has_withdrawn_stays_withdrawn_whatever_the_silo_declares(
    cohort: Cohort, played: PlayedSilo
) -> None:
    datasets.withdraw(dataset=cohort.dataset, by=cohort.steward)
    take_withdrawal(played)
    register(played)
    dataset = now_of(cohort)
    assert dataset.withdrawn_at is not None
    assert not dataset.withdrawn_by_silo


def test_a_person_can_make_the_silos_withdrawal_stay_but_not_undo_it(cohort: Cohort, played: PlayedSilo) -> None:
    take_withdrawal(played)
    with pytest.raises(FederationError) as caught:
        datasets.offer_again(dataset=cohort.dataset, by=cohort.steward)
    assert caught.value.code == "dataset.withdrawn_by_silo"
    datasets.withdraw(dataset=cohort.dataset, by=cohort.steward)
    register(played)
    assert now_of(cohort).withdrawn_at is not None


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
@pytest.mark.parametrize("words", ["RWRW", "WRWR"])
def test_the_last_verdict_that_was_signed_holds_in_whatever_order_they_come(
    cohort: Cohort, played: PlayedSilo, words: str, order: tuple[int, ...]
) -> None:
    """A relay that was away sends all that waits at once."""
    start = documents.now()
    for place in order:
        at = start + timedelta(seconds=place)
        if words[place] == "W":
            take_withdrawal(played, withdrawn_at=at)
        else:
            datasets.register(registration=registration_at(played, at), by=played.silo)
    dataset = now_of(cohort)
    assert dataset.withdrawn_by_silo == (words[-1] == "W")
    assert (dataset.withdrawn_at is not None) == dataset.withdrawn_by_silo


def test_a_dataset_that_nobody_knows_is_none(played: PlayedSilo) -> None:
    assert take_withdrawal(played, name="never-registered") is None
    assert not Event.objects.filter(verb="dataset.withdrawn").exists()


def test_only_the_silo_itself_withdraws_its_dataset(cohort: Cohort, played: PlayedSilo) -> None:
    other = cohort.federation.silos[1]
    with pytest.raises(FederationError) as caught:
        datasets.accept_withdrawal(withdrawal=withdrawal(other), by=played.silo)
    assert caught.value.code == "signature.invalid"
    with pytest.raises(FederationError) as caught:
        take_withdrawal(played, silo_id=other.silo.id)
    assert caught.value.code == "dataset.other_silo"
    played.identity = PrivateKey.generate()
    with pytest.raises(FederationError) as caught:
        take_withdrawal(played)
    assert caught.value.code == "signature.invalid"
    assert now_of(cohort).withdrawn_at is None


def figures_of(cohort: Cohort) -> tuple[int, int, int | None]:
    dataset = now_of(cohort)
    return dataset.rows_coarse, dataset.rows_confirmed, dataset.rows_pending


def grow(played: PlayedSilo, rows: int) -> Dataset:
    return datasets.register(registration=registration(played, rows), by=played.silo)


def test_a_dataset_that_grows_tenfold_counts_as_before_until_a_steward_confirms(
    cohort: Cohort, played: PlayedSilo
) -> None:
    grow(played, 2900)
    assert figures_of(cohort) == (2900, 300, None), "less than tenfold counts at once"
    grow(played, 29000)
    assert figures_of(cohort) == (2900, 300, 29000), "also in steps that are small enough one by one"
    grew = last_event("dataset.grew")
    assert (grew.actor_id, grew.detail["before"], grew.detail["rows"]) == (str(played.silo.id), 300, 29000)
    with pytest.raises(FederationError) as caught:
        growth.confirm_rows(dataset=cohort.dataset, rows_coarse=3000, by=cohort.steward)
    assert caught.value.code == "dataset.rows_changed"
    growth.confirm_rows(dataset=cohort.dataset, rows_coarse=29000, by=cohort.steward)
    assert figures_of(cohort) == (29000, 29000, None)
    confirmed = last_event("dataset.rows_confirmed")
    assert (confirmed.actor_id, confirmed.detail["before"]) == (cohort.steward.actor_id, 2900)
    with pytest.raises(FederationError) as caught:
        growth.confirm_rows(dataset=cohort.dataset, rows_coarse=29000, by=cohort.steward)
    assert caught.value.code == "dataset.rows_not_pending"
    grow(played, 280000)
    assert figures_of(cohort) == (280000, 29000, None)


def test_growth_that_is_taken_back_waits_no_more_and_a_shrunken_dataset_may_come_back(
    cohort: Cohort, played: PlayedSilo
) -> None:
    grow(played, 9 * 10**9)
    assert figures_of(cohort)[0] == 300
    grow(played, 50)
    assert figures_of(cohort) == (50, 300, None)
    take_withdrawal(played)
    grow(played, 2000)
    assert figures_of(cohort) == (2000, 300, None)


def test_the_same_growth_again_is_reported_once(cohort: Cohort, played: PlayedSilo) -> None:
    for title in ("One", "Another"):
        datasets.register(registration=registration(played, 5000, title=title), by=played.silo)
    assert Event.objects.filter(verb="dataset.grew").count() == 1


def test_rows_are_reported_coarsely_or_not_at_all(played: PlayedSilo) -> None:
    with pytest.raises(FederationError) as caught:
        grow(played, 12345)
    assert caught.value.code == "dataset.rows_coarse"


def test_what_a_trainer_signs_of_its_network_is_seen_by_members(cohort: Cohort, played: PlayedSilo) -> None:
    register(played, network="none")
    register(played, network="allowed")
    register(played, network="allowed")
    events = [event.detail["network"] for event in Event.objects.filter(verb="silo.network_stated").order_by("id")]
    assert events == ["none", "allowed"], "once each"
    client = browser(cohort.neighbour)
    assert client.get(f"/api/v1/silos/{played.silo.id}/").json()["trainer_network"] == "allowed"
    assert "--allow-network" in client.get(f"/silos/{played.silo.id}/").content.decode()


def test_members_see_at_a_job_which_trainer_has_a_network_and_an_agreement_may_forbid_it() -> None:
    federation = make_federation(agreed=False)
    work = documents.Terms.model_validate(federation.agree().terms).training_limits
    first = federation.silos[0]
    datasets.register(registration=registration(first, network="allowed"), by=first.silo)
    job = launch(consortium=federation.consortium, request=federation.request(), by=federation.scientist)
    page = browser(federation.scientist).get(f"/jobs/{job.id}/").content.decode()
    assert page.count("trainer with a network") == 1
    other = make_federation(name="other", agreed=False)
    other.agree(training_limits=work.model_copy(update={"trainer_network": "forbidden"}))
    one = other.silos[0]
    datasets.register(registration=registration(one, network="allowed"), by=one.silo)
    with pytest.raises(Invalid) as caught:
        launch(consortium=other.consortium, request=other.request(), by=other.scientist)
    assert caught.value.code == "agreement.trainer_network"


def test_what_a_later_connector_declares_besides_breaks_no_page_and_no_launch(
    cohort: Cohort, played: PlayedSilo
) -> None:
    """A field of a later minor version is read over; were it kept, one silo could break the pages of all."""
    body = json.loads(payload_unverified(registration(played)))
    body |= {"protocol": "1.9", "licence": "none"}
    body["declaration"] |= {"steward": "Berta"}
    body["declaration"]["columns"][0] |= {"sensitive": True}
    body["declaration"]["steps"][0] |= {"reason": "as always"}
    payload_type = documents.DatasetRegistration.payload_type
    sealed = envelope.sign(json.dumps(body).encode(), payload_type, played.identity)
    dataset = datasets.register(registration=sealed, by=played.silo)
    assert bytes(dataset.registration) == sealed
    assert declaration_of(dataset).schema_digest == dataset.schema_digest
    assert browser(cohort.steward).get(f"/datasets/{dataset.id}/").status_code == 200
    launched = launch(
        consortium=cohort.federation.consortium, request=cohort.federation.request(), by=cohort.federation.scientist
    )
    assert launched.state == "queued"
