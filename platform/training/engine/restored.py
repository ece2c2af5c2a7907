"""What silos have seen of this platform that it does not know itself: it was restored from an older backup.

Each silo reports its highest number and its heads with the heartbeat, signed by its identity key. Numbers go on above
what it reported. A head that the log here does not lead through is recorded: the log broke, and stays broken.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit.actions import record
from audit.models import Head, Link, LogRestored, LostHead, SiloHead
from audit.reasons import Reason
from consortia.models import Participation
from federation.errors import FederationError, Invalid
from federation.protocol.chains import chain_of, consortium_of
from federation.protocol.documents import KeptHead, LogAcceptance, SiloState, verify_document
from federation.protocol.documents.states import NUMBER_REPORTED_MAX
from federation.protocol.tree_heads import TreeHead
from silos.models import Silo
from training.engine.kept_heads import record_kept_head
from training.models import Job, Order
from training.transitions import OrderState

log = logging.getLogger(__name__)
RESTORED = "platform.restored"
NUMBER_REUSED = "order.number_reused"
AHEAD = frozenset({"order.reordered", "model.swapped", "manifest.changed"})
"""With these a silo says that it has done other or later work of a job than the platform knows of."""
_ACCEPTANCES_MAX = 20
LOST_HEADS_MAX = 3
"""So many heads of a chain does one silo lose in `LOST_WITHIN` at most: each is written into the members' log."""
LOST_WITHIN = timedelta(days=1)


def record_silo_state(*, report: dict[str, Any], by: Silo) -> None:
    """Take what a heartbeat's sealed statements say. What can't be verified is logged, and changes nothing."""
    trainer = report.get("trainer")
    if not isinstance(trainer, dict) or by.identity is None or by.signatory is None:
        return
    try:
        if isinstance(trainer.get("seen"), dict):
            _take_state(json.dumps(trainer["seen"]).encode(), by)
        acceptances = trainer.get("log_acceptances")
        for sealed in acceptances[:_ACCEPTANCES_MAX] if isinstance(acceptances, list) else ():
            _take_acceptance(json.dumps(sealed).encode(), by)
    except FederationError as error:
        log.warning("silo %s: its statement about the platform is not taken: %s", by.id, error)


def raise_numbers(*, highest: int, by: Silo) -> bool:
    """Go on above the highest number that a silo reported, signed; whether this platform was behind. Never lowers.

    Who lies burns its own numbers only; above 2^52 nothing is believed, so that there is always a next number.
    """
    if not by.orders_issued < highest <= NUMBER_REPORTED_MAX:
        return False
    with transaction.atomic():
        silo = Silo.objects.select_for_update(no_key=True).get(id=by.id)
        lost = highest - silo.orders_issued
        if lost <= 0:
            return False
        issued, silo.orders_issued = silo.orders_issued, highest
        silo.numbers_ahead_at, silo.numbers_lost = timezone.now(), lost
        silo.save(update_fields=["orders_issued", "numbers_ahead_at", "numbers_lost"])
        record(
            by=by,
            verb="silo.numbers_ahead",
            subject=silo,
            organisation_id=silo.organisation_id,
            detail={"issued": issued, "highest": highest, "lost": lost},
        )
    return True


def _take_state(sealed: bytes, by: Silo) -> None:
    assert by.identity is not None
    document = verify_document(SiloState, sealed, [by.identity])
    if document.silo_id != by.id:
        raise Invalid("silo_state.other_silo", "The statement is another silo's.", "silo_id")
    raise_numbers(highest=document.highest_number, by=by)
    if document.platform_older != by.platform_older:
        Silo.objects.filter(id=by.id).update(platform_older=document.platform_older)
    if not document.heads:
        return
    own = _chains_of(by)
    known = set(SiloHead.objects.filter(silo_id=by.id, chain__in=own).values_list("chain", flat=True))
    for one_report in document.heads:
        head = TreeHead(one_report.position, one_report.digest, one_report.root)
        if one_report.chain not in own:
            continue
        if not _leads_through(
            one_report.chain, head
        ):  # also where a refusal has reported it before: it is to be recorded
            if _lost_heads(one_report.chain, head, by).exists():
                continue
            _note_lost(one_report.chain, head, sealed, by)
            record_kept_head(chain=one_report.chain, head=head, by=by, is_its_word=True)
        elif one_report.chain not in known:
            record_kept_head(chain=one_report.chain, head=head, by=by, is_its_word=True)


def _take_acceptance(sealed: bytes, by: Silo) -> None:
    assert by.identity is not None
    assert by.signatory is not None
    document = verify_document(LogAcceptance, sealed, [by.signatory])
    if document.identity_key != by.identity.encoded or document.chain not in _chains_of(by):
        raise Invalid("log_acceptance.other_silo", "The acceptance is for another silo.", "identity_key")
    kept = _head(document.kept)
    if _leads_through(document.chain, kept):
        return  # nothing broke here
    with transaction.atomic():
        row = _lost_heads(document.chain, kept, by).order_by("-pk").first() or _note_lost(
            document.chain, kept, sealed, by
        )
        row = LostHead.objects.select_for_update().get(pk=row.pk)
        if row.acceptance is not None:
            return
        row.acceptance, row.accepted_at = sealed, timezone.now()
        row.save(update_fields=["acceptance", "accepted_at"])
        record_kept_head(chain=document.chain, head=_head(document.shown), by=by, is_its_word=True)
        record(
            by=by,
            verb="log.accepted",
            subject=by,
            consortium_id=consortium_of(document.chain),
            organisation_id=by.organisation_id,
            detail={"kept": kept.position, "kept_digest": kept.digest, "goes_on_from": document.shown.position},
        )


def _chains_of(silo: Silo) -> set[str]:
    taking_part = Participation.objects.filter(organisation_id=silo.organisation_id)
    return {chain_of(one) for one in taking_part.values_list("consortium_id", flat=True)}


def _head(statement: KeptHead) -> TreeHead:
    return TreeHead(statement.position, statement.digest, statement.root)


def _leads_through(chain: str, head: TreeHead) -> bool:
    """Whether the chain here has this very link: it binds all before it."""
    if head.position == 0:
        return True
    digest = Link.objects.filter(chain=chain, position=head.position).values_list("digest", flat=True).first()
    return digest is not None and bytes(digest).hex() == head.digest


def _lost_heads(chain: str, head: TreeHead, silo: Silo) -> QuerySet[LostHead]:
    return LostHead.objects.filter(
        restored__chain=chain, silo_id=silo.id, position=head.position, digest=bytes.fromhex(head.digest)
    )


@transaction.atomic
def _note_lost(chain: str, head: TreeHead, sealed: bytes, by: Silo) -> LostHead:
    """Write down that the log broke: ``log.restored`` once an episode, and the head of each silo.

    Raises Invalid ``silo_state.too_many_breaks``: a silo that invents heads fills nobody's log.
    """
    here = Head.objects.select_for_update().filter(chain=chain).first()
    recent = LostHead.objects.filter(restored__chain=chain, silo_id=by.id, at__gt=timezone.now() - LOST_WITHIN)
    if recent.count() >= LOST_HEADS_MAX:
        raise Invalid(
            "silo_state.too_many_breaks",
            f"The silo has reported {LOST_HEADS_MAX} heads of {chain} that are not here, within a day.",
            "heads",
        )
    position = 0 if here is None else here.position
    detail: dict[str, object] = {"events": position, "kept": head.position, "digest": head.digest}
    record_of_log = partial(
        record,
        by=by,
        subject=by,
        consortium_id=consortium_of(chain),
        organisation_id=by.organisation_id,
        detail=detail,
    )
    episode = LogRestored.objects.filter(chain=chain).order_by("-pk").first()
    if episode is None or episode.heads.filter(silo_id=by.id, acceptance__isnull=False).exists():
        episode = LogRestored.objects.create(chain=chain, position=position, found_at=timezone.now())
        record_of_log(verb="log.restored")
    row, new = episode.heads.get_or_create(
        silo_id=by.id,
        position=head.position,
        digest=bytes.fromhex(head.digest),
        defaults={"document": sealed, "at": timezone.now()},
    )
    if new:
        record_of_log(verb="log.head_lost")
    return row


@dataclass(frozen=True)
class Unmet:
    """Why a round's quorum was not met, where that is because this platform was restored."""

    why: Reason
    ends_job: bool


def why_unmet(*, job: Job, step_id: int, quorum: int) -> Unmet | None:
    """Whether a step lacks answers because silos have seen more than this platform knows; None if it is not that."""
    orders = Order.objects.filter(step_id=step_id)
    refused = orders.filter(state=OrderState.REFUSED)
    reused = refused.filter(code=NUMBER_REUSED).count()
    launched_at = Job.objects.filter(id=job.id).values_list("created_at", flat=True).get()
    ahead = refused.filter(code__in=AHEAD, silo__numbers_ahead_at__gte=launched_at).count()
    if ahead and orders.count() - ahead < quorum:
        return Unmet(Reason(RESTORED, {"silos": ahead}), ends_job=True)
    if reused:
        return Unmet(Reason(RESTORED, {"knowing": reused}), ends_job=False)
    return None


@dataclass(frozen=True)
class Behind:
    """What a silo reported that this platform does not know."""

    silo: str
    orders_lost: int
    at: datetime


def numbers_lost() -> list[Behind]:
    """The silos that reported orders which are not here, the newest first."""
    rows = Silo.objects.filter(numbers_ahead_at__isnull=False).order_by("-numbers_ahead_at")
    return [Behind(one.name, one.numbers_lost, one.numbers_ahead_at) for one in rows if one.numbers_ahead_at]


@dataclass(frozen=True)
class ReportedHead:
    """A head of a lost log, as a silo holds it."""

    silo: str
    position: int
    digest: str
    is_accepted: bool


@dataclass(frozen=True)
class Broken:
    """A chain that broke: how long it was here when the first silo reported, and what the silos hold."""

    chain: str
    position: int
    found_at: datetime
    heads: tuple[ReportedHead, ...]

    @property
    def furthest(self) -> int:
        """The last event of the lost log of which a silo holds the head."""
        return max((head.position for head in self.heads), default=0)


def breaks(chains: Collection[str] | None = None) -> list[Broken]:
    """The breaks of these chains, or of all, the newest first."""
    rows = LogRestored.objects.prefetch_related("heads").order_by("-pk")
    found = list(rows if chains is None else rows.filter(chain__in=chains))
    ids = {head.silo_id for row in found for head in row.heads.all()}
    names = dict(Silo.objects.filter(id__in=ids).values_list("id", "name"))
    return [
        Broken(
            row.chain,
            row.position,
            row.found_at,
            tuple(
                ReportedHead(
                    names.get(head.silo_id, str(head.silo_id)),
                    head.position,
                    bytes(head.digest).hex(),
                    head.acceptance is not None,
                )
                for head in sorted(row.heads.all(), key=lambda head: head.pk)
            ),
        )
        for row in found
    ]
