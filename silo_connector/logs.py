"""The local log: one JSON object a line, rotated. No key, code, signed address or value of the data is ever in it."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

FILE_BYTES_MAX = 10 << 20
FILES_KEPT = 5
_FIELDS, _LINE = "consilience_fields", "consilience_line"


class JsonLines(logging.Formatter):
    """Time, level, process, event and its fields."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        # kept with the record: two handlers, and the rotation of one of them, ask for the same line
        made: str | None = getattr(record, _LINE, None)
        if made is None:
            made = self._line_of(record)
            setattr(record, _LINE, made)
        return made

    def _line_of(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "event": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class Log:
    """A process's log: an event is a dotted name, its fields are keywords."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"silo_connector.{name}")

    def debug(self, event: str, **fields: object) -> None:
        """What only helps when looking for a fault."""
        self._logger.debug(event, extra={_FIELDS: fields})

    def info(self, event: str, **fields: object) -> None:
        """What happened as it should."""
        self._logger.info(event, extra={_FIELDS: fields})

    def warning(self, event: str, **fields: object) -> None:
        """What went wrong and is being dealt with."""
        self._logger.warning(event, extra={_FIELDS: fields})

    def error(self, event: str, *, trace: BaseException | None = None, **fields: object) -> None:
        """What somebody should look at."""
        self._logger.error(event, exc_info=trace, extra={_FIELDS: fields})


def configure(process: str, folder: Path | None) -> None:
    """Send this process's log to the standard error and, if it has a folder, to ``<folder>/<process>.jsonl``."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{process}.jsonl"
        handlers.append(RotatingFileHandler(file, maxBytes=FILE_BYTES_MAX, backupCount=FILES_KEPT, encoding="utf-8"))
    root = logging.getLogger("silo_connector")
    root.setLevel(logging.INFO)
    root.propagate = False
    for handler in handlers:
        handler.setFormatter(JsonLines(process))
    root.handlers[:] = handlers
