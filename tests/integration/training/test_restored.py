"""A platform restored from an older backup: silos report, numbers go on, jobs end with that reason, logs break."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from django.test import Client

from audit import chaining, checkpoints
from audit.models import Checkpoint, Event, LogRestored, LostHead
from evidence import audit_checkpoints
from evidence.bundles import bundle_of
from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import read_bundle
from federation.evidence.report import Report, Verdict
from federation.evidence.verification import verify_evidence
from federation.protocol.chains import chain_of
from federation.protocol.documents import ChainHead, KeptHead, LogAcceptance, Refusal, SiloState, now, sign_document
from federation.protocol.documents.states import NUMBER_REPORTED_MAX
from federation.protocol.keys import PrivateKey
from federation.protocol.tree_heads import TreeHead
from silos.models import Silo
from tests.integration.evidence.test_evidence import everybody_signs, report_of
from tests.support.cohort import Cohort, make_cohort, run_job
from tests.support.federation import ENVIRONMENT, TEST, PlayedSilo
from tests.support.logs import PlayedLog
from training.engine import answers, closing, issuing, start
from training.engine.long_poll import accept_heartbeat
from training.engine.restored import LOST_HEADS_MAX
from training.engine.sql.orders import next_order_numbers
from training.launch.actions import launch
from training.models import Job, Order
from training.transitions import OUTSTANDING, JobState

pytestmark = pytest.mark.django_db


@pytest.fixture
def cohort() -> Cohort:
    """Everybody, with an agreement in force."""
    return make_cohort()


def state_of(played: PlayedSilo, highest: int = 0, key: PrivateKey | None = None, **changes: Any) -> dict[str, Any]:
    """The sealed statement of a silo, as the trainer puts it into its status."""
    by_name = {"silo_id": played.silo.id, "highest_number": highest, "made_at": now(), **changes}
    sealed: dict[str, Any] = json.loads(sign_document(SiloState.model_validate(by_name), key or played.identity))
    return sealed


def send_heartbeat(played: PlayedSilo, seen: dict[str, Any] | None = None, *acceptances: dict[str, Any]) -> Silo:
    """A heartbeat; the silo as the platform knows it then."""
    played.silo.refresh_from_db()
    accept_heartbeat(played.silo, {"trainer": {"seen": seen, "log_acceptances": list(acceptances)}})
    played.silo.refresh_from_db()
    return played.silo


def reported(verb: str) -> list[dict[str, Any]]:
    """What events of this kind say."""
    return list(Event.objects.filter(verb=verb).order_by("id").values_list("detail", flat=True))


def test_numbers_go_on_above_what_a_silo_shows_and_never_go_back(cohort: Cohort) -> None:
    first = cohort.federation.silos[0]
    issued = first.silo.orders_issued
    silo = send_heartbeat(first, state_of(first, issued + 40))
    assert (silo.orders_issued, silo.numbers_lost) == (issued + 40, 40)
    assert reported("silo.numbers_ahead") == [{"issued": issued, "highest": issued + 40, "lost": 40}]
    send_heartbeat(first, state_of(first, issued + 3))
    send_heartbeat(first, state_of(first, issued + 40))
    assert next_order_numbers([silo.id]) == {silo.id: issued + 41}
    assert len(reported("silo.numbers_ahead")) == 1


def test_who_invents_heads_fills_nobodys_log(cohort: Cohort) -> None:
    """Neither with many heads at once, nor again and again, nor by the organisation's own word for each."""
    first, second = cohort.federation.silos[:2]
    chain, before = chain_of(cohort.federation.consortium.id), Event.objects.count()

    def invented(place: int) -> KeptHead:
        return KeptHead(position=10**6 + place, digest=f"{place:064x}", root=f"{place:064x}")

    for beaten in range(3):
        heads = [ChainHead(chain=chain, **invented(50 * beaten + place).model_dump()) for place in range(50)]
        send_heartbeat(first, state_of(first, heads=heads))
    given = []
    for place in range(500, 520):
        statement = LogAcceptance(
            identity_key=first.identity.public.encoded,
            signatory_key=first.signatory.public.encoded,
            chain=chain,
            kept=invented(place),
            shown=invented(0),
            accepted_at=now(),
        )
        given.append(json.loads(sign_document(statement, first.signatory)))
    for acceptance in given:
        send_heartbeat(first, state_of(first), acceptance)
    assert LostHead.objects.filter(silo_id=first.silo.id).count() == LOST_HEADS_MAX
    assert LogRestored.objects.count() == 1
    assert Event.objects.count() - before <= 2 * LOST_HEADS_MAX
    send_heartbeat(second, state_of(second, heads=[ChainHead(chain=chain, **invented(7).model_dump())]))
    assert LostHead.objects.filter(silo_id=second.silo.id).count() == 1, "others are still heard"


def test_who_lies_burns_only_its_own_numbers_and_never_all(cohort: Cohort) -> None:
    first, second = cohort.federation.silos[:2]
    before = first.silo.orders_issued
    assert send_heartbeat(first, state_of(first, NUMBER_REPORTED_MAX + 1)).orders_issued == before
    assert send_heartbeat(first, state_of(first, 900, second.identity)).orders_issued == before
    assert send_heartbeat(first, state_of(second, 900)).orders_issued == before
    assert send_heartbeat(first, {"payload": "", "payloadType": "x", "signatures": []}).orders_issued == before
    second.silo.refresh_from_db()
    assert second.silo.orders_issued == before
    assert reported("silo.numbers_ahead") == []


def refuse(played: PlayedSilo, order: Order, code: str, highest: int | None = None) -> None:
    """The trainer's signed no."""
    statement = Refusal(
        order_id=order.id,
        number=order.number,
        silo_id=played.silo.id,
        job_id=order.round.job_id,
        code=code,
        message="No.",
        highest_number=highest,
        environment=ENVIRONMENT,
        created_at=now(),
    )
    answers.answer(document=sign_document(statement, played.identity), by=played.silo)


def refused_by_all(cohort: Cohort, job: Job, code: str, highest: int | None = None) -> Job:
    """Every silo refuses its order of the open round, and the round is closed."""
    orders = Order.objects.filter(step__round__job=job, state__in=OUTSTANDING).select_related("step__round")
    for order in orders:
        played = cohort.federation.played(order.silo_id)
        played.silo.refresh_from_db()
        refuse(played, order, code, highest)
    closing.close_step(
        step_id=orders.model.objects.filter(step__round__job=job).latest("number").round_step.id, by=TEST
    )
    job.refresh_from_db()
    return job


def running(cohort: Cohort) -> Job:
    """A job whose first round is open."""
    job = launch(consortium=cohort.federation.consortium, request=cohort.federation.request(), by=cohort.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return job


def test_a_round_whose_numbers_were_used_is_opened_again_above_them(cohort: Cohort) -> None:
    job = refused_by_all(cohort, running(cohort), "order.number_reused", 500)
    assert job.state == JobState.RUNNING
    again = Order.objects.filter(step__round__job=job, state__in=OUTSTANDING)
    assert {order.number for order in again} == {501}
    assert reported("round.abandoned")[-1]["code"] == "platform.restored"


@pytest.mark.parametrize("code", ["order.reordered", "model.swapped"])
def test_a_job_that_silos_are_ahead_in_ends_with_that_reason(cohort: Cohort, code: str) -> None:
    job = refused_by_all(cohort, running(cohort), "order.number_reused", 500)
    job = refused_by_all(cohort, job, code)
    assert (job.state, job.reason_code) == (JobState.FAILED, "platform.restored")
    assert "Launch it again" in job.reason_text


def test_the_same_refusals_say_nothing_of_a_restore_where_no_silo_was_ahead(cohort: Cohort) -> None:
    job = refused_by_all(cohort, running(cohort), "model.swapped")
    assert reported("round.abandoned")[-1]["code"] == "round.quorum_not_met"
    assert job.state != JobState.FAILED


def test_a_log_that_broke_is_reported_once_and_signed_again_once_a_steward_accepts(
    cohort: Cohort, client: Client
) -> None:
    job = run_job(cohort)
    everybody_signs(cohort)
    assert report_of(job).verdict is Verdict.HOLDS
    first, second = cohort.federation.silos[:2]
    chain = chain_of(cohort.federation.consortium.id)
    lost = PlayedLog.of_length(chain, 400).head(400)
    for played in (first, second):
        silo = send_heartbeat(
            played, state_of(played, heads=(ChainHead(chain=chain, **asdict(lost)),), platform_older=True)
        )
        assert silo.platform_older
        send_heartbeat(played, state_of(played, heads=(ChainHead(chain=chain, **asdict(lost)),), platform_older=True))
    assert (LogRestored.objects.count(), LostHead.objects.count()) == (1, 2)
    assert (len(reported("log.restored")), len(reported("log.head_lost"))) == (1, 2)
    report = report_of(job)
    assert (report.verdict, {limit.code for limit in report.limits}) == (Verdict.LIMITED, {"evidence.log_restored"})
    client.force_login(cohort.steward)
    assert "keeps event 400" in client.get("/activity/chains/").content.decode()
    assert "older than what this silo saw" in client.get(f"/silos/{first.silo.id}/").content.decode()
    assert "older than what this silo saw" in client.get("/").content.decode()
    client.force_login(cohort.neighbour)
    assert "older than what this silo saw" not in client.get(f"/silos/{first.silo.id}/").content.decode()

    chaining.chain_new()
    checkpoints.sign_heads(issuing.signing_key())
    shown = Checkpoint.objects.filter(chain=chain).latest("position")
    word = LogAcceptance(
        identity_key=first.identity.public.encoded,
        signatory_key=first.signatory.public.encoded,
        chain=chain,
        kept=KeptHead(**asdict(lost)),
        shown=KeptHead(position=shown.position, digest="0" * 64),
        accepted_at=now(),
    )
    forged = json.loads(sign_document(word, second.signatory))
    send_heartbeat(first, None, forged)
    assert reported("log.accepted") == []
    accepted = json.loads(sign_document(word, first.signatory))
    for _ in range(2):
        send_heartbeat(first, state_of(first), accepted)
    assert [one["kept"] for one in reported("log.accepted")] == [400]
    assert not first.silo.platform_older
    everybody_signs(cohort)
    bundle = list(bundle_of(job))
    assert sum(1 for entry in read_bundle(bundle) if entry.name.startswith("broken/")) == 3
    assert "evidence.log_restored" in {limit.code for limit in report_of(job).limits}


def test_who_refused_a_broken_log_is_asked_again_once_it_is_accepted(cohort: Cohort) -> None:
    first = cohort.federation.silos[0]
    chain = chain_of(cohort.federation.consortium.id)
    lost = PlayedLog.of_length(chain, 400).head(400)
    chaining.chain_new()
    key = issuing.signing_key()
    checkpoints.sign_heads(key)
    audit_checkpoints.issue_orders(key)
    order = Order.objects.get(silo=first.silo, kind="checkpoint")
    by_name = Refusal(
        order_id=order.id,
        number=order.number,
        silo_id=first.silo.id,
        job_id=None,
        code="checkpoint.goes_back",
        message="No.",
        kept=KeptHead(**asdict(lost)),
        environment=ENVIRONMENT,
        created_at=now(),
    )
    answers.answer(document=sign_document(by_name, first.identity), by=first.silo)
    asked = Order.objects.filter(silo=first.silo, kind="checkpoint")
    audit_checkpoints.issue_orders(key)
    assert asked.count() == 1, "who refused is left alone for an hour"
    for _ in range(2):
        send_heartbeat(first, state_of(first, heads=(ChainHead(chain=chain, **asdict(lost)),)))
    assert LostHead.objects.count() == 1, "also where the refusal has told of the head before"
    word = LogAcceptance(
        identity_key=first.identity.public.encoded,
        signatory_key=first.signatory.public.encoded,
        chain=chain,
        kept=KeptHead(**asdict(lost)),
        shown=KeptHead(position=1, digest="0" * 64),
        accepted_at=now(),
    )
    send_heartbeat(first, None, json.loads(sign_document(word, first.signatory)))
    audit_checkpoints.issue_orders(key)
    assert asked.count() == 2


def test_a_silo_that_gave_up_a_head_sees_the_break_also_where_the_bundle_hides_it(cohort: Cohort) -> None:
    job = run_job(cohort)
    everybody_signs(cohort)
    chain = chain_of(cohort.federation.consortium.id)
    evidence = gather(read_bundle(bundle_of(job)))

    def verified(position: int) -> Report:
        return verify_evidence(evidence, None, None, {chain: {TreeHead(position, "0" * 64)}})

    assert {limit.code for limit in verified(400).limits} == {"evidence.log_restored"}
    assert verified(1).holds, "what began after it is not touched"
