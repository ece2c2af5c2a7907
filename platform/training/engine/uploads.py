"""Who may upload what: an order's own silo, one artefact for each output, while the order waits for an answer."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings

from artefacts.asgi import Claimed
from realtime.http import Refused
from silos import throttle
from training.engine.order_parts import outputs_of
from training.engine.sql import uploads as statements
from training.engine.sql.uploads import FoundUpload
from training.transitions import OUTSTANDING

OVER = "order.ended"
QUOTA_RETRY_S = 30


class OrderUploads:
    """Claims of artefacts, by order (`artefacts.asgi.Claims`)."""

    def find(self, order_id: UUID, name: str, digest: str) -> Claimed | None:
        """What this grant has brought of this artefact; nothing of any other."""
        found = _counted(order_id, name)
        return _claimed(found) if found.digest == digest else None

    def claim(self, order_id: UUID, name: str, digest: str, size_bytes: int) -> Claimed:
        """Bind this artefact to an output of the order, or find it bound.

        Raises Refused: 404 ``order.not_found``, 409 ``order.ended`` once it waits for no answer, ``upload.not_wanted``
        where it asks for nothing of that name, ``upload.other_artefact`` when the grant was used for another, 413
        ``blob.too_large``, and 429 ``upload.quota`` when the silo has too many bytes in flight.
        """
        found = _counted(order_id, name)
        _check_open(found, name)
        if found.digest is None:
            quota = settings.UPLOADS_IN_FLIGHT_BYTES_MAX
            if size_bytes > quota:
                raise Refused(413, "blob.too_large", f"A silo may upload {quota} bytes at a time on this platform.")
            statements.begin(
                order_id=order_id,
                name=name,
                silo_id=found.silo_id,
                digest=digest,
                size_bytes=size_bytes,
                in_flight_bytes_max=quota,
            )
            found = _known(statements.find(order_id, name))
            _check_open(found, name)
            if found.digest is None:
                raise Refused(
                    429,
                    "upload.quota",
                    f"This silo may have {quota} bytes in uploads that no answer names yet. Answer those orders first.",
                    [(b"retry-after", str(QUOTA_RETRY_S).encode())],
                )
        if (found.digest, found.size_bytes) != (digest, size_bytes):
            raise Refused(
                409, "upload.other_artefact", "This order's grant was used for another artefact. It takes only one."
            )
        return _claimed(found)

    def finish(self, order_id: UUID, name: str, digest: str) -> None:
        """The artefact is whole. Raises Refused 409 ``order.ended`` when the order ended meanwhile."""
        if not statements.finish(order_id=order_id, name=name, digest=digest):
            raise _over()


def _counted(order_id: UUID, name: str) -> FoundUpload:
    found = _known(statements.find(order_id, name))
    throttle.check(found.silo_id)
    throttle.count_request(found.silo_id)
    return found


def _known(found: FoundUpload | None) -> FoundUpload:
    if found is None:
        raise Refused(404, "order.not_found", "There is no such order.")
    return found


def _check_open(found: FoundUpload, name: str) -> None:
    if name not in outputs_of(bytes(found.envelope)):
        raise Refused(409, "upload.not_wanted", "This order asks for nothing of that name.")
    if found.state not in OUTSTANDING or found.is_expired:
        raise _over()


def _over() -> Refused:
    return Refused(409, OVER, "This order waits for no answer any more; nothing was kept.")


def _claimed(found: FoundUpload) -> Claimed:
    return Claimed(found.size_bytes or 0, found.is_finished)  # bound: it has a size
