"""What an agreement says of how long things are kept, and of models when a member leaves, is carried out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actions import grant_role
from accounts.permissions import Role
from artefacts import store
from audit.models import Event
from consortia.actions import leave_consortium
from consortia.models import Participation
from federation.errors import Invalid
from federation.protocol.documents import AmendmentTerms, DisclosureTerms, Retention
from realtime import database
from registry.models import Model
from registry.retirement import due_to_be_retired
from tests.support.cohort import browser
from tests.support.deletions import delete_what_has_served
from tests.support.federation import TEST, Federation, make_federation
from tests.support.world import person
from training.engine import answers, closing, housekeeping, start
from training.launch.actions import launch
from training.models import Job, Order, Step
from training.transitions import OUTSTANDING, JobState

pytestmark = pytest.mark.django_db
LEAVING = DisclosureTerms(metrics=("loss", "accuracy"), minimum_cell=1)
RETIRED = AmendmentTerms(on_leaving="models_retired")


def under(**terms: Any) -> Federation:
    """A federation under such terms."""
    federation = make_federation(agreed=False)
    federation.agree(**{"disclosure": LEAVING, **terms})
    return federation


def begun(federation: Federation, rounds: int = 2, **request: Any) -> Job:
    """A job that has opened its first round."""
    asked = federation.request(rounds=rounds, **request)
    job = launch(consortium=federation.consortium, request=asked, by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return job


def go_on(federation: Federation, job: Job) -> list[str]:
    """Have every silo answer what is open, and close it; the digests of the updates."""
    orders = list(Order.objects.filter(step__round__job=job, state__in=OUTSTANDING))
    for place, order in enumerate(orders):
        played = federation.played(order.silo_id)
        answers.answer(document=played.train(order, order.round.number + place / 8), by=played.silo)
    closing.close_step(step_id=orders[0].round_step.id, by=TEST)
    job.refresh_from_db()
    answered = Order.objects.filter(id__in=[order.id for order in orders]).select_related("submission")
    return [payload.digest for order in answered for payload in order.payloads.all()]


def completed(federation: Federation) -> tuple[Job, Model]:
    """A job at its end, and its model."""
    job = begun(federation)
    while job.state == JobState.RUNNING:
        go_on(federation, job)
    assert (job.state, job.model is not None) == (JobState.COMPLETED, True)
    assert job.model is not None
    return job, job.model


def leave(federation: Federation, place: int = 2) -> None:
    """One of the members leaves the consortium."""
    organisation = federation.silos[place].silo.organisation
    leave_consortium(
        participation=Participation.objects.get(consortium=federation.consortium, organisation=organisation), by=TEST
    )


def download(federation: Federation, model: Model) -> tuple[int, str]:
    """The answer to a request for the last version."""
    final = model.versions.order_by("-round_number")[0]
    answer: Any = browser(federation.scientist).get(f"/api/v1/model-versions/{final.id}/download/")
    for close in answer._resource_closers:  # its own `close` would end the connection to the database
        close()
    return answer.status_code, answer.json()["code"] if answer.status_code != 200 else ""


def evaluation(federation: Federation, model: Model) -> dict[str, Any]:
    """A request to try the last version."""
    final = model.versions.order_by("-round_number")[0]
    asked = federation.request(task="evaluate", model_version=str(final.id))
    return {name: value for name, value in asked.items() if name not in ("model", "strategy", "local", "rounds")}


def try_it(federation: Federation, model: Model) -> Job:
    """Launch a job that evaluates the last version."""
    asked = evaluation(federation, model)
    return launch(consortium=federation.consortium, request=asked, by=federation.scientist)


def reported(verb: str) -> list[dict[str, Any]]:
    """What events of this verb report."""
    return list(Event.objects.filter(verb=verb).values_list("detail", flat=True))


def test_updates_are_kept_for_as_many_rounds_as_the_agreement_says() -> None:
    federation = under(retention=Retention(updates_rounds=2))
    job, digests = begun(federation, rounds=4), []
    kept_after = []
    for _number in (1, 2, 3):
        digests.append(go_on(federation, job))
        housekeeping.delete_updates(by=TEST)
        kept_after.append([store.size_bytes(of_round[0]) is not None for of_round in digests])
    assert kept_after == [[True], [True, True], [False, True, True]]
    assert [one["round"] for one in reported("round.updates_deleted")] == [1]


def test_the_updates_of_many_rounds_are_deleted_with_as_many_statements_as_those_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    federation = under(retention=Retention(updates_rounds=1))
    asked: list[str] = []
    fetch = database.fetch

    def noting(statement: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        asked.append(statement)
        return fetch(statement, parameters)

    job = begun(federation, rounds=7)
    for _ in range(2):
        go_on(federation, job)
    monkeypatch.setattr(database, "fetch", noting)
    assert housekeeping.delete_updates(by=TEST) == len(federation.silos)
    of_one, asked[:] = len(asked), []
    monkeypatch.undo()
    for _ in range(4):
        go_on(federation, job)
    monkeypatch.setattr(database, "fetch", noting)
    assert housekeeping.delete_updates(by=TEST) == 4 * len(federation.silos)
    assert len(asked) == of_one
    assert sorted(one["round"] for one in reported("round.updates_deleted")) == [1, 2, 3, 4, 5]


def test_models_are_kept_for_as_many_days_as_the_agreement_says() -> None:
    federation = under(retention=Retention(models_days=30))
    job, model = completed(federation)
    digests = list(model.versions.values_list("digest", flat=True))
    assert job.ended_at is not None
    Job.objects.filter(id=job.id).update(ended_at=job.ended_at - timedelta(days=29))
    delete_what_has_served(by=TEST)
    assert download(federation, model) == (200, "")
    trying = try_it(federation, model)
    Job.objects.filter(id=job.id).update(ended_at=job.ended_at - timedelta(days=30))
    assert download(federation, model) == (410, "model.expired"), "before the sweep already"
    delete_what_has_served(by=TEST)
    delete_what_has_served(by=TEST)
    assert download(federation, model) == (410, "model.expired")
    assert all(store.size_bytes(digest) is None for digest in digests)
    assert not model.versions.filter(pruned_at=None).exists()
    assert [one["days"] for one in reported("model.expired")] == [30]
    assert [one["versions"] for one in reported("model.weights_deleted")] == [len(digests)]
    trying.refresh_from_db()
    assert (trying.state, trying.reason_code) == (JobState.CANCELLED, "model.expired")


def test_a_model_learned_with_the_data_of_a_member_that_left_is_retired_for_good() -> None:
    federation = under(amendment=RETIRED, disclosure=LEAVING.model_copy(update={"release_confirmed_by_each": True}))
    job, model = completed(federation)
    final = model.versions.get(round_number=2)
    steward = person("steward")
    grant_role(user=steward, organisation=federation.silos[0].silo.organisation, role=Role.STEWARD, by=TEST)
    leave(federation)
    confirm = browser(steward).post(f"/api/v1/model-versions/{final.id}/release/")
    assert (confirm.status_code, confirm.json()["code"]) == (409, "model.retired"), "before the sweep already"
    delete_what_has_served(by=TEST)
    delete_what_has_served(by=TEST)
    left = federation.silos[2].silo.organisation
    assert [one["organisations"] for one in reported("model.retired")] == [[left.name]], "one event"
    with pytest.raises(Invalid) as caught:
        try_it_at(federation, model)
    assert caught.value.code == "model.retired"
    shown = browser(federation.scientist).get(f"/api/v1/models/{model.id}/").json()
    assert (shown["retirement_reason_code"], shown["retired_at"] is not None) == ("model.retired", True)
    page = browser(federation.scientist).get(f"/models/{model.id}/").content.decode()
    assert "a member has left with whose data it was learned" in page
    assert "/download/" not in page
    assert "out of use" in browser(federation.scientist).get("/models/").content.decode()
    Participation.objects.filter(organisation=left).update(state="active", left_at=None)
    delete_what_has_served(by=TEST)
    model.refresh_from_db()
    assert (model.retired_code, job.state) == ("model.retired", JobState.COMPLETED), (
        "whoever comes back changes nothing"
    )


def try_it_at(federation: Federation, model: Model) -> Job:
    """The same with the silos that are left."""
    asked = evaluation(federation, model)
    asked["datasets"] = asked["datasets"][:2]
    return launch(consortium=federation.consortium, request=asked, by=federation.scientist)


def test_a_retired_model_is_not_released_and_jobs_that_use_it_end() -> None:
    federation = under(amendment=RETIRED)
    _job, model = completed(federation)
    training, trying = begun(federation), try_it(federation, model)
    go_on(federation, training)
    start.start(job_id=trying.id, by=TEST)
    assert download(federation, model) == (200, "")
    leave(federation)
    assert download(federation, model) == (410, "model.retired")
    delete_what_has_served(by=TEST)
    for job in (training, trying):
        job.refresh_from_db()
        assert (job.state, job.reason_code) == (JobState.CANCELLED, "model.retired")
        assert not job.rounds.filter(steps__orders__state__in=OUTSTANDING).exists()
    assert len(reported("model.retired")) == 2


def test_models_stay_where_the_agreement_says_so_and_where_the_member_that_left_gave_nothing() -> None:
    federation = under(amendment=AmendmentTerms(on_leaving="models_stay"))
    _job, model = completed(federation)
    leave(federation)
    delete_what_has_served(by=TEST)
    assert download(federation, model) == (200, "")
    assert reported("model.retired") == []


def test_a_model_to_which_the_member_that_left_gave_nothing_stays() -> None:
    federation = under(amendment=RETIRED)
    names = federation.request()["datasets"][:2]
    job = begun(federation, datasets=names)
    while job.state == JobState.RUNNING:
        go_on(federation, job)
    leave(federation)
    delete_what_has_served(by=TEST)
    assert job.model is not None
    assert download(federation, job.model) == (200, "")


def test_models_that_stay_suspects_for_ever_cost_no_statement_each() -> None:
    federation = under(amendment=RETIRED)

    def learned_without_the_third() -> None:
        """All are of the cohort, and the third never answers."""
        job = begun(federation)
        while job.state == JobState.RUNNING:
            for played in federation.silos[:2]:
                order = Order.objects.get(step__round__job=job, silo=played.silo, state__in=OUTSTANDING)
                answers.answer(document=played.train(order, 1.0), by=played.silo)
            Step.objects.filter(id=order.round_step.id).update(deadline_at=timezone.now())
            closing.close_step(step_id=order.round_step.id, by=TEST)
            job.refresh_from_db()
        assert job.state == JobState.COMPLETED

    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert due_to_be_retired() == []
        return len(asked)

    for _ in range(3):
        learned_without_the_third()
    leave(federation)
    of_three = statements()
    Model.objects.filter(pk__in=Model.objects.values_list("pk", flat=True)[:2]).update(
        retired_at=timezone.now(), retired_code="model.retired"
    )
    assert statements() == of_three
