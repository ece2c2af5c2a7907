"""What a task is to everybody: what its silos are ordered to do, and what a request and a manifest have for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """Something that a job may be launched for.

    Attributes:
        name: As requests, manifests and agreements say it: at most 10 letters.
        rank: Its place among the others where they are listed.
        title: What is done, in a choice: "train".
        agreed_as: The same as a noun, in the text of an agreement: "training".
        order_kind: The kind of the orders of its rounds.
        closes_with: The kind of the orders of one round more, after the last one; None where nothing follows. Who
            allows the task allows the task of this name with it.
        trains: Whether silos send updates, round after round. Then a job plans rounds, and takes a strategy.
        evaluates: Whether silos report how the model does that an order brings.
        releases_statistics: Whether the answers to its orders are pooled into statistics that are released.
        is_about_model: Whether there is a model that its jobs train or evaluate.
        asks_with: The field of a request that a job of this task has, and no other job; None where there is none.
        payload_kinds: The kinds of payload that answers bring, besides the update of a training, whose kind is the
            protection mode's (``federation.protocol.payloads``).
    """

    name: str
    rank: int
    title: str
    agreed_as: str
    order_kind: str
    closes_with: str | None = None
    trains: bool = False
    evaluates: bool = False
    releases_statistics: bool = False
    is_about_model: bool = True
    asks_with: str | None = None
    payload_kinds: frozenset[str] = frozenset()

    @property
    def work(self) -> tuple[str, ...]:
        """All kinds of order that rounds of its jobs are about."""
        return (self.order_kind,) if self.closes_with is None else (self.order_kind, self.closes_with)

    @property
    def brings_model(self) -> bool:
        """Whether each of its orders brings the global model: silos evaluate it, and perhaps train it then."""
        return self.trains or self.evaluates

    @property
    def rounds_beyond(self) -> int:
        """For how many rounds beyond those that a job plans there may be orders of its kind.

        A training plans them all. Other jobs plan none and have one; so has the evaluation that ends a training.
        """
        return 0 if self.trains else 1
