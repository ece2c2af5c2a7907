"""Every page in a language in which each marked string shows, and in German: text, numbers, dates, and what stays."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import translation
from django.utils.translation.trans_real import DjangoTranslation

from accounts import emails
from accounts.languages import time_zones
from accounts.models import Scope, User
from agreements.models import AgreementVersion
from audit.models import Event
from monitoring import actions, deliveries
from monitoring.models import Notice
from plans.actions import propose
from plans.models import TrainingPlan
from silos.models import Dataset
from tests.support.agreements import being_signed
from tests.support.cohort import Cohort, browser, present, run_job
from tests.support.every import every
from tests.support.federation import TEST
from tests.support.pages import Seen, pages_of, seen
from tests.support.plans import CHANGED, SOURCE, review_everywhere, uploaded
from training.engine import control
from training.models import Job

BEGIN, END = "\u27e6", "\u27e7"
ROLES = ("platform_admin", "administrator", "scientist", "nobody")
FOR_STRANGERS = {"sign-in": "/sign-in/", "forgotten": "/password/forgotten/"}
WORD = re.compile(r"[^\W\d_]{2}")
CODE = r"\([a-z_]+(\.[a-z_]+)+\)"
READ_AT = r'"read_at": "[^"]*"'
NOT_OURS = {"gallery"}
"""The gallery shows the parts of pages to anyone who makes pages; its words stand for others."""
SAME_EVERYWHERE = {
    *("Consilience", "REST API", "API", "CSV", "JSON", "curl", "Python", "AUC", "UTC", "MB", "min", "https"),
    *Scope.values,
    *("relu", "tanh", "gelu", "sgd", "adam", "columns", "drop first", "method", "stratified_shuffle", "train fraction"),
    *("seed", "docker-compose.yml", "connector.toml", "REST", "English", "Deutsch", "True", "False"),
}


@pytest.fixture
def world(cohort: Cohort) -> tuple[Cohort, Job, Job]:
    """A finished job, a running one, a silo to confirm; ids and counts that are large enough for separators."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER SEQUENCE audit_event_id_seq RESTART WITH 54321")
    Dataset.objects.update(rows_coarse=12345)
    being_signed(cohort.federation, protection=["masked"])
    present(cohort)
    for source in (SOURCE, CHANGED):
        propose(plan=uploaded(cohort.federation.consortium, cohort.scientist, source), by=cohort.scientist)
    review_everywhere(cohort.federation, note="Read")
    return cohort, run_job(cohort, rounds=4), run_job(cohort, rounds_answered=1)


@pytest.fixture
def every_string_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A language in which each translated string stands between marks."""
    monkeypatch.setattr(DjangoTranslation, "gettext", lambda self, text: f"{BEGIN}{text}{END}")
    monkeypatch.setattr(
        DjangoTranslation, "ngettext", lambda self, one, more, n: f"{BEGIN}{one if n == 1 else more}{END}"
    )


def unmarked(texts: Iterable[str]) -> list[str]:
    """What of a page's texts, in their order, stands outside of all marks: a marked string may hold tags."""
    found, depth = [], 0
    for text in texts:
        rest = []
        for email in text:
            depth += (email == BEGIN) - (email == END)
            if depth == 0:
                rest.append(" " if email == END else email)
        found.append("".join(rest))
    return found


def words_of_database() -> list[str]:
    """Every text in our tables, the longest first: names of things are data."""
    found: set[str] = set()
    for model in apps.get_models():
        if model._meta.app_label in {"contenttypes", "auth", "sessions"}:
            continue
        for row in model._default_manager.values_list():
            for value in row:
                found |= set(_texts(value))
    found |= {text.replace("_", " ") for text in found}
    hashes = {text for text in found if text.startswith("sha256:")}
    found |= {text[7:15] for text in hashes} | {text[:19] for text in hashes}
    return sorted((text for text in found if len(text) > 1), key=len, reverse=True)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, dict):
        for name, one in value.items():
            yield str(name)
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def strange(texts: Iterable[str], data: list[str]) -> list[str]:
    """Texts in which a word is left once what is marked, what is data and what is the same everywhere are out."""
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(text)}(?!\w)" for text in data))
    left = [re.sub(CODE, " ", text) for text in unmarked(texts) if WORD.search(text)]
    return [
        text
        for text in dict.fromkeys(left)
        if WORD.search(pattern.sub(" ", text))
        and not any(text.endswith("…") and one.startswith(text[:-1]) for one in data)
    ]


def spoken_in_figures(seen_: Seen) -> Iterator[str]:
    """The words that charts draw."""
    for source in seen_.figures:
        figure = json.loads(source)
        for trace in figure["data"]:
            yield trace["name"]
            yield re.sub(r"<[^>]*>|%{[^}]*}", " ", trace["hovertemplate"])
        for name, part in figure["layout"].items():
            if "axis" in name:
                yield part.get("title", "")
        yield from (note["text"] for note in figure["layout"].get("annotations", ()))


def test_nothing_on_any_page_is_said_past_the_translators(
    world: tuple[Cohort, Job, Job], every_string_marked: None
) -> None:
    cohort, done, running = world
    data = sorted([*words_of_database(), *SAME_EVERYWHERE, *time_zones()], key=len, reverse=True)
    wrong: dict[str, list[str]] = {}
    for role in ROLES:
        client = browser(getattr(cohort, role))
        for name, address in pages_of(cohort, done, running).items():
            if name in NOT_OURS:
                continue
            page = seen(client.get(address).content.decode())
            if found := strange([*page.texts, *spoken_in_figures(page)], data):
                wrong[f"{name} for {role}"] = found
    assert not wrong


def agreement_pages(cohort: Cohort) -> dict[str, str]:
    """Those that a scientist does not see."""
    coming = AgreementVersion.objects.get(consortium=cohort.federation.consortium, state="signing")
    names = ("", "edit/", "reopen/", f"members/{cohort.silo.organisation_id}/suspend/")
    return {name: f"/agreements/{coming.pk}/{name}" for name in names}


def test_nothing_is_said_past_the_translators_to_strangers_and_where_forms_are_wrong(
    world: tuple[Cohort, Job, Job], every_string_marked: None
) -> None:
    cohort, _, running = world
    data = sorted([*words_of_database(), *SAME_EVERYWHERE, *time_zones()], key=len, reverse=True)
    wrong: dict[str, list[str]] = {}
    stranger, scientist, administrator = Client(), browser(cohort.scientist), browser(cohort.administrator)
    consortium = cohort.federation.consortium.id
    answers = {
        **{name: stranger.get(address) for name, address in FOR_STRANGERS.items()},
        "sign-in wrong": stranger.post("/sign-in/", {"username": "a@example.org", "password": "wrong"}),
        "launch empty": scientist.post(f"/consortia/{consortium}/launch/", {"model": "mlp", "strategy": "fedavg"}),
        "token empty": scientist.post("/account/tokens/", {}),
        **{
            f"agreement {name}": client.get(address)
            for client in (administrator, browser(cohort.steward))
            for name, address in agreement_pages(cohort).items()
        },
        "home": browser(cohort.steward).get("/"),
        "plan": browser(cohort.steward).get(f"/plans/{TrainingPlan.objects.order_by('uploaded_at')[1].pk}/"),
        "plan compared": scientist.get(_compared_plans()),
        "plan upload": scientist.get(f"/consortia/{consortium}/plans/upload/"),
        "plan empty": scientist.post(f"/consortia/{consortium}/plans/upload/", {}),
        "compare one": scientist.get(f"/jobs/compare/?job={running.id}"),
        "invited nobody": administrator.post(
            f"/consortia/{consortium}/invite/", {"organisation": "nobody-at-all"}, follow=True
        ),
    }
    for name, answer in every(answers.items()):
        page = seen(answer.content.decode())
        assert page.texts, name
        if found := strange(page.texts, data):
            wrong[name] = found
    assert not wrong


def _compared_plans() -> str:
    one, other = TrainingPlan.objects.order_by("uploaded_at")
    return f"/plans/{other.pk}/?with={one.pk}"


def german(user: User) -> Client:
    """A browser of somebody who has chosen German, and Berlin's clock."""
    client = browser(user)
    client.post("/account/language/", {"language": "de", "time_zone": "Europe/Berlin"})
    return client


def test_a_page_works_the_same_in_every_language(world: tuple[Cohort, Job, Job]) -> None:
    """Addresses, ids, values of fields, drawings and figures' data are for machines."""
    cohort, done, running = world
    client = browser(cohort.scientist)
    addresses = pages_of(cohort, done, running)
    english = {name: seen(client.get(address).content.decode()) for name, address in addresses.items()}
    cohort.scientist.language, cohort.scientist.time_zone = "de", "Europe/Berlin"
    cohort.scientist.save()
    for name, address in every(addresses.items()):
        text = seen(client.get(address).content.decode())
        assert _timeless(text, name) == _timeless(english[name], name), name
        assert list(map(_numbers, text.figures)) == list(map(_numbers, english[name].figures)), name
        if name not in NOT_OURS:
            assert text.texts != english[name].texts, name


def _timeless(page: Seen, name: str) -> list[tuple[str, str, str]]:
    """Times are written with their zone, and what one has chosen is chosen."""
    left_out = {"datetime", "selected"} | ({"value", "data-copy"} if name == "gallery" else set())
    return [one for one in page.attributes if one[1] not in left_out]


def _numbers(figure: str) -> object:
    def without_words(value: object) -> object:
        match value:
            case dict():
                return {key: without_words(one) for key, one in value.items()}
            case list():
                return [without_words(one) for one in value]
            case str():
                return "word"
            case _:
                return value

    return without_words(json.loads(figure))


def test_german_pages_with_german_numbers_and_berlin_s_clock(world: tuple[Cohort, Job, Job]) -> None:
    cohort, done, _ = world
    Job.objects.filter(id=done.id).update(created_at=datetime(2026, 7, 1, 22, 30, tzinfo=UTC))
    client = german(cohort.scientist)
    report = client.get(f"/jobs/{done.id}/report/")
    text = " ".join(seen(report.content.decode()).texts)
    assert report.headers["Content-Language"] == "de"
    assert '<html lang="de">' in report.content.decode()
    assert "Sieben Fragen" in text
    assert "2. Juli 2026, 00:30:00 CEST von" in text
    assert re.search(r"Genauigkeit 0,\d{3}", text)
    assert "12.345" in seen(client.get(f"/datasets/{cohort.dataset.id}/").content.decode()).texts
    english = " ".join(seen(browser(cohort.administrator).get(f"/jobs/{done.id}/report/").content.decode()).texts)
    assert "1 July 2026, 22:30:00 UTC by" in english


def test_times_say_how_long_ago_and_exactly_on_hover(cohort: Cohort) -> None:
    Dataset.objects.update(registered_at=datetime(2020, 1, 31, 23, 30, tzinfo=UTC))
    page = german(cohort.scientist).get(f"/datasets/{cohort.dataset.id}/").content.decode()
    found = re.search(r'<time datetime="2020-02-01T00:30:00\+01:00" title="([^"]*)" data-relative>([^<]*)<', page)
    assert found is not None
    assert found[1] == "1. Februar 2020, 00:30:00 CET"
    assert re.fullmatch(r"vor \d+\sJahren", found[2])


def test_files_are_for_machines(world: tuple[Cohort, Job, Job]) -> None:
    cohort, done, running = world
    control.pause(job=running, by=cohort.scientist)
    files = (f"/jobs/{done.id}/figures.csv", f"/jobs/{done.id}/figures.json")
    client = browser(cohort.scientist)
    before = [re.sub(READ_AT, "", _body(client.get(address))) for address in files]
    client = german(cohort.scientist)
    assert [re.sub(READ_AT, "", _body(client.get(address))) for address in files] == before
    rows = list(csv.reader(io.StringIO(before[0])))
    assert any(re.fullmatch(r"0\.\d+", cell) for row in rows for cell in row)
    activity = list(csv.DictReader(io.StringIO(_body(client.get("/activity/events.csv")))))
    assert all(re.fullmatch(r"\d+", row["id"]) for row in activity)
    (paused,) = [json.loads(row["detail"]) for row in activity if row["verb"] == "job.paused"]
    assert paused["reason"] == "Paused by Dana Data."
    assert paused["params"] == {"who": "Dana Data"}


def _body(answer: Any) -> str:
    assert answer.status_code == 200
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(content.decode())


def test_what_the_browser_asks_for_is_spoken_to_strangers_and_rest_stays_english(cohort: Cohort) -> None:
    asks = {"Accept-Language": "de-CH,de;q=0.9,en;q=0.5"}
    page = Client().get("/sign-in/", headers=asks)
    assert "Passwort" in page.content.decode()
    assert "Accept-Language" in page.headers["Vary"]
    assert "Password" in Client().get("/sign-in/", headers={"Accept-Language": "fr"}).content.decode()
    problem = browser(cohort.scientist).get("/api/v1/jobs/00000000-0000-4000-8000-000000000000/", headers=asks)
    assert problem.json()["detail"] == "There is no such job."
    assert browser(cohort.scientist).get("/api/v1/jobs/", {"page_size": "x"}, headers=asks).json()["detail"].isascii()


def test_a_person_s_choice_goes_before_the_browser_s(cohort: Cohort) -> None:
    client = german(cohort.scientist)
    response = client.get("/account/", headers={"Accept-Language": "en"})
    assert "Von jetzt an sprechen die Seiten so mit Ihnen." in response.content.decode()
    nothing = client.get("/jobs/00000000-0000-4000-8000-000000000000/", headers={"Accept-Language": "en"})
    assert "Einen solchen Job gibt es nicht." in nothing.content.decode()
    nowhere = client.get("/no/such/address/", headers={"Accept-Language": "en"})
    assert "Unter dieser Adresse ist nichts." in nowhere.content.decode()
    event = Event.objects.filter(verb="user.language_chosen").get()
    assert event.detail == {"language": "de", "time_zone": "Europe/Berlin"}


def test_no_other_language_or_zone_is_kept(cohort: Cohort) -> None:
    client = browser(cohort.scientist)
    for wrong in ({"language": "xx", "time_zone": ""}, {"language": "de", "time_zone": "../../etc/passwd"}):
        answer = client.post("/account/language/", wrong, follow=True)
        assert "Some of what was sent is wrong." in answer.content.decode()
    cohort.scientist.refresh_from_db()
    assert (cohort.scientist.language, cohort.scientist.time_zone) == ("", "")


def test_a_zone_that_is_no_more_breaks_no_page(cohort: Cohort) -> None:
    User.objects.filter(pk=cohort.scientist.pk).update(language="tlh", time_zone="Europe/Atlantis")
    assert browser(cohort.scientist).get("/").status_code == 200


def test_dates_asked_for_stay_what_a_date_field_takes(cohort: Cohort) -> None:
    page = german(cohort.scientist).get("/activity/?since=2026-01-31").content.decode()
    assert 'value="2026-01-31"' in page


def test_e_mails_are_written_in_their_reader_s_language(cohort: Cohort) -> None:
    User.objects.filter(pk=cohort.scientist.pk).update(language="de")
    for person in (cohort.scientist, cohort.administrator):
        assert emails.send_password_reset(person.pk)
    german_one, english_one = mail.outbox
    assert german_one.subject == "Ein neues Passwort für Consilience"
    assert "Wählen Sie es hier." in german_one.body
    assert isinstance(german_one, mail.EmailMultiAlternatives)
    assert '<html lang="de">' in str(german_one.alternatives[0])
    assert english_one.subject == "A new password for Consilience"
    assert translation.get_language() == "en"


def test_notices_are_written_in_their_reader_s_language(cohort: Cohort, settings: Any) -> None:
    settings.EMAIL_CONFIGURED = True
    User.objects.filter(pk=cohort.scientist.pk).update(language="de", time_zone="Europe/Berlin")
    actions.gather(by=TEST)
    run_job(cohort, rounds=1)
    actions.gather(by=TEST)
    deliveries.deliver_due(by=TEST)
    reported = next(one for one in mail.outbox if one.to == [cohort.scientist.email])
    assert reported.subject.startswith("[Consilience] Fertig: ")
    assert "Genauigkeit 0," in reported.body
    assert "Wählen Sie Ihre Benachrichtigungen:" in reported.body
    assert Notice.objects.get(kind="job.completed").subject.startswith("Completed: ")
