"""The pages of training plans: for whom they are, what they cost, what they show, and what forms say and keep."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from agreements.models import AgreementVersion
from audit.models import Event
from plans.actions import accept_review, propose
from plans.models import CodeApproval, SignedReview, TrainingPlan, Via
from tests.support.agreements import proposed, terms_for
from tests.support.cohort import Cohort, browser, run_job
from tests.support.federation import PlayedSilo
from tests.support.pages import seen
from tests.support.plans import CHANGED, SOURCE, agree_on, review_everywhere, sealed_review, uploaded
from tests.support.second_factors import code, telephone

pytestmark = pytest.mark.django_db

READERS = ("platform_admin", "administrator", "scientist", "steward", "it", "neighbour")
OUT = ("outsider", "nobody")
QUERIES_MAX = 25


def consortium_page(cohort: Cohort, tail: str = "") -> str:
    return f"/consortia/{cohort.federation.consortium.pk}/plans/{tail}"


def upload_signed(played: PlayedSilo, sealed: bytes) -> None:
    accept_review(envelope=sealed, by=played.silo, via=Via.CONNECTOR)


def upload_file(client: Client, address: str, source: bytes, **more: Any) -> Any:
    """The answer to a file that is chosen."""
    return client.post(address, {"file": SimpleUploadedFile("plan.py", source), "text": "", **more})


def review_of(cohort: Cohort, plan: TrainingPlan) -> str:
    """Where the steward says what they think."""
    return f"/plans/{plan.pk}/members/{cohort.silo.organisation_id}/review/"


@pytest.mark.parametrize("tail", ["", "source/", "reviews/"])
def test_for_whom_a_page_is_and_what_it_costs(
    cohort: Cohort, plan: TrainingPlan, tail: str, django_assert_max_num_queries: Any
) -> None:
    agree_on(cohort.federation, SOURCE)
    review_everywhere(cohort.federation)
    uploaded(cohort.federation.consortium, cohort.scientist, CHANGED)
    for address in (f"/plans/{plan.pk}/{tail}", consortium_page(cohort)):
        assert Client().get(address).status_code == 302
        for who in OUT:
            assert browser(getattr(cohort, who)).get(address).status_code == 404, who
        for who in READERS:
            client = browser(getattr(cohort, who))
            with django_assert_max_num_queries(QUERIES_MAX):
                assert client.get(address).status_code == 200, who


def test_the_list_costs_the_same_however_many_plans(cohort: Cohort, django_assert_max_num_queries: Any) -> None:
    for place in range(12):
        uploaded(cohort.federation.consortium, cohort.scientist, SOURCE + b"#" * place)
    client = browser(cohort.steward)
    with django_assert_max_num_queries(QUERIES_MAX):
        page = client.get(consortium_page(cohort)).content.decode()
    assert page.count("0 of 3 approve") == 12


ACTS = {
    "upload": ("scientist",),
    "propose": ("scientist",),
    "review": ("steward",),
    "hand in": ("steward",),
}


@pytest.mark.parametrize("act", ACTS)
def test_only_stewards_may_act_on_a_plan(cohort: Cohort, plan: TrainingPlan, act: str) -> None:
    address = {
        "upload": consortium_page(cohort, "upload/"),
        "propose": f"/plans/{plan.pk}/propose/",
        "review": review_of(cohort, plan),
        "hand in": f"/plans/{plan.pk}/signed-review/",
    }[act]
    events = Event.objects.count()
    assert Client().post(address).status_code == 302
    for who in (*READERS, *OUT):
        if who in ACTS[act]:
            continue
        assert browser(getattr(cohort, who)).post(address).status_code == (404 if who in OUT else 403), who
    assert Event.objects.count() == events
    other = cohort.federation.silos[1].silo.organisation_id
    assert browser(cohort.steward).post(f"/plans/{plan.pk}/members/{other}/review/").status_code == 403


def test_an_empty_list_says_what_is_next(cohort: Cohort) -> None:
    assert "Upload a plan" in browser(cohort.scientist).get(consortium_page(cohort)).content.decode()
    assert "data scientist of this consortium uploads one" in (
        browser(cohort.steward).get(consortium_page(cohort)).content.decode()
    )


# --- uploading ----------------------------------------------------------------------------------------------------


def test_a_file_is_uploaded_and_proposed(cohort: Cohort) -> None:
    client = browser(cohort.scientist)
    answer = upload_file(client, consortium_page(cohort, "upload/"), SOURCE, propose="on")
    plan = TrainingPlan.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/plans/{plan.pk}/")
    assert bytes(plan.source) == SOURCE
    assert plan.proposed_by == cohort.scientist
    again = upload_file(client, consortium_page(cohort, "upload/"), SOURCE)
    assert again["Location"] == answer["Location"]
    assert "This very file is here already" in client.get(answer["Location"]).content.decode()
    assert TrainingPlan.objects.count() == 1


def test_pasted_text_is_the_file_that_it_was(cohort: Cohort) -> None:
    as_sent = SOURCE.decode().replace("\n", "\r\n")  # what browsers make of a form's lines
    answer = browser(cohort.scientist).post(consortium_page(cohort, "upload/"), {"text": as_sent})
    assert answer.status_code == 302
    assert bytes(TrainingPlan.objects.get().source) == SOURCE


@pytest.mark.parametrize(
    ("source", "field", "reported_value"),
    [
        (
            SOURCE.replace(b'"shape"', b'"form"', 1),
            "text",
            "PLAN.parameters.0.shape: This has to be given.",
        ),
        (SOURCE + b"\ndef (", "text", "(plan.not_python)"),
        (SOURCE + "# \u202e".encode(), "text", "U+202E"),
        (SOURCE + b"# \0", "file", "U+0000"),
        (b"\x89PNG\xff", "file", "(plan.not_text)"),
        (SOURCE + b"#" * 300_000, "file", "(plan.too_large)"),
    ],
)
def test_what_is_wrong_stands_at_the_field_and_what_is_text_is_kept(
    cohort: Cohort, source: bytes, field: str, reported_value: str
) -> None:
    answer = upload_file(browser(cohort.scientist), consortium_page(cohort, "upload/"), source, propose="on")
    assert answer.status_code == 422
    form = answer.context["form"]
    assert reported_value in " ".join(form.errors[field]), form.errors
    assert form["propose"].value()
    if field == "text":
        assert form["text"].value().encode() == source
    assert not TrainingPlan.objects.exists()


def test_an_upload_without_a_file_is_reported_at_its_field(cohort: Cohort) -> None:
    answer = browser(cohort.scientist).post(consortium_page(cohort, "upload/"), {"text": "  "})
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["file"])


# --- reading -----------------------------------------------------------------------------------------------------


def test_a_plan_s_page_shows_what_it_declares_for_the_chosen_data(cohort: Cohort, plan: TrainingPlan) -> None:
    page = browser(cohort.scientist).get(f"/plans/{plan.pk}/")
    features = cohort.dataset.n_features
    assert [row.shape for row in page.context["tensors"].rows] == [f"1 × {features}", "1"]
    assert page.context["tensors"].total == features + 1
    assert plan.digest in page.content.decode()
    assert browser(cohort.scientist).get(f"/plans/{plan.pk}/?dataset=x").status_code == 404
    assert len(page.context["datasets"]) == 1, "one of each schema"


def test_the_source_is_shown_whole_and_nothing_in_it_is_markup(cohort: Cohort) -> None:
    hostile = SOURCE.replace(b"# ", b"") + b'\nX = "<script>alert(1)</script>"  # </code></pre><img src=x>\n'
    plan = uploaded(cohort.federation.consortium, cohort.scientist, hostile)
    page = browser(cohort.scientist).get(f"/plans/{plan.pk}/").content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert page.count('class="line"') == len(hostile.splitlines())


def test_a_plan_is_compared_with_what_the_organisation_approved_last(cohort: Cohort, plan: TrainingPlan) -> None:
    newer = uploaded(cohort.federation.consortium, cohort.scientist, CHANGED)
    upload_signed(cohort.federation.silos[0], sealed_review(cohort.federation.silos[0], plan))
    page = browser(cohort.steward).get(f"/plans/{newer.pk}/")
    assert page.context["before"] == plan
    marks = [row.mark for row in page.context["differences"]]
    assert (marks.count("-"), marks.count("+")) == (2, 2)
    assert "approved" in page.content.decode()
    assert browser(cohort.neighbour).get(f"/plans/{newer.pk}/").context["before"] is None
    other = browser(cohort.neighbour).get(f"/plans/{newer.pk}/?with={plan.pk}")
    assert other.context["before"] == plan
    for absent in ("x", newer.pk, cohort.silo.pk):
        assert browser(cohort.neighbour).get(f"/plans/{newer.pk}/?with={absent}").status_code == 404


def test_whether_the_agreement_names_it_and_what_to_do(cohort: Cohort, plan: TrainingPlan) -> None:
    def statement() -> str:
        return " ".join(seen(browser(cohort.scientist).get(f"/plans/{plan.pk}/").content.decode()).texts)

    assert "not named" in statement()
    version = proposed(cohort.federation, **named_in_terms(cohort, plan))
    assert "named by the next version" in statement()
    AgreementVersion.objects.filter(pk=version.pk).delete()
    agree_on(cohort.federation, SOURCE)
    assert "which is in force, allows it" in statement()
    assert f"launch/?plan={plan.digest}" in browser(cohort.scientist).get(f"/plans/{plan.pk}/").content.decode()


def named_in_terms(cohort: Cohort, plan: TrainingPlan) -> dict[str, Any]:
    work = terms_for(cohort.federation)["training_limits"] | {"families": ["logistic", "plan"]}
    return {"code": {"digests": [plan.digest], "reviewers": 2}, "training_limits": work}


def test_an_agreement_links_to_the_plans_that_it_names_and_its_form_offers_them(
    cohort: Cohort, plan: TrainingPlan
) -> None:
    other = uploaded(cohort.federation.consortium, cohort.scientist, CHANGED)
    unknown = "sha256:" + "0" * 64
    terms = named_in_terms(cohort, plan)
    terms["code"]["digests"].insert(0, unknown)
    version = proposed(cohort.federation, **terms)
    page = browser(cohort.steward).get(f"/agreements/{version.pk}/").content.decode()
    assert f"/plans/{plan.pk}/" in page
    assert f"/plans/{other.pk}/" not in page
    client = browser(cohort.administrator)
    form = client.get(f"/agreements/{version.pk}/edit/").context["form"]
    assert form["code.uploaded"].value() == [plan.digest]
    assert form["code.digests"].value() == unknown
    sent = {bound.html_name: bound.value() for bound in form if bound.value() not in (None, "", False)}
    for use in (form.use, *form.uses.values()):
        sent |= {bound.html_name: bound.value() for bound in use if bound.value() not in (None, "", False)}
    same = client.post(f"/agreements/{version.pk}/edit/", sent)
    assert "These are the terms as they stand already" in same.content.decode()
    changed = client.post(f"/agreements/{version.pk}/edit/", {**sent, "code.uploaded": [plan.digest, other.digest]})
    assert changed.status_code == 302, changed.context["form"].errors
    version.refresh_from_db()
    assert version.terms["code"]["digests"] == [unknown, plan.digest, other.digest]


# --- approving, refusing, handing in ------------------------------------------------------------------------------


def test_a_steward_approves_with_a_fresh_code_once(cohort: Cohort, plan: TrainingPlan) -> None:
    secret = telephone(cohort.steward)
    client, address = browser(cohort.steward), review_of(cohort, plan)
    by_name = {"verdict": "approved", "note": "Read line by line", "seen_digest": plan.digest}
    wrong = client.post(address, {**by_name, "proof": "000000"})
    assert (wrong.status_code, list(wrong.context["review_form"].errors)) == (422, ["proof"])
    assert wrong.context["review_form"]["note"].value() == "Read line by line"
    silent = client.post(address, {"seen_digest": plan.digest, "proof": code(secret)})
    assert list(silent.context["review_form"].errors) == ["verdict"]
    for _ in range(2):  # a double click sends the same code again
        assert client.post(address, {**by_name, "proof": code(secret)}).status_code == 302
    row = CodeApproval.objects.get()
    assert (row.verdict, row.note, row.shown_by, row.user) == (
        "approved",
        "Read line by line",
        "second factor",
        cohort.steward,
    )
    again = client.post(address, {**by_name, "verdict": "refused", "proof": code(secret)})
    assert again.status_code == 422, "a code works once"
    client.post(address, {**by_name, "verdict": "refused", "proof": code(secret, steps_on=1)})
    assert [one.verdict for one in CodeApproval.objects.all()] == ["approved", "refused"]
    other = client.post(address, {**by_name, "seen_digest": "sha256:0", "note": "x", "proof": code(secret, steps_on=1)})
    assert other.status_code == 422
    texts = " ".join(seen(browser(cohort.neighbour).get(f"/plans/{plan.pk}/").content.decode()).texts)
    assert "Read line by line" in texts
    assert "refused here" in texts


def test_a_signed_review_is_submitted_and_both_facts_are_reported(cohort: Cohort, plan: TrainingPlan) -> None:
    agree_on(cohort.federation, SOURCE, reviewers=2)
    client, played = browser(cohort.steward), cohort.federation.silos[0]
    address = f"/plans/{plan.pk}/signed-review/"

    def sent(sealed: bytes) -> Any:
        return client.post(address, {"document": SimpleUploadedFile("review.json", sealed)})

    assert sent(b"{}").status_code == 422
    assert sent(sealed_review(cohort.federation.silos[1])).status_code == 422
    assert sent(sealed_review(played, CHANGED)).status_code == 422
    assert sent(b"x" * 200_000).status_code == 422
    assert not SignedReview.objects.exists()
    assert sent(sealed_review(played)).status_code == 302
    texts = " ".join(seen(client.get(f"/plans/{plan.pk}/").content.decode()).texts)
    assert "1 of 2" in texts
    assert "Rita Reader" in texts


def test_home_leads_a_steward_to_what_waits(
    cohort: Cohort, plan: TrainingPlan, django_assert_max_num_queries: Any
) -> None:
    assert plan.title not in browser(cohort.steward).get("/").content.decode()
    propose(plan=plan, by=cohort.scientist)
    client = browser(cohort.steward)
    with django_assert_max_num_queries(QUERIES_MAX):
        page = client.get("/").content.decode()
    assert f"/plans/{plan.pk}/" in page
    assert f"/plans/{plan.pk}/" not in browser(cohort.neighbour).get("/").content.decode()


def test_jobs_and_models_lead_to_their_plan(
    cohort: Cohort, plan: TrainingPlan, django_assert_max_num_queries: Any
) -> None:
    agree_on(cohort.federation, SOURCE)
    review_everywhere(cohort.federation)
    one, two = (run_job(cohort, plan=plan.digest, model=None) for _ in range(2))
    client = browser(cohort.scientist)
    for address in (
        f"/jobs/{one.id}/configuration/",
        f"/models/{one.model_id}/",
        f"/jobs/compare/?job={one.id}&job={two.id}",
    ):
        with django_assert_max_num_queries(QUERIES_MAX):
            page = client.get(address).content.decode()
        assert f"/plans/{plan.pk}/" in page, address
    record = browser(cohort.administrator).get("/activity/?verb=plan.").content.decode()
    assert f"/plans/{plan.pk}/" in record
