"""A POST that is sent twice is done once: the header `Idempotency-Key`.

The answer is stored in the transaction that does the work, so that both are there or neither is. The worker
holds an advisory lock of that transaction: a second request meanwhile gets that answer at once, and a crash lets go
itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar

from django.core.files import File
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from rest.errors import BadRequest, Conflict, Unprocessable
from rest.models import IdempotencyKey

LIFETIME = timedelta(hours=24)
REPLAYED = "Idempotency-Replayed"
SHOWN_ONCE = {"Cache-Control": "no-store"}  # the headers of an answer that holds a secret
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_LOCK_SPACE = "consilience idempotency v1"

Handler = TypeVar("Handler", bound=Callable[..., Response])


def idempotent(*, hide: Collection[str] = ()) -> Callable[[Handler], Handler]:
    """Let a view's `post` honour `Idempotency-Key`. Answers of 2xx are stored for 24 hours; errors are not, and may be
    tried again. `hide` names members of the answer that are shown once: they are null when it is given again.
    """

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def post(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
            key = request.headers.get("Idempotency-Key")
            if key is None:
                return handler(view, request, *args, **kwargs)
            if not _KEY.fullmatch(key):
                raise BadRequest("idempotency.key_invalid", "Idempotency-Key: 1 to 255 visible ASCII characters.")
            return _once(request, key, lambda: handler(view, request, *args, **kwargs), hide)

        post.honours_idempotency_key = True  # type: ignore[attr-defined]
        return post  # type: ignore[return-value]

    return decorate


@transaction.atomic
def _once(request: Request, key: str, work: Callable[[], Response], hide: Collection[str]) -> Response:
    user_id = str(request.user.pk)
    method, path = str(request.method), request.path[:500]
    digest = _digest_of(request)
    if not _lock(f"{user_id} {key} {method} {path}"):
        raise Conflict(
            "idempotency.in_progress",
            "The first request with this key is still at work. Send it again in a few seconds.",
        )
    mine = IdempotencyKey.objects.filter(user_id=user_id, key=key, method=method, path=path)
    mine.filter(created_at__lt=timezone.now() - LIFETIME).delete()
    if (known := mine.first()) is not None:
        if known.request_digest != digest:
            raise Unprocessable(
                "idempotency.key_reused", "This key came with another request before. Take a new key for a new request."
            )
        return Response(known.response_body, status=known.response_status, headers={REPLAYED: "true"})
    response = work()
    if response.status_code < 300:
        IdempotencyKey.objects.create(
            user_id=user_id,
            key=key,
            method=method,
            path=path,
            request_digest=digest,
            response_status=response.status_code,
            response_body=_without(response.data, hide),
        )
    return response


def _digest_of(request: Request) -> str:
    """What makes two requests the same: the query and the bytes of the body; of a form, its fields and files."""
    reported = hashlib.sha256(request.META.get("QUERY_STRING", "").encode() + b"\0")
    if (request.content_type or "").startswith("multipart/"):  # which was read already, and has other bytes each time
        form: Any = request.data
        for name, values in sorted(form.lists()):
            for value in values:
                reported.update(hashlib.sha256(name.encode()).digest() + _digest_of_value(value))
    else:
        reported.update(request._request.body)
    return reported.hexdigest()


def _digest_of_value(value: str | File[bytes]) -> bytes:
    if isinstance(value, str):
        return hashlib.sha256(value.encode()).digest()
    reported = hashlib.sha256(b"file\0")
    for chunk in value.chunks():
        reported.update(chunk)
    value.seek(0)
    return reported.digest()


def _lock(name: str) -> bool:
    """Take the transaction's advisory lock of this name; False where somebody else holds it."""
    number = int.from_bytes(hashlib.sha256(f"{_LOCK_SPACE} {name}".encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def _without(data: Any, hide: Collection[str]) -> Any:
    """The answer as it is stored: JSON values, secrets left out."""
    if isinstance(data, dict) and hide:
        return {name: None if name in hide else value for name, value in data.items()}
    return data


def delete_expired() -> int:
    """Delete stored answers older than a day; how many there were."""
    deleted, _ = IdempotencyKey.objects.filter(created_at__lt=timezone.now() - LIFETIME).delete()
    return deleted
