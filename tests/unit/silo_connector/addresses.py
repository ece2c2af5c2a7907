"""Addresses as the stand-in for the platform hands them out."""

from __future__ import annotations

from federation.protocol.documents import UploadGrant


def blob_url(digest: str) -> str:
    """Where a blob is fetched."""
    return f"/connector/v1/blobs/{digest}?exp=1&sig=x"


def grant(order_id: object, name: str, kind: str) -> UploadGrant:
    """A grant for an output of an order."""
    url = f"/connector/v1/uploads/{order_id}/{name}/{{digest}}?max=1&exp=1&sig=x"
    return UploadGrant(kind=kind, size_bytes_max=1 << 30, url=url)
