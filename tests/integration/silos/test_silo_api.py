"""REST of silos and datasets: what the endpoints report and refuse. (Who may is asked in `training/test_doors.py`.)"""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from audit.models import Event
from federation.errors import Invalid
from federation.protocol import documents, envelope
from federation.protocol.envelope import payload_unverified
from federation.protocol.keys import PrivateKey, load_public
from silos import actions, datasets
from silos.health import note_heartbeat
from silos.models import EnrolmentCode, Silo
from silos.transitions import SiloState
from tests.support.cohort import Cohort, browser
from tests.support.every import every
from tests.support.federation import TEST, certificate, registration, statement
from tests.support.world import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def it(cohort: Cohort) -> APIClient:
    return client_of(cohort.it)


def present(cohort: Cohort, silo_id: str, code: str) -> PrivateKey:
    """A connector presents itself; its identity key."""
    identity = PrivateKey.generate()
    actions.enrol(
        code=code,
        transport_key=PrivateKey.generate().public,
        statement=statement(identity, cohort.federation.silos[0].signatory),
        certificate=certificate(cohort.silo.organisation.name, identity, cohort.federation.silos[0].signatory),
        by=TEST,
    )
    return identity


def test_enrolment_from_the_name_to_the_confirmation_and_back(cohort: Cohort, it: APIClient, settings: Any) -> None:
    body = {"organisation": str(cohort.silo.organisation_id), "name": "  annexe "}
    made = it.post("/api/v1/silos/", body, format="json").json()
    assert (made["name"], made["state"], made["identity"], made["is_own"]) == ("annexe", "created", None, True)
    path = f"/api/v1/silos/{made['id']}/"

    code = it.post(f"{path}enrolment-codes/").json()
    key = load_public(settings.PLATFORM_PUBLIC_KEY_FILE)[0]
    assert code["platform_key_fingerprint"] == key.fingerprint
    assert code["platform_url"] == settings.PUBLIC_URL
    identity = present(cohort, made["id"], code["code"])

    administrator = client_of(cohort.administrator)
    shown = administrator.get(path).json()
    assert (shown["state"], shown["identity"]["fingerprint"]) == ("presented", identity.public.fingerprint)
    assert set(shown["transport"]) == set(shown["signatory"]) == {"key_id", "fingerprint"}
    wrong = administrator.post(
        f"{path}confirm/", {"identity_fingerprint": PrivateKey.generate().public.fingerprint}, format="json"
    )
    assert (wrong.status_code, wrong.json()["code"]) == (409, "silo.fingerprint_mismatch")
    assert administrator.get(path).json()["state"] == "presented"
    right = {"identity_fingerprint": identity.public.fingerprint.replace(" ", "")}
    assert administrator.post(f"{path}confirm/", right, format="json").json()["state"] == "active"
    twice = administrator.post(f"{path}confirm/", right, format="json")
    assert (twice.status_code, twice.json()["code"]) == (409, "silo.wrong_state")

    assert administrator.post(f"{path}revoke/").json()["state"] == "revoked"
    again = it.post(f"{path}enrolment-codes/").json()["code"]
    present(cohort, made["id"], again)
    assert administrator.get(path).json()["state"] == "presented"


def test_confirming_a_silo_without_a_connector_is_a_conflict(cohort: Cohort) -> None:
    silo = actions.create(organisation=cohort.silo.organisation, name="annexe", by=cohort.it)
    answer = client_of(cohort.administrator).post(
        f"/api/v1/silos/{silo.id}/confirm/", {"identity_fingerprint": "0" * 32}, format="json"
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "silo.wrong_state")


def test_a_code_is_reported_once_even_to_who_repeats_the_request(cohort: Cohort, it: APIClient) -> None:
    path = f"/api/v1/silos/{cohort.silo.id}/enrolment-codes/"
    first = it.post(path, headers={"Idempotency-Key": "k"})
    second = it.post(path, headers={"Idempotency-Key": "k"})
    assert first.json()["code"]
    assert second.json() == {**first.json(), "code": None}
    assert second["Idempotency-Replayed"] == "true"
    assert EnrolmentCode.objects.filter(silo=cohort.silo, used_at=None).count() == 1
    secret = first.json()["code"]
    assert not [event for event in Event.objects.all() if secret in str(event.detail)]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "x"}, 422, "input.invalid"),
        ({"organisation": "x", "name": "x"}, 422, "input.invalid"),
        ({"organisation": str(uuid4()), "name": "x"}, 404, "organisation.not_found"),
        ({"name": "", "organisation": "OWN"}, 422, "input.invalid"),
        ({"name": "x" * 121, "organisation": "OWN"}, 422, "input.invalid"),
        ({"name": ["x"], "organisation": "OWN"}, 422, "input.invalid"),
        ({"name": "a\x00b", "organisation": "OWN"}, 400, "request.nul"),
        ({"name": "x", "organisation": "OWN", "state": "active"}, 422, "input.invalid"),
        ({"name": "hospital-heart-0 main", "organisation": "OWN"}, 409, "silo.name_taken"),
        ([], 400, "request.not_an_object"),
    ],
)
def test_bad_silos_are_refused_and_nothing_is_made(
    cohort: Cohort, it: APIClient, body: Any, status: int, code: str
) -> None:
    if isinstance(body, dict) and body.get("organisation") == "OWN":
        body = {**body, "organisation": str(cohort.silo.organisation_id)}
    before = Silo.objects.count()
    answer = it.post("/api/v1/silos/", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert Silo.objects.count() == before


def test_health_is_for_all_and_its_figures_for_the_own_organisation(cohort: Cohort, it: APIClient) -> None:
    note_heartbeat(by=cohort.silo, report={"disk_free_bytes": 7, "relay_version": "9", "clock_skew_s": 0.5})
    path = f"/api/v1/silos/{cohort.silo.id}/"
    own, neighbour = it.get(path).json(), client_of(cohort.neighbour).get(path).json()
    assert (own["health"], own["disk_free_bytes"], own["clock_skew_s"]) == ("online", 7, 0.5)
    assert (neighbour["health"], neighbour["disk_free_bytes"], neighbour["clock_skew_s"]) == ("online", None, None)


def test_what_a_silo_says_of_itself_is_bounded_and_what_makes_no_sense_is_not_kept(
    cohort: Cohort, it: APIClient
) -> None:
    by_name = {"memory_total_bytes": 8 << 30, "memory_free_bytes": 3 << 30, "gpus": ["NVIDIA A100", 7, "x" * 500]}
    trainer = {"connector_version": "1.2\x00", "resources": by_name}
    note_heartbeat(by=cohort.silo, report={"trainer": trainer, "latency_s": 0.0123, "clock_skew_s": -2})
    path = f"/api/v1/silos/{cohort.silo.id}/"
    own = it.get(path).json()
    assert (own["memory_total_bytes"], own["memory_free_bytes"], own["latency_s"]) == (8 << 30, 3 << 30, 0.0123)
    assert own["gpus"] == ["NVIDIA A100", "", "x" * 80]
    assert (own["connector_version"], own["clock_skew_s"]) == ("1.2", -2.0)
    neighbour = client_of(cohort.neighbour).get(path).json()
    assert {neighbour[name] for name in ("memory_total_bytes", "memory_free_bytes", "latency_s", "gpus")} == {None}
    page = browser(cohort.it).get(f"/silos/{cohort.silo.id}/").content.decode()
    assert "NVIDIA A100" in page
    assert "0.01 s" in page
    nonsense = {"resources": {"memory_free_bytes": -1, "memory_total_bytes": True, "gpus": {"a": 1}}}
    unread: tuple[Any, ...] = (nonsense, {"resources": []}, "idle", None)
    for trainer_said in every(unread):
        note_heartbeat(
            by=cohort.silo, report={"trainer": trainer_said, "latency_s": float("nan"), "clock_skew_s": "late"}
        )
        own = it.get(path).json()
        assert (own["memory_free_bytes"], own["memory_total_bytes"], own["gpus"]) == (None, None, [])
        assert (own["latency_s"], own["clock_skew_s"]) == (None, 0.0)


def test_silos_are_found_by_organisation_consortium_and_state(cohort: Cohort, it: APIClient) -> None:
    def found(query: str) -> set[str]:
        return {row["id"] for row in it.get(f"/api/v1/silos/?{query}").json()["results"]}

    everyone = {str(played.silo.id) for played in cohort.federation.silos}
    own = actions.create(organisation=cohort.silo.organisation, name="annexe", by=cohort.it)
    assert found("") == everyone | {str(own.id)}
    assert found("state=created") == {str(own.id)}
    assert found(f"organisation={cohort.silo.organisation_id}") == {str(cohort.silo.id), str(own.id)}
    assert found(f"consortium={cohort.federation.consortium.id}&state=active") == everyone
    assert it.get(f"/api/v1/silos/?consortium={uuid4()}").status_code == 404
    assert it.get("/api/v1/silos/?state=lost").json()["fields"].keys() == {"state"}
    assert it.get("/api/v1/silos/?organisation=%00").status_code == 422


def test_an_organisation_that_left_is_seen_no_more(cohort: Cohort) -> None:
    from consortia.actions import leave_consortium

    member = client_of(cohort.neighbour)
    assert member.get(f"/api/v1/silos/{cohort.silo.id}/").status_code == 200
    participation = cohort.federation.consortium.participations.get(organisation=cohort.silo.organisation)
    from consortia.actions import grant_consortium_role

    grant_consortium_role(
        user=cohort.neighbour, consortium=cohort.federation.consortium, role="consortium_administrator", by=TEST
    )
    leave_consortium(participation=participation, by=cohort.steward)
    assert member.get(f"/api/v1/silos/{cohort.silo.id}/").status_code == 404
    assert member.get(f"/api/v1/datasets/{cohort.dataset.id}/").status_code == 404


def test_a_dataset_shows_its_declaration_and_no_path(cohort: Cohort) -> None:
    body = client_of(cohort.neighbour).get(f"/api/v1/datasets/{cohort.dataset.id}/").json()
    assert body["rows_coarse"] == 300
    assert body["features"][0] == "age"
    assert body["classes"] == ["healthy", "ill"]
    assert {step["step"] for step in body["declaration"]["steps"]} >= {"target", "one_hot", "standardise"}
    assert "path" not in str(body["declaration"])
    assert "source" not in body["declaration"]


def test_datasets_are_found_and_the_withdrawn_ones_only_when_asked_for(cohort: Cohort) -> None:
    client = client_of(cohort.steward)

    def found(query: str) -> list[str]:
        return [row["id"] for row in client.get(f"/api/v1/datasets/?{query}").json()["results"]]

    other = registration(cohort.federation.silos[0], name="other", title="Other")
    second = datasets.register(registration=other, by=cohort.silo)
    assert len(found("")) == 4
    assert found("name=other") == [str(second.id)]
    assert set(found(f"silo={cohort.silo.id}")) == {str(second.id), str(cohort.dataset.id)}
    assert len(found(f"schema_digest={cohort.dataset.schema_digest}")) == 4
    assert len(found(f"consortium={cohort.federation.consortium.id}")) == 4
    withdrawn = client.post(f"/api/v1/datasets/{second.id}/withdraw/").json()
    assert withdrawn["withdrawn_at"]
    assert str(second.id) not in found("")
    assert found("withdrawn=true") == [str(second.id)]
    again = client.post(f"/api/v1/datasets/{second.id}/withdraw/")
    assert (again.status_code, again.json()["code"]) == (409, "dataset.withdrawn_already")
    offered = client.post(f"/api/v1/datasets/{second.id}/offer/").json()
    assert (offered["withdrawn_at"], offered["withdrawn_by_silo"]) == (None, False)
    assert str(second.id) in found("")
    again = client.post(f"/api/v1/datasets/{second.id}/offer/")
    assert (again.status_code, again.json()["code"]) == (409, "dataset.not_withdrawn")


def test_the_action_and_its_audit_event_are_one_transaction(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("the audit is away")

    monkeypatch.setattr("silos.actions.record", fail)
    client = client_of(cohort.steward)
    client.raise_request_exception = False
    assert client.post(f"/api/v1/silos/{cohort.silo.id}/revoke/").status_code == 500
    cohort.silo.refresh_from_db()
    assert cohort.silo.state == SiloState.ACTIVE


def test_a_certificate_that_no_manifest_could_hold_enrols_no_silo(cohort: Cohort) -> None:
    """A later connector's may say more, and any envelope may have more signatures: the job's manifest bounds both."""
    identity, signatory = PrivateKey.generate(), cohort.federation.silos[0].signatory
    body = json.loads(payload_unverified(certificate(cohort.silo.organisation.name, identity, signatory)))
    body |= {"protocol": "1.9", "more": "x" * 4000}
    sealed = envelope.sign(json.dumps(body).encode(), documents.SiloCertificate.payload_type, signatory)
    silo = actions.create(organisation=cohort.silo.organisation, name="annexe", by=cohort.administrator)
    code, _ = actions.issue_code(silo=silo, by=cohort.administrator)
    with pytest.raises(Invalid) as refused:
        actions.enrol(
            code=code,
            transport_key=PrivateKey.generate().public,
            statement=statement(identity, signatory),
            certificate=sealed,
            by=TEST,
        )
    assert refused.value.code == "certificate.too_large"
    assert Silo.objects.get(id=silo.id).state == SiloState.CREATED
