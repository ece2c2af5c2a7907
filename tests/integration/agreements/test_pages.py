"""The pages of agreements: for whom they are, what they cost, and that forms say what is wrong and keep the rest."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from pypdf import PdfReader

from agreements.actions import drafting
from agreements.explanations import CLAUSES, TERMS, terms_in
from agreements.models import AgreementVersion, Approval, Comment, Signature, Suspension
from agreements.selectors import document_of
from agreements.terms import clauses_of
from agreements.transitions import AgreementState as S
from audit.models import Event
from federation.agreements.signing import open_agreement
from tests.support.agreements import being_signed, page_of, parsed, proposed, signed_by, upload_signed
from tests.support.cohort import Cohort, browser
from tests.support.every import every
from tests.support.second_factors import code, telephone

pytestmark = pytest.mark.django_db

READERS = ("platform_admin", "administrator", "scientist", "steward", "it", "neighbour")
OUT = ("outsider", "nobody")
QUERIES_MAX = 20


READ = ("", "compare/", "paper/", "paper.pdf", "document/")


@pytest.mark.parametrize("tail", READ)
def test_for_whom_a_page_is_and_what_it_costs(
    cohort: Cohort, current: AgreementVersion, tail: str, django_assert_max_num_queries: Any
) -> None:
    address = f"/agreements/{current.pk}/{tail}"
    assert Client().get(address).status_code == 302
    for who in OUT:
        assert browser(getattr(cohort, who)).get(address).status_code == 404, who
    for who in READERS:
        client = browser(getattr(cohort, who))
        with django_assert_max_num_queries(QUERIES_MAX):
            assert client.get(address).status_code == 200, who


ACTS = {
    "edit/": ("administrator", "steward"),
    "upgrade/": ("administrator",),
    "propose/": ("administrator",),
    "return-to-draft/": ("administrator",),
    "open-signing/": ("administrator",),
    "reopen/": ("administrator", "steward"),
    "withdraw/": ("administrator",),
    "terminate/": ("administrator",),
    "members/{organisation}/suspend/": ("steward",),
    "members/{organisation}/lift/": ("steward",),
}


@pytest.mark.parametrize("tail", ACTS)
def test_who_may_ask_to_act(cohort: Cohort, coming: AgreementVersion, tail: str) -> None:
    address = f"/agreements/{coming.pk}/{tail.format(organisation=cohort.silo.organisation_id)}"
    assert Client().get(address).status_code == 302
    events = Event.objects.count()
    for who in (*READERS, *OUT):
        status = 200 if who in ACTS[tail] else 404 if who in OUT else 403
        assert browser(getattr(cohort, who)).get(address).status_code == status, who
        if status != 200:
            assert browser(getattr(cohort, who)).post(address, {"reason": "x"}).status_code == status, who
    assert Event.objects.count() == events, "asking does nothing"


def test_the_overview_and_home_lead_to_what_is_to_be_done(cohort: Cohort, django_assert_max_num_queries: Any) -> None:
    assert "Draft the agreement" in browser(cohort.administrator).get(page_of(cohort.federation)).content.decode()
    assert "Draft the agreement" not in browser(cohort.scientist).get(page_of(cohort.federation)).content.decode()
    assert browser(cohort.outsider).get(page_of(cohort.federation)).status_code == 404
    version = being_signed(cohort.federation)
    client = browser(cohort.steward)
    with django_assert_max_num_queries(QUERIES_MAX):
        page = client.get(page_of(cohort.federation)).content.decode()
    assert f"/agreements/{version.pk}/" in page
    assert f"/agreements/{version.pk}/" in browser(cohort.steward).get("/").content.decode()
    assert f"/agreements/{version.pk}/" not in browser(cohort.neighbour).get("/").content.decode()
    played = cohort.federation.silos[0]
    answer = upload_signed(browser(cohort.steward), version, signed_by(version, played.signatory))
    assert answer.status_code == 302
    assert f"/agreements/{version.pk}/" not in browser(cohort.steward).get("/").content.decode()


def test_the_text_is_that_of_the_bytes_with_help_for_every_clause(cohort: Cohort, current: AgreementVersion) -> None:
    found = clauses_of(current)
    assert list(CLAUSES) == [clause.id for clause in found]
    assert [term.label for term in CLAUSES.values()] == [clause.title for clause in found]
    page = browser(cohort.scientist).get(f"/agreements/{current.pk}/").content.decode()
    assert current.digest in page
    for played in every(cohort.federation.silos):
        assert played.signatory.public.fingerprint in page
    for clause in every(found):
        assert terms_in(clause.id), clause.id
        assert clause.lines[0].split("'")[0] in page
    assert all(term.help.endswith(".") for term in TERMS.values())
    printed = browser(cohort.scientist).get(f"/agreements/{current.pk}/paper/").content.decode()
    assert current.digest in printed
    assert cohort.federation.silos[2].signatory.public.fingerprint in printed


def pdf_at(client: Client, version: AgreementVersion) -> PdfReader:
    """The PDF of a version, read again."""
    answer = client.get(f"/agreements/{version.pk}/paper.pdf")
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"].startswith("attachment;")
    return PdfReader(BytesIO(answer.content))


def test_the_pdf_has_the_text_the_hash_and_what_was_signed(cohort: Cohort, current: AgreementVersion) -> None:
    printed = pdf_at(browser(cohort.scientist), current)
    pages = [" ".join(page.extract_text().split()) for page in printed.pages]
    text = " ".join(pages)
    assert current.digest is not None
    assert all(current.digest in page for page in pages)
    for clause in every(clauses_of(current)):
        assert f"{clause.number}. {clause.title}" in text
        assert " ".join(clause.lines[0].split())[:60] in text
    for played in every(cohort.federation.silos):
        assert played.signatory.public.fingerprint in text
    (attached,) = printed.attachments["agreement.json"]
    assert attached == document_of(current)
    assert open_agreement(attached).digest == current.digest


def test_the_pdf_of_a_draft_says_so_and_names_that_no_font_has_are_reported(cohort: Cohort) -> None:
    member_organisation = cohort.silo.organisation
    member_organisation.name = "北京 Hospital <b>" + "x" * 150
    member_organisation.save(update_fields=["name"])
    version = proposed(cohort.federation)
    printed = pdf_at(browser(cohort.administrator), version)
    text = " ".join(" ".join(page.extract_text() for page in printed.pages).split())
    assert "not fixed: the terms may still change" in text
    assert "[U+5317][U+4EAC] Hospital <b>" in text
    assert not printed.attachments


# --- what members do --------------------------------------------------------------------------------------------


def test_comments_stand_at_their_clause(cohort: Cohort, coming: AgreementVersion) -> None:
    client, address = browser(cohort.steward), f"/agreements/{coming.pk}/comment/"
    answer = client.post(address, {"clause": "privacy", "text": "We need <more>."})
    assert answer["Location"] == f"/agreements/{coming.pk}/#privacy"
    page = client.get(f"/agreements/{coming.pk}/").content.decode()
    assert "We need &lt;more&gt;." in page
    refused = client.post(address, {"clause": "privacy", "text": " "})
    assert refused.status_code == 422
    assert browser(cohort.scientist).post(address, {"clause": "privacy", "text": "x"}).status_code == 403
    assert Comment.objects.count() == 1


def test_a_signature_is_submitted_and_what_is_wrong_with_a_file_is_reported(cohort: Cohort) -> None:
    version = being_signed(cohort.federation)
    own, other = (played.signatory for played in cohort.federation.silos[:2])
    for sealed, one_report in (
        (b"\xff\x00 no json", "no signed document (DSSE envelope)"),
        (b"{}", "no signed document (DSSE envelope)"),
        (json.dumps({"payload": "AA==", "payloadType": "x", "signatures": []}).encode(), "no agreement"),
        (signed_by(version, other), "present signatory key"),
    ):
        answer = upload_signed(browser(cohort.steward), version, sealed)
        assert answer.status_code == 422
        assert one_report in answer.content.decode()
    assert browser(cohort.scientist).post(f"/agreements/{version.pk}/signature/", {}).status_code == 403
    assert upload_signed(browser(cohort.steward), version, signed_by(version, own)).status_code == 302
    assert Signature.objects.get().received_via == "browser"


def test_approving_takes_a_code_of_the_app(cohort: Cohort) -> None:
    version = being_signed(cohort.federation)
    telephone(cohort.steward)
    client = browser(cohort.steward)
    address = f"/agreements/{version.pk}/members/{cohort.silo.organisation_id}/approve/"
    wrong = client.post(address, {"seen_digest": version.digest, "proof": "000000"})
    assert wrong.status_code == 422
    assert "proof" in wrong.context["approval_form"].errors
    other = client.post(address, {"seen_digest": "sha256:other", "proof": code()})
    assert other.status_code == 422
    assert not Approval.objects.exists()
    assert client.post(address, {"seen_digest": version.digest, "proof": code(steps_on=1)}).status_code == 302
    made = Approval.objects.get()
    assert (made.user, made.organisation, made.digest) == (cohort.steward, cohort.silo.organisation, version.digest)
    assert Event.objects.get(verb="agreement.approved").detail["shown_by"] == "second factor"
    assert cohort.steward.full_name in client.get(f"/agreements/{version.pk}/").content.decode()
    for who, status in (("administrator", 403), ("scientist", 403), ("outsider", 404)):
        answer = browser(getattr(cohort, who)).post(address, {"seen_digest": version.digest, "proof": "x"})
        assert answer.status_code == status


def test_an_agreement_page_takes_the_password_where_there_is_no_app(cohort: Cohort) -> None:
    version = being_signed(cohort.federation)
    cohort.steward.set_password("correct horse battery")
    cohort.steward.save(update_fields=["password"])
    client = browser(cohort.steward)
    address = f"/agreements/{version.pk}/members/{cohort.silo.organisation_id}/approve/"
    assert client.post(address, {"seen_digest": version.digest, "proof": "wrong"}).status_code == 422
    assert client.post(address, {"seen_digest": version.digest, "proof": "correct horse battery"}).status_code == 302
    assert Event.objects.get(verb="agreement.approved").detail["shown_by"] == "password"


def test_a_steward_suspends_and_lifts_after_being_asked(cohort: Cohort, current: AgreementVersion) -> None:
    client = browser(cohort.steward)
    base = f"/agreements/{current.pk}/members/{cohort.silo.organisation_id}/"
    assert client.post(f"{base}suspend/", {"reason": ""}).status_code == 422
    assert client.post(f"{base}suspend/", {"reason": "A question of consent"}).status_code == 302
    assert "A question of consent" in client.get(f"/agreements/{current.pk}/").content.decode()
    assert "A question of consent" in browser(cohort.scientist).get(f"/agreements/{current.pk}/").content.decode()
    assert client.post(f"{base}lift/").status_code == 302
    assert Suspension.objects.get().lifted_by == cohort.steward
    other = cohort.federation.silos[1].silo.organisation_id
    answer = client.post(f"/agreements/{current.pk}/members/{other}/suspend/", {"reason": "x"})
    assert answer.status_code == 403


def test_opening_a_version_is_refused_where_its_terms_changed_meanwhile(
    cohort: Cohort, coming: AgreementVersion
) -> None:
    client = browser(cohort.administrator)
    asked = client.get(f"/agreements/{coming.pk}/open-signing/")
    seen = asked.context["form"]["seen_digest"].value()
    drafting.revise(version=coming, terms=parsed(cohort.federation), by=cohort.steward)
    answer = client.post(f"/agreements/{coming.pk}/open-signing/", {"seen_digest": seen}, follow=True)
    assert "Somebody else has changed the terms" in answer.content.decode()
    coming.refresh_from_db()
    assert coming.state == S.PROPOSED


def test_versions_and_wordings_side_by_side(
    cohort: Cohort, current: AgreementVersion, coming: AgreementVersion
) -> None:
    drafting.revise(version=coming, terms=parsed(cohort.federation, protection=["encrypted"]), by=cohort.steward)
    client, address = browser(cohort.scientist), f"/agreements/{coming.pk}/compare/"
    assert "<ins>encrypted" in client.get(address).content.decode()
    wordings = client.get(f"{address}?from=1&to=2").content.decode()
    assert "<del>masked" in wordings
    assert "<ins>encrypted" in wordings
    assert client.get(f"{address}?with={current.pk}").status_code == 200
    for query in ("?from=9", "?to=x", "?with=x", f"?with={coming.pk}"):
        assert client.get(address + query).status_code == 404, query
