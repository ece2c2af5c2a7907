"""What a job would take, before it is launched: judged by the same checks, kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accounts.models import User
from agreements.selectors import in_force
from consortia.models import Consortium
from federation.protocol.tensors import count_parameters, file_size_bytes
from silos.models import Dataset
from training.actions.launch import check_datasets, check_plan, check_version
from training.agreed_defaults import filled_in
from training.judging import Reason, Verdict, model_of, verdicts
from training.refused_fields import own_refusals, shared_refusals
from training.requests import read_request


@dataclass(frozen=True)
class Quote:
    """Who would take part, over how much data, and how many bytes would travel."""

    datasets: tuple[Dataset, ...]
    verdicts: tuple[Verdict, ...]
    rows_coarse: int
    quorum: int
    rounds: int
    parameters: int
    model_size_bytes: int
    bytes_down_per_round: int
    bytes_up_per_round: int
    bytes_total: int

    @property
    def refused(self) -> tuple[Verdict, ...]:
        """The silos that may not join."""
        return tuple(verdict for verdict in self.verdicts if not verdict.allowed)

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
    """Weigh a launch request. Raises what launching it would raise, but for silos that may not join: it tells those."""
    asked = read_request(request)
    datasets = check_datasets(consortium=consortium, asked=asked)
    asked = filled_in(asked, in_force(consortium), datasets)
    version = check_version(consortium=consortium, asked=asked, datasets=datasets)
    plan = check_plan(consortium=consortium, asked=asked)
    model = model_of(asked, version, datasets, plan)
    layout = model.layout
    _agreement, found = verdicts(consortium=consortium, asked=asked, datasets=datasets, model=model, by=by)
    size = file_size_bytes(layout)
    train = asked.task == "train"
    down, up = size * len(datasets), size * len(datasets) if train else 0
    rounds = asked.rounds if train else 0
    return Quote(
        datasets=tuple(datasets),
        verdicts=tuple(found),
        rows_coarse=sum(dataset.rows_coarse for dataset in datasets),
        quorum=asked.effective_quorum,
        rounds=rounds,
        parameters=count_parameters(layout),
        model_size_bytes=size,
        bytes_down_per_round=down,
        bytes_up_per_round=up,
        bytes_total=rounds * (down + up) + down,  # after the last round the model is evaluated once more
    )
