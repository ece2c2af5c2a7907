"""Where a bearer token may be presented: to the REST API, and nowhere else.

Pages, signed addresses of artefacts and the connector API know who asks by other means. A token that comes with a
request to them is a mistake of the one who asks, or somebody's attempt to be taken for a program: it is refused unread.
"""

from __future__ import annotations

import re

from rest.errors import BadRequest

API = "/api/"
_BEARER = re.compile(r"(?:^|[\s,])bearer(?:[\s,]|$)", re.IGNORECASE)


def presents_bearer(authorization: str) -> bool:
    """Whether a value of the header `Authorization`, perhaps joined of several, has the scheme Bearer (RFC 6750)."""
    return _BEARER.search(authorization) is not None


def check_bearer_place(path: str, authorization: str) -> None:
    """Raise BadRequest `bearer.wrong_path` for a bearer token that comes to another address than those of REST."""
    if not path.startswith(API) and presents_bearer(authorization):
        raise BadRequest(
            "bearer.wrong_path", "Only addresses under /api/ take a token. Send this request without Authorization."
        )
