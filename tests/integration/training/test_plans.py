"""Jobs by a training plan: who may join, what silos are shown, and what the model remembers."""

from __future__ import annotations

from typing import Any

import pytest

from federation.errors import Invalid
from federation.learning.models import parse_model
from federation.protocol import documents
from plans.actions import accept_review
from plans.models import TrainingPlan, Via
from registry.cards import card_of
from tests.support.cohort import Cohort, browser, last_version, model_of, run_job
from tests.support.federation import TEST, json_payload
from tests.support.plans import CHANGED, SOURCE, agree_on, review_everywhere, sealed_review, uploaded
from tests.support.world import client_of
from training.engine import start
from training.launch.actions import launch
from training.launch.forms import PLAN_FIELD
from training.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def plan(cohort: Cohort) -> TrainingPlan:
    """A plan that the agreement names."""
    made = uploaded(cohort.federation.consortium, cohort.scientist)
    agree_on(cohort.federation, SOURCE)
    return made


def asked(cohort: Cohort, plan: TrainingPlan | str, **changes: Any) -> dict[str, Any]:
    """A launch request that names a plan and no model."""
    digest = plan if isinstance(plan, str) else plan.digest
    request = cohort.federation.request(plan=digest, **changes)
    return {name: value for name, value in request.items() if name != "model"}


def quote(cohort: Cohort, plan: TrainingPlan | str) -> Any:
    body = {"consortium": str(cohort.federation.consortium.id), **asked(cohort, plan)}
    return client_of(cohort.scientist).post("/api/v1/jobs/quote/", body, format="json")


def codes(cohort: Cohort, plan: TrainingPlan) -> list[str]:
    """What the quote says of each silo."""
    answer = quote(cohort, plan)
    assert answer.status_code == 200, answer.content
    return [silo["code"] for silo in answer.json()["silos"]]


def manifest_of(job: Job) -> documents.Manifest:
    """What the silos are shown."""
    return documents.read(documents.Manifest, json_payload(bytes(job.manifest or b"")))


def test_a_silo_joins_once_its_organisation_has_signed_a_review(cohort: Cohort, plan: TrainingPlan) -> None:
    assert codes(cohort, plan) == ["agreement.code_review"] * 3
    with pytest.raises(Invalid) as caught:
        launch(consortium=cohort.federation.consortium, request=asked(cohort, plan), by=cohort.scientist)
    assert caught.value.code == "agreement.code_review"
    played = cohort.federation.silos[1]
    accept_review(envelope=sealed_review(played), by=played.silo, via=Via.CONNECTOR)
    assert codes(cohort, plan) == ["agreement.code_review", "", "agreement.code_review"]
    review_everywhere(cohort.federation)
    assert codes(cohort, plan) == ["", "", ""]
    accept_review(envelope=sealed_review(played, verdict="refused"), by=played.silo, via=Via.CONNECTOR)
    assert codes(cohort, plan) == ["", "agreement.code_review", ""]


def test_a_job_needs_two_reviewers_where_the_agreement_says_so(cohort: Cohort, plan: TrainingPlan) -> None:
    agree_on(cohort.federation, SOURCE, reviewers=2)
    review_everywhere(cohort.federation)
    assert codes(cohort, plan) == ["agreement.code_review"] * 3
    review_everywhere(cohort.federation, reviewer="Paul Second")
    assert codes(cohort, plan) == ["", "", ""]


def test_a_plan_that_the_agreement_does_not_name_and_one_that_nobody_knows(cohort: Cohort, plan: TrainingPlan) -> None:
    other = uploaded(cohort.federation.consortium, cohort.scientist, CHANGED)
    review_everywhere(cohort.federation, other)
    assert codes(cohort, other) == ["agreement.code"] * 3
    unknown = quote(cohort, "sha256:" + "0" * 64)
    assert (unknown.status_code, unknown.json()["code"], list(unknown.json()["fields"])) == (
        422,
        "plan.unknown",
        ["plan"],
    )
    elsewhere = uploaded(cohort.federation.consortium, cohort.scientist, SOURCE + b"\n")
    TrainingPlan.objects.filter(pk=elsewhere.pk).update(consortium=_others(cohort))
    assert quote(cohort, elsewhere).json()["code"] == "plan.unknown", "another consortium's plan is no plan here"


def _others(cohort: Cohort) -> Any:
    from consortia.models import Consortium

    return Consortium.objects.get(slug="others")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"model": {"family": "logistic"}}, "model"),
        ({"plan": "sha256:0"}, "plan"),
        ({"plan": None}, "model"),
        ({"plan": None, "model": {"family": "plan", "parameters": [{"name": "w", "shape": [1]}]}}, "model.family"),
        ({"task": "evaluate"}, "plan"),
    ],
)
def test_a_plan_and_a_model_and_neither(
    cohort: Cohort, plan: TrainingPlan, changes: dict[str, Any], field: str
) -> None:
    body = {"consortium": str(cohort.federation.consortium.id), **asked(cohort, plan), **changes}
    answer = client_of(cohort.scientist).post("/api/v1/jobs/", body, format="json")
    assert answer.status_code == 422
    assert field in answer.json()["fields"], answer.content


def test_the_family_of_plans_is_offered_nowhere_by_itself(cohort: Cohort, plan: TrainingPlan) -> None:
    client = client_of(cohort.scientist)
    assert "plan" not in [one["name"] for one in client.get("/api/v1/model-families/").json()["results"]]
    schema = client.get("/api/v1/schema/?format=json").json()["components"]["schemas"]
    assert "LogisticSpecification" in schema
    assert "PlanSpecification" not in schema


def test_silos_receive_the_hash_and_the_declared_model_and_the_model_remembers(
    cohort: Cohort, plan: TrainingPlan
) -> None:
    review_everywhere(cohort.federation)
    job = launch(consortium=cohort.federation.consortium, request=asked(cohort, plan), by=cohort.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    manifest = manifest_of(job)
    assert manifest.code_digest == plan.digest
    assert manifest.model is not None
    _family, specification = parse_model(manifest.model)
    assert specification == plan.specification
    model = model_of(job)
    assert model.code_digest == plan.digest
    assert [spec["name"] for spec in model.layout] == ["linear.weight", "linear.bias"]


def test_the_evaluation_of_such_a_model_carries_the_hash_and_needs_the_reviews(
    cohort: Cohort, plan: TrainingPlan
) -> None:
    review_everywhere(cohort.federation)
    trained = run_job(cohort, plan=plan.digest, model=None)
    version = last_version(trained)
    assert card_of(version)["architecture"]["code_digest"] == plan.digest
    request: dict[str, Any] = {"task": "evaluate", "model_version": str(version.id), "model": None}
    evaluation = run_job(cohort, rounds_answered=0, **request)
    assert manifest_of(evaluation).code_digest == plan.digest
    review_everywhere(cohort.federation, verdict="refused")
    with pytest.raises(Invalid) as caught:
        run_job(cohort, **request)
    assert caught.value.code == "agreement.code_review"


def test_the_launch_form_offers_the_plans_that_are_named(cohort: Cohort, plan: TrainingPlan) -> None:
    review_everywhere(cohort.federation)
    uploaded(cohort.federation.consortium, cohort.scientist, CHANGED)
    client = browser(cohort.scientist)
    address = f"/consortia/{cohort.federation.consortium.id}/launch/"
    page = client.get(address)
    field = page.context["form"].fields[PLAN_FIELD]
    assert [value for value, _ in field.choices] == [plan.digest]
    assert [value for value, _ in page.context["form"].fields["model"].choices][-1] == "plan"
    sent = {
        "name": "By a plan",
        "datasets": [str(played.dataset.id) for played in cohort.federation.silos if played.dataset],
        "protection": "clear",
        "model": "plan",
        PLAN_FIELD: plan.digest,
        "strategy": "fedavg",
        "local.epochs": "1",
        "rounds": "2",
        "seed": "0",
        "round_deadline_s": "600",
        "retries_max": "3",
    }
    assert "Ready to launch" in client.post(f"{address}preview/", sent).content.decode()
    answer = client.post(address, sent)
    job = Job.objects.get()
    assert answer.status_code == 302
    assert (job.request["plan"], job.request["model"]) == (plan.digest, None)
    again = client.get(f"{address}?from={job.id}").context["form"]
    assert (again["model"].value(), again[PLAN_FIELD].value()) == ("plan", plan.digest)
    chosen = client.get(f"{address}?plan={plan.digest}").context["form"]
    assert chosen["model"].value() == "plan"


def test_without_a_named_plan_the_form_offers_none(cohort: Cohort) -> None:
    uploaded(cohort.federation.consortium, cohort.scientist)
    page = browser(cohort.scientist).get(f"/consortia/{cohort.federation.consortium.id}/launch/")
    assert PLAN_FIELD not in page.context["form"].fields
    assert "plan" not in [value for value, _ in page.context["form"].fields["model"].choices]
