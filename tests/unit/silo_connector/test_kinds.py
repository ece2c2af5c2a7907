"""Kinds of order are modules behind one registry: a new one is added without a change anywhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from federation.protocol.documents import (
    CheckpointOrder,
    Order,
    OrderKind,
    Refusal,
    SiloState,
    now,
    sign_document,
    verify_document,
)
from silo_connector import identity, spool
from silo_connector.trainer.kinds.kind import AnyKind
from silo_connector.trainer.kinds.registry import KINDS, Kinds
from silo_connector.trainer.refusals import REFUSALS, Refused
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.dummy_kind import StateKind, StateOrder
from tests.unit.silo_connector.sites import ROOT, Site


def state_order(site: Site, **changes: Any) -> StateOrder:
    """An order of a kind that connectors don't know."""
    fields = {
        "order_id": uuid4(),
        "number": 7,
        "silo_id": site.platform.silo_id,
        "job_id": uuid4(),
        "highest_number": 5,
        "issued_at": now(),
        "expires_at": now() + timedelta(days=1),
    }
    return StateOrder.model_validate(fields | changes)


def answered(site: Site, order: StateOrder, *more: AnyKind) -> bytes:
    """What a trainer with these kinds beside its own answers."""
    folder = site.inbox / str(order.order_id)
    folder.mkdir()
    (folder / spool.ORDER).write_bytes(sign_document(order, site.platform.key))
    trainer = Trainer(site.config, kinds=(*KINDS.values(), *more))
    trainer.start()
    trainer.process_inbox()
    trainer.close()
    return (site.outbox / str(order.order_id) / spool.DOCUMENT).read_bytes()


async def test_a_kind_that_was_added_is_carried_out(site: Site) -> None:
    order = state_order(site)
    document = verify_document(
        SiloState, answered(site, order, StateKind()), [identity.identity_key(site.config).public]
    )
    assert document.highest_number == 5
    assert not (site.inbox / str(order.order_id)).exists()


async def test_what_a_new_kind_refuses_is_answered_with_a_refusal(site: Site) -> None:
    order = state_order(site, highest_number=8)
    document = verify_document(Refusal, answered(site, order, StateKind()), [identity.identity_key(site.config).public])
    assert (document.code, document.job_id) == ("order.malformed", order.job_id)


async def test_an_unknown_kind_is_refused_with_a_stable_code(site: Site) -> None:
    order = state_order(site)
    document = verify_document(Refusal, answered(site, order), [identity.identity_key(site.config).public])
    assert document.code == "order.kind_not_supported"
    assert document.message == REFUSALS["order.kind_not_supported"]


@pytest.mark.parametrize("kind", [OrderKind.UNMASK, "nobody_knows"])
async def test_a_well_formed_order_of_a_kind_that_is_not_carried_out_is_refused(
    site: Site, trainer: Trainer, kind: str
) -> None:
    manifest = site.job()
    order = site.order(manifest, kind=kind)
    site.deliver(order, manifest)
    trainer.process_inbox()
    assert site.refusal(order) == "order.kind_not_supported"


def test_two_kinds_of_one_name_are_no_registry() -> None:
    with pytest.raises(ValueError, match="train"):
        Kinds((*KINDS.values(), KINDS["train"]))


def test_the_registry_knows_its_own_kinds_and_no_other() -> None:
    kinds = Kinds()
    assert {name: kind.document for name, kind in kinds.by_name.items()} == {
        "train": Order,
        "evaluate": Order,
        "statistics": Order,
        "checkpoint": CheckpointOrder,
    }
    assert kinds.urgent == {"checkpoint"}
    assert kinds.begin_rounds == {"train"}
    for name in set(OrderKind) - set(kinds.by_name):
        with pytest.raises(Refused, match=r"order\.kind_not_supported"):
            kinds.find(name)


# --- nobody outside of the modules asks which kind an order is --------------------------------------------------------

DOCUMENTS = {"Order", "CheckpointOrder"}


def asks_for_kinds(source: str) -> Iterator[str]:
    """Where a program distinguishes kinds of order: a member of the enumeration, a literal, an order's class."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="OrderKind"), attr=member):
                yield f"{node.lineno}: OrderKind.{member}"
            case ast.Compare(left=left, comparators=others):
                sides = [left, *others]
                is_kind = any(
                    (isinstance(one, ast.Attribute) and one.attr == "kind")
                    or (isinstance(one, ast.Name) and one.id == "kind")
                    for one in sides
                )
                if is_kind and any(
                    isinstance(word, ast.Constant) and isinstance(word.value, str)
                    for one in sides
                    for word in ast.walk(one)
                ):
                    yield f"{node.lineno}: a kind is compared with a word"
            case ast.Call(func=ast.Name(id="isinstance"), args=[_, kinds]):
                if {name.id for name in ast.walk(kinds) if isinstance(name, ast.Name)} & DOCUMENTS:
                    yield f"{node.lineno}: isinstance of an order's class"
            case ast.MatchClass(cls=ast.Name(id=name)) if name in DOCUMENTS:
                yield f"{node.lineno}: a match of an order's class"
            case ast.Match(subject=ast.Attribute(attr="kind")):
                yield f"{node.lineno}: a match of a kind"


@pytest.mark.parametrize(
    "source",
    [
        "if order.kind is OrderKind.TRAIN: pass",
        "wanted = {OrderKind.TRAIN: 1}",
        "if order.kind == 'train': pass",
        "if kind in ('train', 'evaluate'): pass",
        "if isinstance(order, CheckpointOrder): pass",
        "if isinstance(order, Order | Refused): pass",
        "match order:\n    case CheckpointOrder(): pass",
        "match order.kind:\n    case 'train': pass",
    ],
)
def test_the_search_finds_every_way_to_ask(source: str) -> None:
    assert list(asks_for_kinds(source))


def test_no_kind_of_order_is_asked_for_outside_of_the_kinds() -> None:
    kinds = ROOT / "silo_connector" / "trainer" / "kinds"
    files = [path for path in (ROOT / "silo_connector").rglob("*.py") if kinds not in path.parents]
    assert len(files) > 50
    found = {str(path.relative_to(ROOT)): list(asks_for_kinds(path.read_text())) for path in files}
    assert not {path: places for path, places in found.items() if places}
