"""What each silo did in each round, a line each, written out by the database itself: there may be 50,000 of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psycopg
from django.db import connection
from django.db.models import Count

from federation.targets import Target
from federation.targets.classification import ACCURACY, AUC, LOSS
from realtime import database
from training.models import Job, Order
from training.reading.counting import OUTCOME_OF

PART_LINES = 5000
"""As many lines are read by one statement; between two statements nothing is held, however slow the reader is."""

_MOMENT = """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""
_OUTCOME = "CASE orders.state {} END".format(
    " ".join(f"WHEN '{state.value}' THEN '{outcome.value}'" for state, outcome in OUTCOME_OF.items())
)
_COLUMNS = {
    "round": "round.number",
    "attempt": "round.attempt",
    "kind": "orders.kind",
    "step": "step.position",
    "close_reason": "step.close_reason",
    "silo_id": "orders.silo_id",
    "silo": "silo.name",
    "organisation": "organisation.name",
    "state": "orders.state",
    "outcome": _OUTCOME,
    "code": "orders.code",
    "delivered_at": _MOMENT.format("orders.delivered_at"),
    "answered_at": _MOMENT.format("orders.answered_at"),
    "update_norm_l2": "answer.update_norm_l2",
    "update_cosine_to_mean": "answer.update_cosine",
    "bytes_down": "CASE WHEN orders.delivered_at IS NULL THEN 0"
    " ELSE coalesce(orders.inputs_size_bytes, base.size_bytes, 0) END",
    "bytes_up": "coalesce(answer.payload_size_bytes, 0)",
}
_TEXTS = ("silo", "organisation", "code")
"""What people or silos have written: a spreadsheet must not take it for a formula."""
_ROWS = """
    FROM training_round round
    JOIN training_step step ON step.round_id = round.id
    JOIN training_order orders ON orders.step_id = step.id
    JOIN silos_silo silo ON silo.id = orders.silo_id
    JOIN accounts_organisation organisation ON organisation.id = silo.organisation_id
    LEFT JOIN registry_modelversion base ON base.id = orders.base_version_id
    LEFT JOIN training_submission answer ON answer.order_id = orders.id
    LEFT JOIN training_evaluation score
        ON score.order_id = orders.id AND score.version_id = base.id AND score.rows >= %(minimum_cell)s
    WHERE round.job_id = %(job)s AND round.number BETWEEN %(first)s AND %(last)s
"""
_ORDER = "ORDER BY round.number, round.attempt, step.position, orders.silo_id"


def _safe(name: str, value: str) -> str:
    return rf"regexp_replace({value}, '^[=+@\t\r-]', '''\&')" if name in _TEXTS else value


def _columns(target: Target) -> dict[str, str]:
    """All columns; last how the model did with which the round began, a column `base_…` for each metric."""
    names = [metric.name for metric in target.metrics]
    if target.has_classes:  # in files as they always were, whatever the number of classes
        names = list(dict.fromkeys((ACCURACY.name, LOSS.name, AUC.name, *names)))
    return _COLUMNS | {f"base_{name}": f"(score.figures ->> '{name}')::float8" for name in names}


def heading(target: Target) -> str:
    """The first line of CSV."""
    return ",".join(_columns(target)) + "\n"


def _csv(target: Target) -> str:
    columns = ", ".join(f"{_safe(name, value)} AS {name}" for name, value in _columns(target).items())
    return f"COPY (SELECT {columns} {_ROWS} {_ORDER}) TO STDOUT (FORMAT csv)"


def _json(target: Target) -> str:
    columns = ", ".join(f"'{name}', {value}" for name, value in _columns(target).items())
    message = f"json_build_object({columns}, 'phases_s', coalesce(answer.phases_s, '{{}}'))"
    return f"SELECT string_agg({message}::text, E',\\n' {_ORDER}) {_ROWS}"


@dataclass(frozen=True)
class Span:
    """Rounds from this number to that one."""

    first: int
    last: int


def counts_of(job: Job) -> list[tuple[int, int]]:
    """The numbers of a job's rounds, each with how many lines it has."""
    orders = Order.objects.filter(step__round__job=job).order_by("step__round__number")
    return list(orders.values_list("step__round__number").annotate(count=Count("pk")))


def spans(counts: Iterable[tuple[int, int]]) -> list[Span]:
    """Rounds, given with their lines, as parts of about `PART_LINES`."""
    return list(_spans(counts))


def _spans(counts: Iterable[tuple[int, int]]) -> Iterator[Span]:
    first, last, held = None, 0, 0
    for number, count in counts:
        if first is not None and held + count > PART_LINES:
            yield Span(first, last)
            first, held = None, 0
        first, last, held = first if first is not None else number, number, held + count
    if first is not None:
        yield Span(first, last)


def csv_of(job: Job, target: Target, span: Span) -> str:
    """Their lines as CSV."""
    with connection.cursor() as cursor:
        # COPY takes no parameters: they are written into the statement here
        statement = psycopg.ClientCursor(cursor.connection).mogrify(_csv(target), _given(job, span))
        with cursor.copy(statement) as copy:
            return b"".join(bytes(part) for part in copy).decode()


def json_of(job: Job, target: Target, span: Span, *, more: bool) -> str:
    """Their lines as objects of JSON with commas between them, and one at the end where `more` will follow."""
    ((text,),) = database.fetch(_json(target), _given(job, span))
    return f"{text},\n" if more else str(text)


def _given(job: Job, span: Span) -> dict[str, object]:
    minimum_cell = int(job.request["limits"]["minimum_cell"])
    return {"job": job.id, "first": span.first, "last": span.last, "minimum_cell": minimum_cell}
