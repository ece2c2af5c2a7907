"""What the last refused request of a silo said is shown to its own people, and no stranger can write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from federation.errors import FederationError
from federation.protocol.keys import PrivateKey
from federation.protocol.requests import sign_request
from silos import actions
from silos.health import note_heartbeat
from silos.models import RefusedRequest, Silo
from silos.requests import SignedRequest, authenticate
from silos.transitions import SiloState
from tests.support.cohort import Cohort, browser
from tests.support.world import client_of

pytestmark = pytest.mark.django_db

PATH = "/connector/v1/heartbeat"


def ask(cohort: Cohort, key: PrivateKey | None = None, **signing: Any) -> str:
    """The code with which a request of the first silo is refused; empty where it is taken."""
    played, body = cohort.federation.silos[0], b"{}"
    headers = sign_request("POST", PATH, body, key or played.transport, str(played.silo.id), **signing)
    try:
        authenticate(SignedRequest("POST", PATH, {name.lower(): text for name, text in headers.items()}, body))
    except FederationError as error:
        return error.code
    return ""


def kept(cohort: Cohort) -> RefusedRequest | None:
    return RefusedRequest.objects.filter(silo=cohort.silo).first()


def earlier(cohort: Cohort, **ago: float) -> None:
    RefusedRequest.objects.filter(silo=cohort.silo).update(at=timezone.now() - timedelta(**ago))


@pytest.mark.parametrize(("skew_s", "way"), [(-600, "600 s behind"), (600, "600 s ahead")])
def test_a_clock_that_is_off_is_measured_and_shown_with_what_to_do(cohort: Cohort, skew_s: int, way: str) -> None:
    note_heartbeat(by=cohort.silo, report={"clock_skew_s": 0.7})
    assert ask(cohort, now=datetime.now(UTC) + timedelta(seconds=skew_s)) == "signature.clock"
    body = client_of(cohort.it).get(f"/api/v1/silos/{cohort.silo.id}/").json()
    assert (body["health"], body["last_refused_request"]["code"]) == ("refused", "signature.clock")
    assert body["last_refused_request"]["clock_skew_s"] == pytest.approx(skew_s, abs=30)
    assert "Set it by NTP" in body["last_refused_request"]["remedy"]
    page = browser(cohort.it).get(f"/silos/{cohort.silo.id}/").content.decode()
    assert "signature.clock" in page
    assert way[6:] in page
    assert "0.7 s" not in page
    assert "refused" in browser(cohort.it).get("/silos/").content.decode()
    # a heartbeat that is taken again ends it; what it was stays to be read
    earlier(cohort, minutes=1)
    note_heartbeat(by=cohort.silo, report={"clock_skew_s": 0.7})
    body = client_of(cohort.it).get(f"/api/v1/silos/{cohort.silo.id}/").json()
    assert (body["health"], body["last_refused_request"]["code"]) == ("online", "signature.clock")
    assert "Last refused request" in browser(cohort.it).get(f"/silos/{cohort.silo.id}/").content.decode()


def test_a_clock_that_is_off_is_shown_before_the_silo_is_confirmed(cohort: Cohort) -> None:
    """In its first hour: anyone who waits for its first sign of life sees why none comes."""
    waits = {"state": SiloState.PRESENTED, "last_seen_at": None, "confirmed_at": None}
    Silo.objects.filter(pk=cohort.silo.pk).update(**waits)
    assert ask(cohort) == "silo.unconfirmed"
    assert "Its requests are refused" not in browser(cohort.it).get(f"/silos/{cohort.silo.id}/").content.decode()
    earlier(cohort, minutes=1)
    assert ask(cohort, now=datetime.now(UTC) + timedelta(minutes=10)) == "signature.clock"
    page = browser(cohort.it).get(f"/silos/{cohort.silo.id}/").content.decode()
    assert "Its requests are refused" in page
    assert "s ahead; 60 s are allowed. Set it by NTP" in page


def test_others_see_that_a_silo_is_refused_and_not_why(cohort: Cohort) -> None:
    ask(cohort, now=datetime.now(UTC) - timedelta(minutes=10))
    body = client_of(cohort.neighbour).get(f"/api/v1/silos/{cohort.silo.id}/").json()
    assert (body["health"], body["last_refused_request"]) == ("refused", None)
    page = browser(cohort.neighbour).get(f"/silos/{cohort.silo.id}/").content.decode()
    assert "signature.clock" not in page
    assert client_of(cohort.outsider).get(f"/api/v1/silos/{cohort.silo.id}/").status_code == 404


def test_a_stranger_writes_nothing(cohort: Cohort) -> None:
    late = datetime.now(UTC) - timedelta(minutes=10)
    stranger = PrivateKey.generate()
    assert ask(cohort, stranger) == "signature.invalid"
    assert ask(cohort, stranger, now=late) == "signature.invalid"
    assert ask(cohort, cohort.federation.silos[1].transport, now=late) == "signature.invalid"
    assert kept(cohort) is None
    # nor does the key that the silo had before it was enrolled again
    Silo.objects.filter(id=cohort.silo.id).update(transport_key=stranger.public.raw)
    assert ask(cohort, now=late) in ("signature.invalid", "signature.clock")
    assert kept(cohort) is None


def test_a_request_that_comes_twice_is_kept(cohort: Cohort) -> None:
    nonce = "n" * 24
    assert ask(cohort, nonce=nonce) == ""
    assert ask(cohort, nonce=nonce) == "signature.replayed"
    last = kept(cohort)
    assert last is not None
    assert (last.code, last.clock_skew_s) == ("signature.replayed", None)


def test_a_revoked_silo_that_still_asks_is_shown(cohort: Cohort) -> None:
    actions.revoke(silo=cohort.silo, by=cohort.administrator)
    assert ask(cohort) == "silo.revoked"
    page = browser(cohort.it).get(f"/silos/{cohort.silo.id}/").content.decode()
    assert "its relay still asks" in page


def test_refused_requests_are_written_seldom(cohort: Cohort) -> None:
    late = datetime.now(UTC) - timedelta(minutes=10)
    ask(cohort, now=late)
    first = kept(cohort)
    assert first is not None
    ask(cohort, now=late)
    ask(cohort, nonce="n" * 24)
    ask(cohort, nonce="n" * 24)
    again = kept(cohort)
    assert again is not None
    assert (again.code, again.at) == (first.code, first.at)
    earlier(cohort, seconds=30)  # the same is reported a minute later at the earliest, another after ten seconds
    before = kept(cohort)
    ask(cohort, now=late)
    assert before is not None
    assert RefusedRequest.objects.get(silo=cohort.silo).at == before.at
    assert ask(cohort, nonce="n" * 24) == "signature.replayed"
    assert RefusedRequest.objects.get(silo=cohort.silo).code == "signature.replayed"
    assert RefusedRequest.objects.count() == 1


def test_what_the_silo_says_of_its_clock_is_bounded(cohort: Cohort) -> None:
    assert ask(cohort, now=datetime(9999, 1, 1, tzinfo=UTC)) == "signature.clock"
    last = kept(cohort)
    assert last is not None
    assert last.clock_skew_s == 1e9
