"""The form of terms: it says again what the terms say, keeps what was typed, and reports what is wrong at its field."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest
from django.forms import MultipleChoiceField
from django.template.loader import render_to_string
from django.test import Client

from agreements.actions import drafting, lifecycle
from agreements.choices import offer_of
from agreements.forms import TermsForm
from agreements.models import AgreementVersion, Revision, Signature
from agreements.terms import first_terms
from agreements.transitions import AgreementState as S
from consortia.actions import leave_consortium
from consortia.models import Participation
from tests.support.agreements import being_signed, page_of, parsed, proposed, signed_by, terms_for, upload_signed
from tests.support.cohort import Cohort, browser
from tests.support.federation import TEST

pytestmark = pytest.mark.django_db


class Typed(HTMLParser):
    """What a browser would send of a page's form of terms."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.data: dict[str, list[str]] = {}
        self.select, self.area, self.within = "", "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value if value is not None else "" for name, value in attributes}
        if tag == "form":
            self.within = given.get("class") == "terms"
        if not self.within:
            return
        name = given.get("name", "")
        box = given.get("type") in ("checkbox", "radio")
        if tag == "input" and (not box or "checked" in given):
            self.data.setdefault(name, []).append(given.get("value", "on" if box else ""))
        elif tag == "select":
            self.select = name
        elif tag == "option" and "selected" in given:
            self.data.setdefault(self.select, []).append(given.get("value", ""))
        elif tag == "textarea":
            self.area = name
            self.data[name] = [""]

    def handle_data(self, data: str) -> None:
        if self.area:
            self.data[self.area][0] += data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.area = ""


def typed(client: Client, address: str, **changes: Any) -> dict[str, Any]:
    """The form as it is shown, with some of it typed over."""
    found = Typed(client.get(address).content.decode()).data
    return {**found, **{name.replace("__", "."): value for name, value in changes.items()}}


def test_a_draft_begins_with_cautious_terms_and_says_all_that_is_missing(cohort: Cohort) -> None:
    client, address = browser(cohort.administrator), page_of(cohort.federation, "draft/")
    first = typed(client, address, training_limits__rounds_max="7")
    assert first["protection"] in ("masked", ["masked"])
    first["protection"] = ["masked", "clear"]
    answer = client.post(address, first)
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == ["clear_reason"], "masks alone are ticked at first"
    assert answer.context["form"]["training_limits.rounds_max"].value() == "7"
    assert not AgreementVersion.objects.exists()
    answer = client.post(address, {**first, "clear_reason": "Masks are not built yet."})
    version = AgreementVersion.objects.get()
    assert answer["Location"] == f"/agreements/{version.pk}/"
    assert version.terms["training_limits"]["rounds_max"] == 7
    assert len(version.terms["members"]) == len(version.terms["datasets"]) == 3


def test_the_form_says_again_what_the_terms_say(cohort: Cohort) -> None:
    """Shown and sent unchanged, nothing is lost: the very same terms, and the page says so."""
    federation = cohort.federation
    first = federation.silos[0]
    assert first.dataset is not None
    use = {"permission": "FIN", "finance": ["aml", "fraud"], "modifiers": ["GS"], "countries": ["CH", "DE"]}
    covered = [
        {
            "signatory_key": first.signatory.public.encoded,
            "dataset": first.dataset.name,
            "epsilon_max": 2.5,
            "use": use,
        },
        {"signatory_key": federation.silos[1].signatory.public.encoded, "dataset": "not-described-here"},
    ]
    version = proposed(
        federation,
        datasets=covered,
        purposes={
            "permission": "FIN",
            "finance": ["aml"],
            "modifiers": ["RS", "TS"],
            "until": "2030-05-06",
            "research": "Only that.",
        },
        code={"digests": ["sha256:" + "0" * 64], "reviewers": 2},
        training_limits=terms_for(federation)["training_limits"] | {"families": ["logistic", "plan"]},
        disclosure={"metrics": ["loss"], "minimum_cell": 7, "recipients": ["A university"]},
        privacy={"required": True, "epsilon_max": 3.0, "delta_max": 1e-6},
        retention={"updates_rounds": 2, "models_days": 90},
        amendment={"running_jobs": "continue", "on_leaving": "models_retired"},
        notes="Be kind.",
    )
    client, address = browser(cohort.administrator), f"/agreements/{version.pk}/edit/"
    answer = client.post(address, typed(client, address))
    assert answer.context["form"].non_field_errors() == ["These are the terms as they stand already."]


def test_the_order_of_the_terms_is_kept_since_another_would_be_shown_as_a_change(cohort: Cohort) -> None:
    federation = cohort.federation
    keys = [played.signatory.public.encoded for played in federation.silos]
    names = [played.silo.organisation.name for played in federation.silos]
    members = [{"organisation": name, "signatory_key": key} for name, key in zip(names, keys, strict=True)]
    members.sort(key=lambda one: one["organisation"], reverse=True)
    covered = [{"signatory_key": key, "dataset": "not-described"} for key in sorted(keys, reverse=True)]
    version = proposed(
        federation,
        members=members,
        datasets=covered,
        protection=["clear", "masked"],
        disclosure={"metrics": ["auc", "loss"], "minimum_cell": 5},
        purposes={"permission": "GRU", "modifiers": ["NCU", "IRB"]},
    )
    client, address = browser(cohort.administrator), f"/agreements/{version.pk}/edit/"
    answer = client.post(address, typed(client, address))
    assert answer.context["form"].non_field_errors() == ["These are the terms as they stand already."]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"cohort__minimum_participants": "9"}, "cohort.minimum_participants"),
        ({"privacy__required": "on", "privacy__epsilon_max": "0"}, "privacy.epsilon_max"),
        ({"validity__not_after": "2001-01-01T00:00"}, "validity.not_after"),
        ({"validity__not_after": "soon"}, "validity.not_after"),
        ({"training_limits__families": []}, "training_limits.families"),
        ({"members": []}, "members"),
        ({"code__digests": "not a hash"}, "code.digests"),
        ({"code__digests": "sha256:" + "0" * 64}, "code.digests"),
        ({"notes": "x" * 5000}, "notes"),
    ],
)
def test_what_is_wrong_stands_at_its_field(
    cohort: Cohort, coming: AgreementVersion, changes: Mapping[str, Any], field: str
) -> None:
    client, address = browser(cohort.steward), f"/agreements/{coming.pk}/edit/"
    answer = client.post(address, typed(client, address, **changes))
    assert answer.status_code == 422
    assert field in answer.context["form"].errors, answer.context["form"].errors
    assert Revision.objects.filter(version=coming).count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"validity__not_before": "soon"}, "validity.not_before"),
        ({"training_limits__families": []}, "training_limits.families"),
        ({"notes": "x" * 5000}, "notes"),
        ({"cohort__minimum_rows": "many"}, "cohort.minimum_rows"),
    ],
)
def test_what_contradicts_itself_is_reported_with_what_is_wrong_otherwise(
    cohort: Cohort, coming: AgreementVersion, changes: Mapping[str, Any], field: str
) -> None:
    client, address = browser(cohort.steward), f"/agreements/{coming.pk}/edit/"
    contradictory = {"privacy__required": "on", "privacy__epsilon_max": "0", "cohort__minimum_participants": "9"}
    answer = client.post(address, typed(client, address, **contradictory, **changes))
    expected = {field, "privacy.epsilon_max", "privacy.delta_max", "cohort.minimum_participants"}
    assert set(answer.context["form"].errors) == expected
    assert Revision.objects.filter(version=coming).count() == 1


def test_what_does_not_look_as_it_has_to_is_named_with_an_example_and_found_by_a_link(
    cohort: Cohort, coming: AgreementVersion
) -> None:
    client, address = browser(cohort.steward), f"/agreements/{coming.pk}/edit/"
    changes: dict[str, Any] = {"code__digests": "sha256:12", "purposes-countries": "DE, Germany"}
    answer = client.post(address, typed(client, address, **changes))
    form = answer.context["form"]
    assert "“Germany” is not written" in form.use.errors["countries"][0]
    assert "“sha256:12” is not written" in form.errors["code.digests"][0]
    assert "pattern" not in str(form.errors) + str(form.use.errors)
    page = answer.content.decode()
    for place in ("id_purposes-countries_error", "id_code.digests_error"):
        assert f'href="#{place}"' in page
        assert f'id="{place}"' in page


def test_what_is_wrong_with_uses_stands_at_theirs(cohort: Cohort, coming: AgreementVersion) -> None:
    client, address = browser(cohort.steward), f"/agreements/{coming.pk}/edit/"
    first = typed(client, address)
    assert not any(name.endswith(".use-permission") for name in first)
    place = next(iter(client.get(address).context["form"].dataset_rows())).offered.place
    dataset = f"dataset.{place}.use-permission"
    answer = client.post(address, {**first, "purposes-permission": ["DS"], dataset: ["FIN"]})
    form = answer.context["form"]
    assert "diseases" in form.use.errors
    inner = next(row for row in form.dataset_rows() if row.use and row.use.errors)
    assert "finance" in inner.use.errors
    assert 'aria-invalid="true"' in answer.content.decode()


def test_a_data_set_s_own_purposes_are_asked_for_and_nothing_typed_is_lost(
    cohort: Cohort, coming: AgreementVersion
) -> None:
    """A press opens its fields; neither is anything checked yet, nor saved."""
    client, address = browser(cohort.steward), f"/agreements/{coming.pk}/edit/"
    mine = typed(client, address, training_limits__rounds_max="55", members=[])
    place = next(iter(client.get(address).context["form"].dataset_rows())).offered.place
    answer = client.post(address, {**mine, "narrow": place})
    again = Typed(answer.content.decode()).data
    assert answer.status_code == 200
    assert answer.context["form"].errors == {}
    assert again["training_limits.rounds_max"] == ["55"]
    assert "members" not in again
    assert again[f"dataset.{place}.use-permission"] == [""]
    assert Revision.objects.filter(version=coming).count() == 1
    own = {f"dataset.{place}.use-permission": ["GRU"], "members": typed(client, address)["members"]}
    assert client.post(address, {**again, **own}).status_code == 302
    coming.refresh_from_db()
    assert [one.get("use", {}) and one["use"]["permission"] for one in coming.terms["datasets"]].count("GRU") == 1


def test_somebody_who_changed_it_meanwhile_is_informed_with_what_changed(
    cohort: Cohort, coming: AgreementVersion
) -> None:
    client, address = browser(cohort.steward), f"/agreements/{coming.pk}/edit/"
    mine = typed(client, address, training_limits__rounds_max="55")
    theirs = parsed(cohort.federation, protection=["masked"])
    drafting.revise(version=coming, terms=theirs, by=cohort.administrator)
    answer = client.post(address, mine)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "It says something else now" in page
    assert "<del>clear" in page
    assert 'value="55"' in page
    coming.refresh_from_db()
    assert coming.terms["protection"] == ["masked"]
    again = client.post(address, {**mine, "seen_digest": coming.terms_digest, "note": "as I said"})
    assert again.status_code == 302
    coming.refresh_from_db()
    assert (coming.terms["training_limits"]["rounds_max"], Revision.objects.filter(version=coming).count()) == (55, 3)


def test_a_counter_proposal_while_it_is_signed_has_to_be_meant(cohort: Cohort) -> None:
    version = being_signed(cohort.federation)
    upload_signed(browser(cohort.steward), version, signed_by(version, cohort.federation.silos[0].signatory))
    client, address = browser(cohort.steward), f"/agreements/{version.pk}/edit/"
    mine = typed(client, address, training_limits__rounds_max="55")
    answer = client.post(address, mine)
    assert "reopen" in answer.context["form"].errors
    assert Signature.objects.exists()
    assert client.post(address, {**mine, "reopen": "on"}).status_code == 302
    version.refresh_from_db()
    assert (version.state, Signature.objects.exists()) == (S.PROPOSED, False)
    assert client.get(address).status_code == 200
    lifecycle.withdraw(version=version, by=TEST)
    assert client.get(address).status_code == 409


def test_a_member_that_has_left_is_shown_as_gone(cohort: Cohort, coming: AgreementVersion) -> None:
    gone = cohort.federation.silos[2].silo.organisation
    left = Participation.objects.get(consortium=cohort.federation.consortium, organisation=gone)
    leave_consortium(participation=left, by=TEST)
    client = browser(cohort.steward)
    assert "no member by this key" in client.get(f"/agreements/{coming.pk}/").content.decode()
    assert "no member by this key" in client.get(f"/agreements/{coming.pk}/edit/").content.decode()


class Drawn(HTMLParser):
    """The elements of some HTML, whatever stands in which order within a tag; empty text is nothing."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[Any] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, sorted(attributes)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.found.append(data.strip())


@pytest.mark.parametrize("said", [None, "0.5", "-1", '">x'])
def test_a_ceiling_is_drawn_as_any_other_field(cohort: Cohort, said: str | None) -> None:
    client, address = browser(cohort.administrator), page_of(cohort.federation, "draft/")
    row = next(client.get(address).context["form"].dataset_rows())
    if said is not None:
        answer = client.post(address, typed(client, address) | {row.epsilon_max.html_name: said, "protection": "clear"})
        row = next(answer.context["form"].dataset_rows())
    for field in (row.epsilon_max, row.delta_max):
        quick = render_to_string("dashboards/agreement/_ceiling.html", {"field": field})
        assert Drawn(quick).found == Drawn(field.as_field_group()).found


# --- people whom terms name -------------------------------------------------------------------------------------


def test_people_are_named_by_their_address_and_kept_by_their_id(cohort: Cohort, coming: AgreementVersion) -> None:
    client, address = browser(cohort.steward), f"/agreements/{coming.pk}/edit/"
    message = f" {cohort.scientist.email.upper()}, {cohort.neighbour.pk}\n{cohort.scientist.email}"
    first = typed(client, address) | {"purposes-modifiers": ["US"], "purposes-users": message}
    assert client.post(address, first).status_code == 302
    coming.refresh_from_db()
    ids = [str(cohort.scientist.pk), str(cohort.neighbour.pk)]
    assert coming.terms["purposes"]["users"] == ids
    page = client.get(f"/agreements/{coming.pk}/").content.decode()
    assert f"Users: {', '.join(ids)}." in page, "the text is that of the bytes"
    assert f'<code class="wrap">{ids[0]}</code> {cohort.scientist.full_name}' in page
    again = typed(client, address)
    people = (cohort.scientist, cohort.neighbour)
    assert again["purposes-users"] == ["\n".join(f"{user.full_name} <{user.pk}>" for user in people)]
    answer = client.post(address, again)
    assert answer.context["form"].non_field_errors() == ["These are the terms as they stand already."]


@pytest.mark.parametrize("who", ["nobody-at-all@example.org", "not an address", "{outsider}", "{outsider_id}", "\0@x"])
def test_who_takes_no_part_is_refused_at_the_field(cohort: Cohort, coming: AgreementVersion, who: str) -> None:
    client, address = browser(cohort.steward), f"/agreements/{coming.pk}/edit/"
    unknown = who.format(outsider=cohort.outsider.email, outsider_id=cohort.outsider.pk)
    data = {"purposes-modifiers": ["US"], "purposes-users": f"{unknown}\n{cohort.scientist.email}"}
    answer = client.post(address, typed(client, address) | data)
    (statement,) = answer.context["form"].use.errors["users"]
    assert statement.startswith("Nobody who takes part in this consortium has this address or id: ")
    assert statement.endswith(f": {unknown}")
    assert answer.context["form"].errors == {}
    assert cohort.scientist.email in answer.content.decode(), "what was typed stays"


def test_who_is_named_already_may_stay_when_they_have_gone(cohort: Cohort) -> None:
    gone, some_text = str(cohort.outsider.pk), "an id of another platform"
    purposes = {"permission": "GRU", "modifiers": ["US"], "users": [gone, some_text]}
    version = proposed(cohort.federation, purposes=purposes)
    client, address = browser(cohort.steward), f"/agreements/{version.pk}/edit/"
    assert typed(client, address)["purposes-users"] == [f"{gone}\n{some_text}"]
    assert client.post(address, typed(client, address, training_limits__rounds_max="55")).status_code == 302
    version.refresh_from_db()
    assert version.terms["purposes"]["users"] == [gone, some_text]
    page = client.get(f"/agreements/{version.pk}/").content.decode()
    assert "takes part no longer, or never did" in page
    assert cohort.outsider.full_name not in page


def test_everybody_finds_the_id_of_their_account_on_its_page(cohort: Cohort) -> None:
    assert str(cohort.scientist.pk) in browser(cohort.scientist).get("/account/").content.decode()


def test_the_form_offers_the_figures_of_all_targets_and_a_first_draft_names_those_of_the_data(cohort: Cohort) -> None:
    offer = offer_of(cohort.federation.consortium)
    assert offer.targets == {"binary"}
    found = {
        targets: first_terms({}, [], targets)["disclosure"]["metrics"]
        for targets in ((), ("real",), ("real", "binary"))
    }
    assert found == {
        (): ["accuracy", "loss", "auc"],
        ("real",): ["mae", "mse", "r2"],
        ("real", "binary"): ["accuracy", "loss", "auc", "mae", "mse", "r2"],
    }
    form = TermsForm(offer=offer, terms=first_terms(offer.members, [], offer.targets))
    field = form.fields["disclosure.metrics"]
    assert isinstance(field, MultipleChoiceField)
    assert dict(field.choices) == {  # type: ignore[arg-type]
        "loss": "loss",
        "accuracy": "accuracy",
        "auc": "area under the ROC curve",
        "confusion": "confusion matrix",
        "mae": "mean absolute error",
        "mse": "mean squared error",
        "r2": "R² (share of variance explained)",
    }
