"""One round's aggregation, as a worker calls it: updates in, next model out, and what was thought of each update."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from federation.aggregation.checks import MISSING
from federation.aggregation.combine import CombinedUpdate, Combiner, UpdatesRejectedError
from federation.aggregation.server_step import AppliedUpdate, apply
from federation.errors import Invalid
from federation.protocol.tensors import Layout
from federation.sentences import Sentence
from federation.strategies import Strategy, UpdatesNeeded


@dataclass(frozen=True)
class Contribution:
    """One silo's update: a key of the caller's, the file, and the weight (rows)."""

    key: str
    path: Path
    weight: float


@dataclass(frozen=True)
class Accepted:
    """An update that counted. Norm and cosine are None where the combiner sees no single update.

    The cosine to the combined update is also None where either is zero.
    """

    key: str
    norm_l2: float | None
    cosine_to_mean: float | None


@dataclass(frozen=True)
class Rejected:
    """An update that did not count, and why."""

    key: str
    code: str
    message: str


@dataclass(frozen=True)
class Aggregation:
    """The next model and state, written under names of no meaning; the caller moves them to where their digests say."""

    model_path: Path
    model_digest: str
    model_size_bytes: int
    state_path: Path | None
    state_digest: str | None
    norm_l2: float
    accepted: tuple[Accepted, ...]
    rejected: tuple[Rejected, ...]


class NothingAcceptedError(Invalid):
    """Every update was rejected: there is no next model."""

    def __init__(self, rejected: tuple[Rejected, ...]) -> None:
        super().__init__("aggregation.nothing_accepted", "No update could be accepted.")
        self.rejected = rejected


def aggregate(
    strategy: Strategy,
    combiner: Combiner,
    global_path: Path,
    updates: Sequence[Contribution],
    layout: Layout,
    norm_max: float,
    state_path: Path | None,
    out_dir: Path,
    on_block: Callable[[], None] | None = None,
) -> Aggregation:
    """Combine the good updates and apply them, in one pass over the files when all are good, else in two.

    `state_path` is the strategy's state after the last round (None in the first). `on_block` is called before every
    block, so that anyone who waits for the result hears of progress; what it raises ends the work. An update is
    rejected with ``update.weight`` when its weight is no positive finite number, else with the codes of
    ``checks.py``. Raises NothingAcceptedError, Invalid for what is wrong with the global model or the state, and
    FileNotFoundError where not one update's file is there: that is no verdict on all silos, but on the store. Then
    nothing is left in `out_dir`.
    Raises Invalid ``strategy.needs_single_updates`` and ``strategy.uploads`` for a strategy that can't work with this
    combiner.
    """
    check_fit(strategy, combiner)
    accepted = [update for update in updates if math.isfinite(update.weight) and update.weight > 0]
    rejected = [
        Rejected(update.key, "update.weight", "The weight must be a positive number.")
        for update in updates
        if update not in accepted
    ]
    token = uuid.uuid4().hex
    model_out, state_out = out_dir / f"model-{token}.safetensors", out_dir / f"state-{token}.safetensors"
    while accepted:
        pairs = [(update.path, update.weight) for update in accepted]
        combined = combiner.combine(pairs, layout, norm_max, on_block=on_block)
        try:
            applied = apply(strategy, global_path, combined, state_path, model_out, state_out)
        except UpdatesRejectedError as error:
            if len(error.reasons) == len(updates) and {why.code for why in error.reasons.values()} == {MISSING}:
                raise FileNotFoundError(f"None of the {len(updates)} updates is in the store.") from error
            rejected += [Rejected(accepted[place].key, why.code, why.message) for place, why in error.reasons.items()]
            accepted = [update for place, update in enumerate(accepted) if place not in error.reasons]
        else:
            return _result(applied, combined, accepted, rejected, model_out, state_out)
    raise NothingAcceptedError(tuple(rejected))


def check_fit(strategy: Strategy, combiner: Combiner) -> None:
    """Raise Invalid ``strategy.needs_single_updates`` or ``strategy.uploads`` where the two can't work together."""
    if strategy.updates_needed is UpdatesNeeded.SINGLE and combiner.sees is not UpdatesNeeded.SINGLE:
        form = "%(strategy)s looks at single updates; %(combiner)s sees their sum alone."
        seen = Sentence(form, strategy=strategy.title, combiner=combiner.name)
        raise Invalid("strategy.needs_single_updates", seen, "strategy.name")
    if tuple(strategy.uploads) != ("update",):
        form = "%(strategy)s needs more of each silo than its update."
        raise Invalid("strategy.uploads", Sentence(form, strategy=strategy.title), "strategy.name")


def _result(
    applied: AppliedUpdate,
    combined: CombinedUpdate,
    accepted: list[Contribution],
    rejected: list[Rejected],
    model_path: Path,
    state_path: Path,
) -> Aggregation:
    figures = combined.figures
    return Aggregation(
        model_path=model_path,
        model_digest=applied.model_digest,
        model_size_bytes=applied.model_size_bytes,
        state_path=state_path if applied.state_digest else None,
        state_digest=applied.state_digest,
        norm_l2=applied.norm_l2,
        accepted=tuple(Accepted(update.key, None, None) for update in accepted)
        if figures is None
        else tuple(
            Accepted(update.key, one.norm_l2, one.cosine_to_mean) for update, one in zip(accepted, figures, strict=True)
        ),
        rejected=tuple(rejected),
    )
