"""How the platform's signing key has been passed on, as it is asked for: by polls, and by the one who is about to
sign.
"""

from __future__ import annotations

from functools import lru_cache

from federation.protocol.keys import PublicKey
from federation.protocol.successions import SUCCESSIONS_MAX
from realtime import database
from silos.models import KeySuccession


@lru_cache(maxsize=1)
def successions_to(newest: int) -> tuple[bytes, ...]:
    """The sealed successions up to the one of this id, the oldest first. Rows never change: each is read once."""
    rows = KeySuccession.objects.filter(id__lte=newest).order_by("-sequence").values_list("document", flat=True)
    return tuple(bytes(document) for document in reversed(rows[:SUCCESSIONS_MAX]))


_HAS_SUCCESSOR = "SELECT EXISTS (SELECT FROM silos_keysuccession WHERE predecessor = %(key_id)s)"


def has_successor(key: PublicKey) -> bool:
    """Whether this key of the platform has been passed on."""
    return bool(database.fetch(_HAS_SUCCESSOR, {"key_id": key.key_id})[0][0])
