"""Orders that nobody can answer any more are called back, so that nobody waits for them until the deadline."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from audit.actors import Actor
from audit.reasons import Reason
from consortia.models import Participation
from consortia.transitions import ParticipationState
from realtime import notices
from silos.transitions import SiloState
from training.engine import stepless
from training.engine.kinds import stepless_kind
from training.models import Order
from training.states import record_job_event
from training.transitions import OUTSTANDING, OrderState


def call_back(*, by: Actor) -> int:
    """Cancel open orders of silos that may not work any more, and of members that have left. How many there were.

    Each is a transaction of its own, with one order locked: it waits for nobody who waits for it. What is left
    of a round is for the nudge that follows: it closes, by the quorum's rules, once nobody else has to answer.
    """
    taking_part = Participation.objects.filter(
        consortium=OuterRef("job__consortium"),
        organisation=OuterRef("silo__organisation"),
        state=ParticipationState.ACTIVE,
    )
    lost = (
        Order.objects.filter(state__in=OUTSTANDING, job__isnull=False)
        .annotate(is_member=Exists(taking_part))
        .filter(~Q(silo__state=SiloState.ACTIVE) | Q(is_member=False))
        .select_related("silo", "job", "step__round")
        .defer("envelope", "job__manifest")
        .order_by("pk")
    )
    return sum(_call_back(order, by) for order in lost)


def _call_back(order: Order, by: Actor) -> bool:
    why = Reason(_code(order), {})
    with transaction.atomic():
        if order.step_id is None and order.job_id is not None:
            stepless.lock_job(order.job_id)
        mine = Order.objects.filter(id=order.id, state__in=OUTSTANDING)  # an answer may have been quicker
        if not mine.move(OrderState.CANCELLED, code=why.code, params=why.params, ended_at=timezone.now()):
            return False
        assert order.job is not None  # asked for above
        if order.step is None:
            stepless_kind(order.kind).settle([order.id], OrderState.CANCELLED, by)
        in_round = {} if order.step is None else {"round": order.step.round.number}
        record_job_event(
            job=order.job,
            verb="order.recalled",
            by=by,
            detail={**in_round, "silo": order.silo.name, **why.detail},
            evidence={"order": str(order.id)},
        )
        notices.notify(notices.ORDERS, [order.silo_id])
    return True


def _code(order: Order) -> str:
    if order.silo.state == SiloState.REVOKED:
        return "silo.revoked"
    if order.silo.state != SiloState.ACTIVE:
        return "silo.unconfirmed"
    return "participation.ended"
