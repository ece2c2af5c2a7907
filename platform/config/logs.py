"""What every line of the log says: also which request it belongs to. Loaded before the apps are."""

from __future__ import annotations

import logging
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="-")


class WithRequestId(logging.Filter):
    """Lines of the log get `request_id`; a hyphen where no request is being answered."""

    def filter(self, record: logging.LogRecord) -> bool:
        """All of them pass."""
        record.request_id = request_id.get()
        return True
