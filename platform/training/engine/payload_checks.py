"""Payloads checked by their heads before anything is made of them: whatever kind of order they answer."""

from __future__ import annotations

from collections.abc import Sequence

from artefacts import store
from federation.aggregation.aggregate import Rejected
from federation.aggregation.checks import MISSING
from federation.errors import Invalid
from federation.protocol.documents import Protection
from federation.protocol.documents.protection import parse_protection
from federation.protocol.payloads import check_payload
from federation.protocol.tensors import Layout
from training.engine.kinds.base import Claim
from training.engine.kinds.models import layout_about
from training.protocols.answers import Answer


def split_by_payloads(claim: Claim, answers: Sequence[Answer]) -> tuple[list[Answer], list[Rejected]]:
    """The answers whose payloads are what their kinds ask for, and those that are rejected, each with its code.

    Raises LeaseLostError.
    """
    layout = layout_about(claim.round)
    protection = parse_protection(claim.round.job.request["protection"])
    kept: list[Answer] = []
    rejected: list[Rejected] = []
    for answer in answers:
        claim.renew()
        fault = _fault(answer, layout, protection)
        if fault is None:
            kept.append(answer)
        else:
            rejected.append(Rejected(str(answer.order_id), fault.code, fault.message))
    return kept, rejected


def _fault(answer: Answer, layout: Layout, protection: Protection) -> Invalid | None:
    try:
        for brought in answer.payloads.values():
            with store.path_of(brought.digest).open("rb", 0) as file:
                check_payload(brought.kind, file, layout, protection)
    except FileNotFoundError:
        return Invalid(MISSING, "The update's file is not there any more.")
    except Invalid as error:
        return error
    return None
