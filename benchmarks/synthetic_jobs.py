"""Rows of jobs as they would look had silos worked on them, for benchmarks of pages. Nothing is signed or trained."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, ClassVar
from uuid import UUID

from django.db import connection, models
from psycopg import sql
from psycopg.types.json import Jsonb

from accounts.models import User
from audit.models import ActorKind, Event
from audit.reasons import Reason
from consortia.models import Consortium
from federation import __version__
from registry.models import Model, ModelVersion
from silos.models import Dataset
from training.launch.requests import JobRequest
from training.models import CohortMember, Evaluation, Job, Order, Payload, Round, Step, Submission
from training.transitions import ENDED, JobState, OrderState, RoundState, StepState

SHAPE = {"linear.weight": [1, 13], "linear.bias": [1]}


def digest_of(*words: object) -> str:
    """A digest as the real ones look."""
    return f"sha256:{hashlib.sha256('/'.join(map(str, words)).encode()).hexdigest()}"


def wave(*words: object) -> float:
    """A number between 0 and 1 that these words always give."""
    return int.from_bytes(hashlib.blake2b("/".join(map(str, words)).encode(), digest_size=4).digest(), "big") / 2**32


@dataclass
class Rows:
    """Rows to be written, by kind, in an order in which each finds what it points at."""

    KINDS: ClassVar = (
        *(Model, ModelVersion, Job, CohortMember, Round, Step, Order, Submission, Payload, Evaluation, Event),
    )
    numbers: Counter[UUID] = field(default_factory=Counter)
    kept: dict[type[models.Model], list[Any]] = field(default_factory=lambda: {kind: [] for kind in Rows.KINDS})

    def add(self, *rows: models.Model) -> None:
        """Keep rows for writing."""
        for row in rows:
            self.kept[type(row)].append(row)

    def write(self) -> None:
        """Write all that was kept, and forget it."""
        for kind in self.KINDS:
            if kind is Step:  # few, and orders name them by the ids that the database gives them here
                kind._default_manager.bulk_create(self.kept[kind])
            else:
                _copy(kind, self.kept[kind])
            self.kept[kind].clear()


def _copy(kind: type[models.Model], rows: Iterable[models.Model]) -> None:
    """Write rows by COPY, several times as fast as the ORM would. They are old: their moments are taken as given."""
    fields = [one for one in kind._meta.concrete_fields if not isinstance(one, models.AutoField)]
    readers = [_reader(one) for one in fields]
    names = sql.SQL(", ").join([sql.Identifier(str(one.column)) for one in fields])
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(kind._meta.db_table), names)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([read(row) for read in readers])


def _reader(field: models.Field[Any, Any]) -> Callable[[models.Model], object]:
    """What reads a row's value for this field's column."""
    if isinstance(field, models.JSONField):
        return lambda row: Jsonb(getattr(row, field.attname))
    if isinstance(field, models.ForeignKey) and field.related_model is Step:
        return lambda row: getattr(row, field.name).pk  # it had none when the row was made
    return attrgetter(field.attname)


@dataclass(frozen=True)
class Played:
    """A job to be made up: who launched it where, over which datasets, how long, and how it ended."""

    consortium: Consortium
    name: str
    by: User
    datasets: Sequence[Dataset]
    rounds: int
    state: JobState
    begun: datetime
    reason: Reason | None = None
    round_s: float = 20.0

    def rows(self, rows: Rows) -> Job:
        """Add the job with everything that hangs on it."""
        model = Model(
            consortium=self.consortium,
            name=self.name,
            specification={"family": "logistic"},
            layout=[{"name": name, "shape": shape, "dtype": "float32"} for name, shape in SHAPE.items()],
            n_features=13,
            n_classes=2,
            preprocessing=self.datasets[0].declaration,
            created_at=self.begun,
        )
        ended = self.begun + timedelta(seconds=self.round_s * (self.rounds + 1)) if self.state in ENDED else None
        job = Job(
            consortium=self.consortium,
            name=self.name,
            task="train",
            state=self.state,
            reason_code=self.reason.code if self.reason else "",
            reason_params=self.reason.params if self.reason else None,
            launched_by=self.by,
            request=self._request(),
            model=model,
            manifest=b"{}" * 200 * len(self.datasets),
            manifest_digest=digest_of("manifest", self.name),
            rounds_planned=self.rounds,
            quorum=-(-3 * len(self.datasets) // 4),
            round_deadline_s=600,
            created_at=self.begun,
            started_at=self.begun,
            ended_at=ended,
        )
        versions = self._versions(model)
        rows.add(model, job, *versions)
        rows.add(
            *(
                CohortMember(job=job, silo_id=dataset.silo_id, dataset=dataset, position=place)
                for place, dataset in enumerate(self.datasets, start=1)
            )
        )
        rows.add(self._event(job, "job.launched", self.begun, {"name": self.name, "silos": len(self.datasets)}))
        for number in range(1, self.rounds + 1):
            self._round(rows, job, number, versions[number - 1])
        if ended:
            rows.add(self._event(job, f"job.{self.state}", ended, {}))
        return job

    def _request(self) -> dict[str, Any]:
        asked = {
            "name": self.name,
            "purpose": "Tell early who needs an angiography, from what every clinic writes down anyway.",
            "datasets": [dataset.id for dataset in self.datasets],
            "protection": {"mode": "clear"},
            "model": {"family": "logistic"},
            "strategy": {"name": "fedadam", "learning_rate": 0.05},
            "rounds": self.rounds,
        }
        return JobRequest.model_validate(asked).model_dump(mode="json")

    def _versions(self, model: Model) -> list[ModelVersion]:
        """One a round and the first; the loss falls, then rises a little."""
        lowest = max(1, round(0.8 * self.rounds))
        return [
            ModelVersion(
                model=model,
                round_number=number,
                digest=digest_of(model.id, number),
                size_bytes=280,
                metrics={
                    "accuracy": 0.5 + 0.3 * (1 - math.exp(-4 * number / self.rounds)) + 0.01 * wave(self.name, number),
                    "loss": self._loss(number, lowest),
                    "silos": len(self.datasets),
                    "combination": "mean over the silos' own test rows, each row counting once",
                },
                is_best=number == lowest,
                created_at=self.begun + timedelta(seconds=self.round_s * number),
                pruned_at=None
                if number in {0, lowest} or number > self.rounds - 20
                else self.begun + timedelta(seconds=self.round_s * (number + 20)),
            )
            for number in range(self.rounds + 1)
        ]

    def _loss(self, number: int, lowest: int) -> float:
        return 0.45 + 0.25 * ((number - lowest) / lowest) ** 2

    def _round(self, rows: Rows, job: Job, number: int, base: ModelVersion) -> None:
        """One round in which most silos answered. That of a running job's end is still open."""
        opened = self.begun + timedelta(seconds=self.round_s * number)
        going = self.state == JobState.RUNNING and number == self.rounds
        closed = None if going else opened + timedelta(seconds=self.round_s * (0.6 + 0.3 * wave(self.name, number)))
        round_ = Round(
            job=job,
            number=number,
            state=RoundState.OPEN if going else RoundState.CLOSED,
            base_version=base,
            opened_at=opened,
            closed_at=closed,
            update_norm_l2=None if going else 1.0 / number,
        )
        deadline = opened + timedelta(seconds=600)
        step = Step(
            round=round_,
            kind="train",
            quorum=job.quorum,
            state=StepState.COLLECTING if going else StepState.CLOSED,
            expected=len(self.datasets),
            opened_at=opened,
            deadline_at=deadline,
            aggregating_at=closed and closed - timedelta(seconds=0.2),
            closed_at=closed,
        )
        rows.add(round_, step, self._event(job, "round.opened", opened, {"round": number, "attempt": 1}))
        for place, dataset in enumerate(self.datasets):
            self._order(rows, job, step, base, dataset, opened, answered=not (going and place % 2))
        if closed:
            rows.add(self._event(job, "round.closed", closed, {"round": number, "attempt": 1}))

    def _order(
        self,
        rows: Rows,
        job: Job,
        step: Step,
        base: ModelVersion,
        dataset: Dataset,
        opened: datetime,
        *,
        answered: bool,
    ) -> None:
        silo, number = dataset.silo_id, step.round.number
        rows.numbers[silo] += 1
        chance = wave(silo, self.name, number)
        state = OrderState.APPLIED if chance < 0.96 else OrderState.EXPIRED
        took_s = self.round_s * (0.2 + 0.4 * wave(silo, number))
        order = Order(
            job=job,
            step=step,
            base_version=base,
            silo_id=silo,
            kind="train",
            number=rows.numbers[silo],
            state=state if answered else OrderState.ACCEPTED,
            code="order.deadline" if answered and state == OrderState.EXPIRED else "",
            envelope=b"{}" * 300,
            issued_at=opened,
            expires_at=step.deadline_at,
            delivered_at=opened + timedelta(seconds=0.05),
            answered_at=opened + timedelta(seconds=took_s) if answered and state == OrderState.APPLIED else None,
            ended_at=opened + timedelta(seconds=took_s) if answered else None,
        )
        rows.add(order)
        if order.answered_at is None:
            return
        rows.add(
            Submission(
                order=order,
                document=b"{}" * 400,
                document_digest=digest_of(order.id),
                payload_size_bytes=280,
                rows=dataset.rows_coarse,
                steps=10,
                train_loss=base.metrics["loss"],
                update_norm_l2=1.0 / number + 0.2 * chance,
                update_cosine=0.9 - 0.3 * wave(silo),
                phases_s={"load": 0.1 * took_s, "evaluate": 0.2 * took_s, "train": 0.5 * took_s},
                connector_version=__version__,
                received_at=order.answered_at,
            ),
            Payload(
                order=order, name="update", kind="update.f32", digest=digest_of(order.id, "update"), size_bytes=280
            ),
            Evaluation(
                order=order,
                version=base,
                silo_id=silo,
                rows=100 + dataset.rows_coarse // 3,
                figures={
                    "loss": base.metrics["loss"] + 0.2 * wave(silo) - 0.1,
                    "accuracy": min(0.99, base.metrics["accuracy"] + 0.1 * wave(silo) - 0.05),
                    "auc": min(0.99, base.metrics["accuracy"] + 0.08),
                    "confusion": [[40, 12], [9, 39]],
                },
            ),
            self._event(job, "order.submitted", order.answered_at, {"round": number}, dataset),
        )

    def _event(
        self, job: Job, verb: str, at: datetime, detail: dict[str, Any], dataset: Dataset | None = None
    ) -> Event:
        kind, actor, name = ActorKind.SYSTEM, "platform", "platform"
        if dataset is not None:
            kind, actor, name = ActorKind.SILO, str(dataset.silo_id), dataset.silo.name
        return Event(
            at=at,
            verb=verb,
            actor_kind=kind,
            actor_id=actor,
            actor_name=name,
            subject_kind="training.job",
            subject_id=str(job.id),
            consortium_id=self.consortium.id,
            job_id=job.id,
            detail=detail,
        )


def write_all(jobs: Iterable[Played], rows: Rows, jobs_at_once: int = 100) -> list[Job]:
    """Write these jobs, some at a time."""
    made = []
    for place, one in enumerate(jobs, start=1):
        made.append(one.rows(rows))
        if place % jobs_at_once == 0:
            rows.write()
    rows.write()
    return made
