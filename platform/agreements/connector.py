"""The connectors' door: a signature that was made on premises."""

from __future__ import annotations

from agreements.actions.signing import accept_signature
from agreements.models import Via
from silos.connector import JSON, envelope_of
from silos.models import Silo


def accept_document(silo: Silo, data: JSON) -> JSON:
    """Handle `POST /connector/v1/agreements`: the document with the signature of the silo's organisation."""
    taken = accept_signature(envelope=envelope_of(data), by=silo, via=Via.CONNECTOR)
    return {"state": taken.version.state, "missing": list(taken.missing)}
