"""The events of a job in the audit log: each proven to be in it, none left out between two others.

A bundle holds the job's own events and nothing of others: a record, the link before it, and the hashes that lead from
its own link to the root of the tree that is signed. That none of the job's is left out shows the chain that they are
among themselves: each has its number, and the link of the job's event before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from federation.evidence.bundle_parser import EventLine
from federation.evidence.report import Fault, Report
from federation.evidence.root_documents import RootDocuments
from federation.protocol import merkle
from federation.protocol.chains import next_digest
from federation.protocol.tree_heads import TreeHead


@dataclass(frozen=True)
class JobEvent:
    """An event of the job as the log has it."""

    position: int
    """In the chain of the consortium."""
    number: int | None
    """Among the job's own, from 1; None where they are not numbered, as under protocol 1.0."""
    before: str | None
    digest: bytes
    """Its link in the chain."""
    verb: str
    detail: Mapping[str, Any]

    @property
    def where(self) -> str:
        """How a fault names it."""
        return f"event {self.position}"


def events_of(lines: Iterable[EventLine], found: RootDocuments, head: TreeHead, report: Report) -> list[JobEvent]:
    """The job's events that are in the log, in their order; faults for those that are not, or not the job's."""
    events: dict[int, JobEvent] = {}
    for line in lines:
        where = f"event {line.position}"
        digest = next_digest(line.before, line.record)
        root = bytes.fromhex(head.root or "")
        if line.position in events:
            report.faults.append(Fault(where, "event.twice", "It is there twice."))
        elif not merkle.is_included(digest, line.position - 1, head.position, line.proof, root):
            report.faults.append(Fault(where, "event.not_in_log", "The log that is signed does not have it there."))
        elif (event := _read(line, digest, found)) is None:
            report.faults.append(Fault(where, "event.other_job", "It is no event of this job."))
        else:
            events[line.position] = event
    report.checked["events of the job"] = len(events)
    return [events[position] for position in sorted(events)]


def check_numbers(events: Iterable[JobEvent], report: Report) -> None:
    """Find the place where an event is missing: the numbers count on, and each names the link of the one before."""
    expected, before = 1, None
    for event in events:
        if event.number != expected:
            message = f"The job's event {expected} is left out: this is the one with the number {event.number}."
            report.faults.append(Fault(event.where, "event.left_out", message))
            return
        if event.before != before:
            message = "It names another event of the job before it than the one that is here."
            report.faults.append(Fault(event.where, "event.other_before", message))
            return
        expected, before = expected + 1, event.digest.hex()


def _read(line: EventLine, digest: bytes, found: RootDocuments) -> JobEvent | None:
    statement = parsed(line.record)
    number, before, verb, detail = (statement.get(name) for name in ("job_number", "job_before", "verb", "detail"))
    mine = (str(found.manifest.job_id), str(found.manifest.consortium_id))
    if (statement.get("job"), statement.get("consortium")) != mine:
        return None
    if (type(number) is not int and number is not None) or not isinstance(before, str | None):
        return None
    if not isinstance(verb, str) or not isinstance(detail, dict):
        return None
    return JobEvent(line.position, number, before, digest, verb, detail)


def parsed(record: bytes) -> dict[str, Any]:
    """A record as an object; empty where it is none. No number in it is infinite or none, and no text half a letter."""
    try:
        record.decode().encode()
        body = json.loads(record, parse_constant=_no_number)
        json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _no_number(text: str) -> float:
    raise ValueError(text)


def positions(events: Iterable[JobEvent]) -> Iterator[tuple[int, str]]:
    """Where each is, and its link (hex)."""
    return ((event.position, event.digest.hex()) for event in events)
