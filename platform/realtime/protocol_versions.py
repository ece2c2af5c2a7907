"""Which versions of the protocol a connector may speak, and what one that speaks an older one is shown."""

from __future__ import annotations

from collections.abc import Mapping

from federation.protocol import PROTOCOL_VERSION
from federation.protocol.requests import is_understood, spoken_version
from realtime.http import Refused

CODE = "protocol.version"
_RETRY_AFTER_S = 300
_READ_AT_ONCE = ("enrol", "enrolment-code", "orders", "heartbeat")
"""What asks again by itself: it logs the sentence. All else carries work, which is kept until the connector can send
it: a connector of 1.0 gives up what it is refused for good, and comes back with what it is instructed to bring
later."""


def check_version(headers: Mapping[str, str], path: str) -> None:
    """Raise Refused 426 ``protocol.version`` unless the sender speaks a version that this platform speaks.

    `headers` have their names in lower case; `path` is where the request goes.
    """
    spoken = spoken_version(headers)
    if is_understood(spoken):
        return
    name = path.partition("?")[0].rpartition("/")[2]
    again = [] if name in _READ_AT_ONCE else [(b"retry-after", str(_RETRY_AFTER_S).encode())]
    raise Refused(
        426,
        CODE,
        f"This connector speaks protocol {spoken}; the platform speaks {PROTOCOL_VERSION}. Upgrade the connector: "
        "install the version that belongs to the platform, then start relay and trainer again. Nothing is lost.",
        again,
    )
