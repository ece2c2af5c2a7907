"""REST of agreements: what the endpoints report and refuse. (Who may is asked in `test_doors.py`.)"""

from __future__ import annotations

import json
from typing import Any

import pytest

from agreements.actions import lifecycle
from agreements.models import AgreementVersion
from tests.support.agreements import being_signed, signed_by, terms_for
from tests.support.cohort import Cohort
from tests.support.world import client_of

pytestmark = pytest.mark.django_db

Body = dict[str, Any]


def test_a_version_is_answered_with_all_its_parts(
    cohort: Cohort, current: AgreementVersion, coming: AgreementVersion
) -> None:
    client = client_of(cohort.scientist)
    body = client.get(f"/api/v1/agreements/versions/{current.pk}/").json()
    assert (body["state"], body["number"], body["missing"]) == ("in_force", 1, [])
    assert body["digest"] == current.digest
    assert [clause["id"] for clause in body["clauses"]][:2] == ["members", "purposes"]
    first = body["parties"][0]
    assert first["fingerprint"] == cohort.federation.silos[0].signatory.public.fingerprint
    assert (first["is_current"], first["signed_via"], first["suspension"]) == (True, "connector", None)
    next_one = client.get(f"/api/v1/agreements/versions/{coming.pk}/").json()
    assert (next_one["state"], next_one["digest"], next_one["supersedes"]) == ("proposed", "", current.digest)
    assert len(next_one["missing"]) == 3
    text = client.get(f"/api/v1/agreements/versions/{current.pk}/text/")
    assert text["Content-Type"].startswith("text/plain")
    assert current.digest in text.content.decode()
    listed = client.get(f"/api/v1/agreements/versions/?consortium={current.consortium_id}&state=in_force").json()
    assert [row["id"] for row in listed["results"]] == [str(current.pk)]


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"members": []}, "agreement.terms", "terms.members"),
        ({"training_limits": {"tasks": ["train"]}}, "agreement.terms", "terms.training_limits.families"),
        ({"protection": "clear"}, "agreement.terms", "terms.protection"),
        ({"more": 1}, "agreement.terms", "terms.more"),
        ({"cohort": {"minimum_participants": "2"}}, "agreement.terms", "terms.cohort.minimum_participants"),
        ({"cohort": {"minimum_participants": 9}}, "agreement.contradiction", "terms.cohort.minimum_participants"),
    ],
)
def test_what_is_wrong_with_terms_is_reported_by_field(
    cohort: Cohort, coming: AgreementVersion, changes: Body, code: str, field: str
) -> None:
    client = client_of(cohort.administrator)
    terms = terms_for(cohort.federation, **changes)
    body = {"terms": terms, "seen_digest": coming.terms_digest}
    answer = client.post(f"/api/v1/agreements/versions/{coming.pk}/revisions/", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert field in answer.json()["fields"]


def test_contradictions_are_reported_together_with_what_can_t_be_read(cohort: Cohort, coming: AgreementVersion) -> None:
    """Nobody finds out about the next mistake only once the last one is put right."""
    client = client_of(cohort.administrator)
    terms = terms_for(cohort.federation, protection=[], privacy={"required": True, "epsilon_max": 0, "delta_max": 2})
    body = {"terms": terms, "seen_digest": coming.terms_digest}
    answer = client.post(f"/api/v1/agreements/versions/{coming.pk}/revisions/", body, format="json").json()
    assert answer["code"] == "agreement.terms"
    assert set(answer["fields"]) == {"terms.protection", "terms.privacy.delta_max", "terms.privacy.epsilon_max"}
    assert answer["fields"]["terms.privacy.epsilon_max"][0].startswith("Differential privacy is required")


def test_the_document_of_the_api_can_be_signed_and_submitted(
    cohort: Cohort, current: AgreementVersion, coming: AgreementVersion
) -> None:
    coming = lifecycle.open_signing(version=coming, by=cohort.administrator)
    client = client_of(cohort.steward)
    path = f"/api/v1/agreements/versions/{coming.pk}"
    answer = client.get(f"{path}/document/")
    assert "attachment" in answer["Content-Disposition"]
    signed = json.loads(signed_by(coming, cohort.federation.silos[0].signatory))
    taken = client.post(f"{path}/signatures/", {"document": signed}, format="json")
    assert (taken.json()["state"], len(taken.json()["missing"])) == ("signing", 2)
    empty = client.post(f"{path}/signatures/", {"document": json.loads(answer.content)}, format="json")
    assert (empty.status_code, empty.json()["code"]) == (422, "agreement.no_mandate")
    rubbish = client.post(f"{path}/signatures/", {"document": {"x": 1}}, format="json")
    assert (rubbish.status_code, rubbish.json()["code"]) == (422, "envelope.malformed")


def test_a_wording_that_somebody_has_changed_is_not_replaced_by_who_names_the_one_they_read(
    cohort: Cohort, coming: AgreementVersion
) -> None:
    client, path = client_of(cohort.administrator), f"/api/v1/agreements/versions/{coming.pk}/"
    tag = client.get(path)["ETag"]
    assert tag == f'"{coming.terms_digest}"'

    def revise(seen: str, rounds: int, tag: str) -> Any:
        work = terms_for(cohort.federation)["training_limits"] | {"rounds_max": rounds}
        body = {"terms": terms_for(cohort.federation, training_limits=work), "seen_digest": seen}
        return client.post(f"{path}revisions/", body, format="json", headers={"if-match": tag})

    first = revise(coming.terms_digest, 41, tag)
    assert (first.status_code, first["ETag"]) == (201, f'"{first.json()["terms_digest"]}"')
    refused = revise(first.json()["terms_digest"], 42, tag)
    assert (refused.status_code, refused.json()["code"]) == (412, "precondition.failed")
    assert revise(first.json()["terms_digest"], 42, first["ETag"]).status_code == 201


def test_a_withdrawn_draft_leaves_room_for_the_next(cohort: Cohort, coming: AgreementVersion) -> None:
    """A draft that was withdrawn leaves room for the next, whose number is another."""
    lifecycle.withdraw(version=coming, by=cohort.administrator)
    assert being_signed(cohort.federation, protection=["masked"]).number == coming.number + 1
