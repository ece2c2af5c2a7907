"""Heads of audit chains between platform and silos: ordered until countersigned, and answers kept as they came."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit import chaining, checkpoints
from audit.models import Checkpoint, Countersignature, Event, Link, Unchained
from consortia.actions import edit_consortium
from evidence import audit_checkpoints
from federation.errors import FederationError, Invalid
from federation.protocol import documents
from federation.protocol.chains import chain_of
from federation.protocol.documents import AuditCheckpoint, CheckpointOrder, now, read, sign_document
from federation.protocol.envelope import payload_unverified, sign
from federation.protocol.tree_heads import TreeHead, why_not_after
from rest.errors import Conflict, NotFound
from silos.models import Silo
from tests.integration.audit.test_chains import forge
from tests.support.federation import ENVIRONMENT, Federation, PlayedSilo, make_federation
from training import models
from training.engine import issuing
from training.engine.answers import answer
from training.engine.kinds.audit_checkpoint import accept_countersignature
from training.engine.long_poll import accept_answer, fetch_deliverable_orders
from training.transitions import OrderState

pytestmark = pytest.mark.django_db


@pytest.fixture
def federation() -> Federation:
    """Three silos, and the head of their consortium signed."""
    made = make_federation()
    sign_heads()
    return made


def sign_heads() -> int:
    """What the worker does every minute: how many orders came of it."""
    chaining.chain_new()
    key = issuing.signing_key()
    checkpoints.sign_heads(key)
    return audit_checkpoints.issue_orders(key)


def move(federation: Federation, name: str) -> None:
    """Something happens, and the chain is longer."""
    edit_consortium(consortium=federation.consortium, name=name, description="", by=federation.administrator)


def given(played: PlayedSilo) -> list[CheckpointOrder]:
    """The orders that a poll of the silo brings, as the platform has signed them."""
    key = issuing.signing_key().public
    found = fetch_deliverable_orders(played.silo, [])
    assert all(
        (delivered.manifest, delivered.inputs, delivered.agreement) == (b"null", {}, None) for delivered in found.orders
    )
    return [documents.verify_document(CheckpointOrder, delivered.order, [key]) for delivered in found.orders]


def countersigned(played: PlayedSilo, order: CheckpointOrder) -> bytes:
    """What the trainer makes of a head."""
    return sign(
        payload_unverified(json.dumps(order.checkpoint).encode()), AuditCheckpoint.payload_type, played.identity
    )


def refusal(played: PlayedSilo, order: CheckpointOrder, code: str = "checkpoint.forked", **changes: object) -> bytes:
    """What the trainer says to a head that it does not sign."""
    by_name = {
        "order_id": order.order_id,
        "number": order.number,
        "silo_id": order.silo_id,
        "job_id": None,
        "code": code,
        "message": "The record is not the one that this silo has countersigned before: it was rewritten.",
        "environment": ENVIRONMENT,
        "created_at": now(),
    }
    return sign_document(documents.Refusal.model_validate(by_name | changes), played.identity)


def test_a_head_is_ordered_until_this_silo_has_countersigned_it(federation: Federation) -> None:
    first, second = federation.silos[:2]
    (order,) = given(first)
    parsed = read(AuditCheckpoint, payload_unverified(json.dumps(order.checkpoint).encode()))
    assert parsed.chain == chain_of(federation.consortium.id)
    assert order.silo_id == first.silo.id
    assert sign_heads() == 0  # nothing has moved, and what is open is not ordered twice
    document = json.loads(countersigned(first, order))
    assert accept_answer(first.silo, {"document": document}) == {"state": "submitted", "code": None}
    assert accept_answer(first.silo, {"document": document}) == {"state": "submitted", "code": None}  # and again
    assert given(first) == []
    assert len(given(second)) == 1
    assert Countersignature.objects.get().silo_id == first.silo.id
    move(federation, "Renamed")
    assert sign_heads() == 1  # the others have one open
    (newer,) = given(first)
    assert newer.number > order.number
    assert newer.checkpoint != order.checkpoint


def test_what_the_relay_holds_is_not_delivered_again(federation: Federation) -> None:
    first = federation.silos[0]
    (order,) = given(first)
    assert fetch_deliverable_orders(first.silo, [order.order_id]).orders == ()
    models.Order.objects.filter(id=order.order_id).update(expires_at=timezone.now())
    assert given(first) == []
    assert sign_heads() == 1
    assert given(first)[0].order_id != order.order_id


def follows(order: CheckpointOrder, kept: TreeHead) -> str | None:
    """Why the head of an order does not follow from one, by the proof that came along."""
    document = read(AuditCheckpoint, payload_unverified(json.dumps(order.checkpoint).encode()))
    assert order.proof is not None
    return why_not_after(kept, TreeHead(document.position, document.digest, document.root), order.proof.hashes)


def head_of(order: CheckpointOrder) -> TreeHead:
    """The head that is to be countersigned."""
    document = read(AuditCheckpoint, payload_unverified(json.dumps(order.checkpoint).encode()))
    return TreeHead(document.position, document.digest, document.root)


def test_each_head_is_proven_from_the_one_that_the_silo_keeps(federation: Federation) -> None:
    first = federation.silos[0]
    (order,) = given(first)
    assert order.proof is None, "nothing is kept yet"
    accept_countersignature(document=countersigned(first, order), by=first.silo)
    for name in ("One", "Two"):
        kept = head_of(order)
        move(federation, name)
        sign_heads()
        (order,) = given(first)
        assert order.proof is not None
        assert order.proof.follows.position == kept.position
        assert follows(order, kept) is None
        accept_countersignature(document=countersigned(first, order), by=first.silo)


def test_a_silo_that_keeps_another_head_shows_which_and_is_asked_again_at_once(federation: Federation) -> None:
    """As after an answer that was lost with the relay, or of a head that was kept under protocol 1.0."""
    first = federation.silos[0]
    (order,) = given(first)
    kept = replace(head_of(order), root=None)
    by_name = documents.KeptHead(**asdict(kept))
    answer(document=refusal(first, order, "checkpoint.other_head", kept=by_name), by=first.silo)
    assert Event.objects.get(verb__startswith="checkpoint.").verb == "checkpoint.refused"
    assert sign_heads() == 1
    (again,) = given(first)
    assert again.proof is not None
    assert again.proof.follows == by_name
    assert follows(again, kept) is None
    assert audit_checkpoints.contradicted([chain_of(federation.consortium.id)]) == []


def test_a_log_that_was_rewritten_and_has_grown_brings_no_proof_that_holds(federation: Federation) -> None:
    first, chain = federation.silos[0], chain_of(federation.consortium.id)
    (order,) = given(first)
    accept_countersignature(document=countersigned(first, order), by=first.silo)
    rewrite(chain)
    move(federation, "Grown")
    sign_heads()
    (forged,) = given(first)
    assert follows(forged, head_of(order)) == "checkpoint.forked"
    assert chaining.verify(chain).broken is None, "whole in itself: only a head that is kept elsewhere tells"


def rewrite(chain: str) -> None:
    """What somebody does who owns the database and the key: another history, with a tree and heads that fit it."""
    links = list(Link.objects.filter(chain=chain).order_by("position"))
    forge("UPDATE audit_event SET actor_name = 'Somebody else' WHERE id = %s", links[0].event_id)
    for table in ("audit_link", "audit_treenode", "audit_head"):
        forge(f"DELETE FROM {table} WHERE chain = %s", chain)
    Unchained.objects.bulk_create(Unchained(event_id=link.event_id) for link in links)
    chaining.chain_new()
    models.Order.objects.filter(audit_checkpoint__chain=chain).delete()
    Checkpoint.objects.filter(chain=chain).delete()


def test_numbers_are_those_of_the_silos_other_orders(federation: Federation) -> None:
    first = federation.silos[0]
    (order,) = given(first)
    assert order.number == Silo.objects.get(id=first.silo.id).orders_issued


def test_only_silos_that_are_there_and_only_heads_of_their_own_consortia(federation: Federation) -> None:
    other = make_federation(name="other")
    away, gone = other.silos[:2]
    Silo.objects.filter(id=away.silo.id).update(silent_since=timezone.now())
    Silo.objects.filter(id=gone.silo.id).update(state=Silo.State.REVOKED)
    sign_heads()
    (order,) = given(other.silos[2])
    assert read(AuditCheckpoint, payload_unverified(json.dumps(order.checkpoint).encode())).chain == chain_of(
        other.consortium.id
    )
    assert given(away) == given(gone) == []
    assert federation


def test_what_the_platform_has_not_signed_or_another_silo_has_is_not_kept(federation: Federation) -> None:
    first, second = federation.silos[:2]
    (order,) = given(first)
    with pytest.raises(FederationError) as caught:
        accept_countersignature(document=countersigned(second, order), by=first.silo)
    assert caught.value.code == "signature.invalid"
    row = Checkpoint.objects.get(chain=chain_of(federation.consortium.id))
    invented = AuditCheckpoint(chain=row.chain, position=row.position, digest="f" * 64, made_at=now())
    with pytest.raises(Invalid) as refused:
        accept_countersignature(document=sign_document(invented, first.identity), by=first.silo)
    assert refused.value.code == "checkpoint.unknown"
    assert not Countersignature.objects.exists()


def test_a_refusal_is_kept_written_down_and_shown_until_the_silo_signs_again(
    federation: Federation, client: Client
) -> None:
    first = federation.silos[0]
    chain = chain_of(federation.consortium.id)
    (order,) = given(first)
    document = refusal(first, order)
    for _ in range(2):  # the same bytes again change nothing
        taken = answer(document=document, by=first.silo)
        assert (taken.state, taken.code) == (OrderState.REFUSED, "checkpoint.forked")
    kept = models.Order.objects.get(id=order.order_id)
    assert (kept.state, kept.code, bytes(kept.refusal.document)) == ("refused", "checkpoint.forked", document)
    event = Event.objects.get(verb="checkpoint.contradicted")
    assert (event.consortium_id, event.subject_id) == (federation.consortium.id, str(first.silo.id))
    assert event.detail["code"] == "checkpoint.forked"
    (reported,) = audit_checkpoints.contradicted([chain])
    assert (reported.silo, reported.code) == (first.silo.name, "checkpoint.forked")
    client.force_login(federation.administrator)
    page = client.get("/activity/chains/").content.decode()
    assert f"{first.silo.name} does not countersign the audit log of" in page
    assert sign_heads() == 0  # asked again after an hour, not at once
    models.Order.objects.filter(id=order.order_id).update(answered_at=timezone.now() - timedelta(hours=2))
    assert sign_heads() == 1
    (again,) = given(first)
    accept_countersignature(document=countersigned(first, again), by=first.silo)
    assert audit_checkpoints.contradicted([chain]) == []


def test_a_refusal_for_another_reason_says_nothing_against_the_audit_log(federation: Federation) -> None:
    first = federation.silos[0]
    (order,) = given(first)
    answer(document=refusal(first, order, "order.expired"), by=first.silo)
    assert Event.objects.get(verb__startswith="checkpoint.").verb == "checkpoint.refused"
    assert audit_checkpoints.contradicted([chain_of(federation.consortium.id)]) == []


def test_an_answer_that_does_not_fit_is_refused_and_changes_nothing(federation: Federation) -> None:
    first, second = federation.silos[:2]
    (order,), (others,) = given(first), given(second)
    with pytest.raises(NotFound):
        answer(document=refusal(first, others, silo_id=first.silo.id), by=first.silo)
    with pytest.raises(Invalid) as caught:
        answer(document=refusal(first, order, number=order.number + 1), by=first.silo)
    assert caught.value.code == "submission.other_order"
    assert not models.Order.objects.exclude(code="").exists()
    answer(document=refusal(first, order), by=first.silo)
    with pytest.raises(Conflict) as conflict:
        answer(document=refusal(first, order, "checkpoint.goes_back"), by=first.silo)
    assert conflict.value.code == "order.already_answered"


def test_old_orders_and_signatures_that_later_ones_stand_for_are_deleted(federation: Federation) -> None:
    first, second = federation.silos[:2]
    long_ago = timezone.now() - timedelta(days=40)
    (order,) = given(first)
    accept_countersignature(document=countersigned(first, order), by=first.silo)
    answer(document=refusal(second, given(second)[0]), by=second.silo)
    move(federation, "Renamed")
    sign_heads()
    (newer,) = given(first)
    accept_countersignature(document=countersigned(first, newer), by=first.silo)
    models.Order.objects.update(issued_at=long_ago)
    Countersignature.objects.update(at=long_ago)
    audit_checkpoints.delete_old_countersignatures()
    left = models.Order.objects.get()
    assert (left.silo_id, left.code) == (second.silo.id, "checkpoint.forked")
    newest = Checkpoint.objects.filter(chain=chain_of(federation.consortium.id)).order_by("-position").first()
    assert Countersignature.objects.get().checkpoint == newest
