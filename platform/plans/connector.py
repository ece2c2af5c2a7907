"""The connectors' door: a review of code that was signed on premises."""

from __future__ import annotations

from plans.actions import accept_review
from plans.models import Via
from silos.connector import JSON, envelope_of
from silos.models import Silo


def accept_review_document(silo: Silo, data: JSON) -> JSON:
    """Handle `POST /connector/v1/code-reviews`: how many people of the silo's organisation approve that code now."""
    taken = accept_review(envelope=envelope_of(data), by=silo, via=Via.CONNECTOR)
    return {"reviewers": taken.reviewers}
