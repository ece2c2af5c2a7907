"""A first launch under an agreement as the form proposes it: its numbers are taken over, and a refusal is reported
whole.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.urls import resolve

from agreements.terms import first_terms
from demo.services import ROOT
from federation.errors import Invalid
from federation.protocol.documents import DisclosureTerms, Terms, UseConditions
from tests.support.cohort import browser
from tests.support.federation import Federation, make_federation
from training.launch.actions import launch
from training.launch.agreed_defaults import form_defaults, quorum_under
from training.launch.api import EXAMPLES
from training.launch.quotes import quote
from training.models import Job

pytestmark = pytest.mark.django_db
REASON = "The hospitals trust one another, and masks are not built yet."
GUIDE = ROOT / "docs" / "data-scientist.md"


@pytest.fixture
def federation() -> Federation:
    """Three silos under the terms with which the agreement form begins."""
    return under_first_terms()


def under_first_terms(*also: str) -> Federation:
    """Three silos under the terms with which the form begins, with these tasks too, but for what no job can meet."""
    made = make_federation(agreed=False)
    keys = {played.signatory.public.encoded: played.silo.organisation.name for played in made.silos}
    datasets = [(key, made.silos[0].dataset.name) for key in keys if made.silos[0].dataset]
    looser = {"protection": ["clear"], "clear_reason": REASON, "privacy": {"required": False}}
    terms = Terms.model_validate(first_terms(keys, datasets) | looser)
    proposed = {name: getattr(terms, name) for name in type(terms).model_fields if name not in ("members", "datasets")}
    limits = terms.training_limits
    proposed["training_limits"] = limits.model_copy(update={"tasks": (*limits.tasks, *also)})
    made.agree(**proposed | {"cohort": terms.cohort.model_copy(update={"minimum_rows": 0})})
    return made


def bare(federation: Federation, **changes: Any) -> dict[str, Any]:
    """A launch that says only what has to be said."""
    return {
        "name": "First try",
        "use": {"category": "health"},
        "datasets": [str(played.dataset.id) for played in federation.silos if played.dataset],
        "protection": {"mode": "clear"},
        "model": {"family": "logistic"},
        **changes,
    }


def test_a_launch_that_names_no_numbers_takes_the_agreement_s(federation: Federation) -> None:
    job = launch(consortium=federation.consortium, request=bare(federation), by=federation.scientist)
    assert job.request["limits"] == {"update_norm_l2_max": 1000.0, "minimum_cell": 10}
    assert (job.request["rounds"], job.quorum) == (10, 3)


def test_what_a_launch_names_is_kept_and_the_rest_is_filled_in(federation: Federation) -> None:
    asked = bare(federation, limits={"minimum_cell": 20}, rounds=3)
    job = launch(consortium=federation.consortium, request=asked, by=federation.scientist)
    assert job.request["limits"] == {"update_norm_l2_max": 1000.0, "minimum_cell": 20}
    assert job.request["rounds"] == 3


def test_every_reason_is_reported_at_once_with_what_is_allowed(federation: Federation) -> None:
    wrong = bare(federation, limits={"minimum_cell": 5, "update_norm_l2_max": 10_000}, rounds=500)
    del wrong["use"]
    with pytest.raises(Invalid) as caught:
        launch(consortium=federation.consortium, request=wrong, by=federation.scientist)
    reported = caught.value.fields
    assert caught.value.code == "agreement.refused"
    assert reported.keys() == {"use", "rounds", "limits.update_norm_l2_max", "limits.minimum_cell"}, (
        "each once, not a silo"
    )
    assert "Allowed: at most 200." in reported["rounds"][0]
    assert "Allowed: at most 1000." in reported["limits.update_norm_l2_max"][0]
    assert "Allowed: at least 10." in reported["limits.minimum_cell"][0]
    assert "HMB" in reported["use"][0]
    assert "Allowed: health, disease, methods." in reported["use"][0]
    assert not Job.objects.exists()


def test_the_quote_shows_the_same_and_groups_what_all_silos_refuse(federation: Federation) -> None:
    asked = bare(federation, limits={"minimum_cell": 5})
    found = quote(consortium=federation.consortium, request=asked, by=federation.scientist)
    assert [(one.code, one.allowed) for one in found.refused_by_all] == [
        ("agreement.minimum_cell", "Allowed: at least 10.")
    ]
    assert found.refused_by_some == ()
    assert [[reason.code for reason in verdict.reasons] for verdict in found.verdicts] == [
        ["agreement.minimum_cell"]
    ] * 3


def test_a_disease_that_is_not_among_those_agreed_is_reported_with_those_that_are() -> None:
    federation = make_federation(agreed=False)
    federation.agree(purposes=UseConditions(permission="DS", diseases=("ICD-10:I20", "ICD-10:I25"), modifiers=("IRB",)))
    asked = bare(federation, use={"category": "disease", "diseases": ["ICD-10:C34"]})
    with pytest.raises(Invalid) as caught:
        launch(consortium=federation.consortium, request=asked, by=federation.scientist)
    first, second = caught.value.fields["use"]
    assert "Allowed: ICD-10:I20, ICD-10:I25." in first
    assert "IRB" in second
    assert caught.value.code == "agreement.purpose"


def test_the_form_begins_with_what_the_agreement_allows_and_can_be_sent_as_it_is(federation: Federation) -> None:
    client, path = browser(federation.scientist), f"/consortia/{federation.consortium.id}/launch/"
    form = client.get(path).context["form"].as_it_stands()
    shown = {name: value for name, value in form.data.items() if value is not None}
    assert (shown["limits.minimum_cell"], shown["limits.update_norm_l2_max"]) == (10, 1000.0)
    assert shown["use.category"] == "health"
    by_name = {"name": "First try", "datasets": bare(federation)["datasets"], "protection": "clear"}
    answer = client.post(path, shown | by_name)
    assert answer.status_code == 302, answer.context["form"].errors
    assert Job.objects.get().request["limits"]["minimum_cell"] == 10


def test_an_agreement_begins_with_masks_and_privacy_and_without_trainers_that_have_a_network() -> None:
    terms = first_terms({}, [])
    assert terms["protection"] == ["masked"]
    assert terms["privacy"]["required"]
    assert terms["training_limits"]["trainer_network"] == "forbidden"


def test_why_updates_leave_in_clear_is_shown_at_launch_and_at_the_job(federation: Federation) -> None:
    client, path = browser(federation.scientist), f"/consortia/{federation.consortium.id}/launch/"
    assert REASON in client.get(path).content.decode()
    job = launch(consortium=federation.consortium, request=bare(federation), by=federation.scientist)
    assert REASON in client.get(f"/jobs/{job.id}/configuration/").content.decode()


def test_a_quorum_is_chosen_that_has_enough_organisations() -> None:
    assert quorum_under(5, 3, ["a", "a", "a", "b", "b", "c"]) == 6, "five could be of a and b alone"
    assert quorum_under(3, 3, ["a", "b", "c", "d"]) == 3
    assert quorum_under(2, 4, ["a", "b", "c"]) is None, "the launch is refused, and says why"


def test_the_form_begins_with_the_library_s_numbers_where_the_agreement_s_are_wider() -> None:
    federation = make_federation(agreed=False)
    federation.agree(disclosure=DisclosureTerms(metrics=("loss",), minimum_cell=2))
    version = federation.consortium.agreement_versions.get(state="in_force")
    assert form_defaults(version)["limits.minimum_cell"] == 5
    assert form_defaults(None) == {}


def examples() -> list[tuple[str, dict[str, Any]]]:
    """Bodies of launches as the guide and the OpenAPI document show them."""
    guide = [
        (f"{GUIDE.name} {number}", json.loads(body))
        for number, body in enumerate(re.findall(r"/jobs/\" -d '(\{.*?\n\})'", GUIDE.read_text(), re.DOTALL), start=1)
    ]
    assert guide, "the guide shows no launch"
    return guide + [(str(one.summary or one.name), dict(one.value)) for one in EXAMPLES]


@pytest.mark.parametrize(("where", "body"), examples(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_launch_that_is_shown_to_readers_is_allowed_under_a_first_agreement(where: str, body: dict[str, Any]) -> None:
    # statistics are no part of a first agreement: who drafts it adds the task
    federation = under_first_terms(*["statistics"] if body.get("task") == "statistics" else [])
    if "plan" in body or body.get("task") == "evaluate":
        body = {name: value for name, value in body.items() if name not in ("plan", "model_version", "task")}
        body["model"] = {"family": "logistic"}  # a plan and a stored model are the reader's own
    body["datasets"] = bare(federation)["datasets"][: len(body["datasets"])]
    if len(body["datasets"]) < 3:
        body["datasets"], body["quorum"] = bare(federation)["datasets"], 3
    body["consortium"] = str(federation.consortium.id)
    answer = browser(federation.scientist).post("/api/v1/jobs/", body, content_type="application/json")
    assert answer.status_code == 201, (where, answer.content)


def test_every_address_that_the_guide_calls_is_there() -> None:
    called = re.findall(r"\$CONSILIENCE(/[^\s\"?]+)", Path(GUIDE).read_text())
    assert len(called) > 3
    for path in called:
        resolve("/api/v1" + path.replace("<id>", "0b8f7c9e-2d54-4c7a-9a63-5d0c4f1e2a70"))
