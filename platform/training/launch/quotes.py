"""What a job would take, before it is launched: checked by the same checks, kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accounts.models import User
from agreements.selectors import in_force
from consortia.models import Consortium
from federation.agreements.shares import share_max
from federation.protection import mode_of
from federation.protocol.payloads import payload_kind
from federation.protocol.tensors import Layout, count_parameters, file_size_bytes
from federation.tasks import task_of, task_of_kind
from silos.models import Dataset, Silo
from silos.selectors import health_of
from training.launch.actions import check_datasets, check_plan, check_version
from training.launch.agreed_defaults import filled_in, terms_in_force
from training.launch.cohorts import share_agreed_in
from training.launch.eligibility import Reason, Verdict, model_of, verdicts
from training.launch.pace import usual_s as usual_s_of
from training.launch.refused_fields import own_refusals, shared_refusals
from training.launch.requests import JobRequest, read_request
from training.launch.statistics import check_statistics
from training.protocols import PROTOCOLS
from training.waiting import Wait, mode, silo_down_s


@dataclass(frozen=True)
class Quote:
    """Who would take part, over how much data, and how many bytes would travel."""

    datasets: tuple[Dataset, ...]
    verdicts: tuple[Verdict, ...]
    rows_coarse: int
    organisation_share_max: float | None
    quorum: int
    wait: Wait
    silo_down_s: float
    silo_down_first_s: float
    """An estimate: by how much a round is longer in which a silo does not answer; the first one, and the others."""
    rounds: int
    parameters: int
    model_size_bytes: int
    bytes_down_per_round: int
    bytes_up_per_round: int
    bytes_total: int

    @property
    def held(self) -> tuple[Verdict, ...]:
        """The silos that would count with fewer rows than they have: their organisation would have too large a part."""
        return tuple(verdict for verdict in self.verdicts if verdict.is_held)

    @property
    def refused(self) -> tuple[Verdict, ...]:
        """The silos that may not join."""
        return tuple(verdict for verdict in self.verdicts if not verdict.allowed)

    @property
    def silent(self) -> tuple[Silo, ...]:
        """The silos that were not heard of for a while."""
        return tuple(dataset.silo for dataset in self.datasets if health_of(dataset.silo) == "silent")

    @property
    def silos_silent(self) -> int:
        """How many these are."""
        return len(self.silent)

    @property
    def quorum_is_heard_of(self) -> bool:
        """Whether rounds can close without the silent ones."""
        return len(self.datasets) - len(self.silent) >= self.quorum

    @property
    def waits_for_all(self) -> bool:
        """Whether a round waits to its deadline for anyone who does not answer."""
        return mode(self.wait, quorum=self.quorum, silos=len(self.datasets)) == Wait.ALL

    @property
    def refused_by_all(self) -> tuple[Reason, ...]:
        """What all silos refuse alike and one field of the request mends."""
        return tuple(Reason.of(refusal) for refusal in shared_refusals(self.verdicts))

    @property
    def refused_by_some(self) -> tuple[tuple[Verdict, tuple[Reason, ...]], ...]:
        """What stands against single silos beyond that."""
        shared = shared_refusals(self.verdicts)
        own = ((verdict, own_refusals(verdict, shared)) for verdict in self.verdicts)
        return tuple((verdict, tuple(map(Reason.of, found))) for verdict, found in own if found)


def quote(*, consortium: Consortium, request: Mapping[str, Any], by: User) -> Quote:
    """Weigh a launch request. Raises what launching it would raise, but for silos that may not join: it reports
    those.
    """
    asked = read_request(request)
    datasets = check_datasets(consortium=consortium, asked=asked)
    asked = filled_in(asked, in_force(consortium), datasets)
    version = check_version(consortium=consortium, asked=asked, datasets=datasets)
    check_statistics(asked, datasets, terms_in_force(consortium))
    plan = check_plan(consortium=consortium, asked=asked)
    model = model_of(asked, version, datasets, plan)
    layout = () if model is None else model.layout
    agreement, found = verdicts(consortium=consortium, asked=asked, datasets=datasets, model=model, by=by)
    size = 0 if model is None else file_size_bytes(layout)
    task = task_of(asked.task)
    rounds = asked.rounds if task.trains else 0
    moved = [_moved(kind, asked, layout, len(datasets)) for kind in task.work]
    (down, up), last = moved[0], moved[-1]
    usual_s = usual_s_of([dataset.silo_id for dataset in datasets], task_of(asked.task).order_kind)

    def longer_s(*, first: bool) -> float:
        return silo_down_s(
            asked.wait,
            quorum=asked.effective_quorum,
            silos=len(datasets),
            deadline_s=asked.round_deadline_s,
            usual_s=usual_s,
            first=first,
        )

    return Quote(
        datasets=tuple(datasets),
        verdicts=tuple(found),
        rows_coarse=sum(dataset.rows_coarse for dataset in datasets),
        organisation_share_max=share_max(
            len({dataset.silo.organisation_id for dataset in datasets}), share_agreed_in(agreement)
        ),
        quorum=asked.effective_quorum,
        wait=Wait(asked.wait),
        silo_down_s=longer_s(first=False),
        silo_down_first_s=longer_s(first=True),
        rounds=rounds,
        parameters=count_parameters(layout),
        model_size_bytes=size,
        bytes_down_per_round=down,
        bytes_up_per_round=up,
        bytes_total=rounds * (down + up) + sum(last),  # after the rounds that it plans a job has one more
    )


def _moved(work: str, asked: JobRequest, layout: Layout, silos: int) -> tuple[int, int]:
    """The bytes that so many silos fetch and send in a round of this work, by what its steps bring: at most."""
    task, protection, mode_name = task_of_kind(work), asked.protection, asked.protection.mode
    if task is None:
        return 0, 0
    kinds = [kind for plan in PROTOCOLS[mode_name].steps(work) for kind in sorted(plan.payload_kinds)]
    kinds += sorted(task.payload_kinds)
    if task.trains:
        kinds.append(mode_of(mode_name).update_kind)
    up = sum(payload_kind(kind).size_bytes_max(layout, protection) for kind in kinds)
    return silos * file_size_bytes(layout) if task.brings_model else 0, silos * up
