"""What the trainer does for an order to greet."""

from __future__ import annotations

from collections.abc import Collection

from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Manifest, Order, Payload, Submission, now
from silo_connector.trainer.kinds import job_orders, model_orders
from silo_connector.trainer.kinds.kind import Incoming, SiloContext
from silo_connector.trainer.kinds.model_orders import ModelWork
from silo_connector.trainer.orders.verification import Task, check_artefacts, validate_job_order
from silo_connector.trainer.store.order_store import Outcome

WORDS = {"greeting": b"good\nmorning\n", "signature": b"a hospital\n".replace(b" ", b"\n")}


class WordsKind:
    """Two files of words."""

    name = "greet"
    document = Order
    is_of_job = True
    is_urgent = False
    begins_round = False
    parameters: frozenset[str] = frozenset({"tone"})

    def payload_kinds(self) -> Collection[str]:
        """Words."""
        return ("words.ascii",)

    def validate(self, order: Order, incoming: Incoming, silo: SiloContext) -> ModelWork:
        """What is to be stated, if that is allowed. Raises Refused."""

        def task_of(manifest: Manifest) -> Task:
            task = validate_job_order(order, manifest, incoming.trust, silo.datasets.declarations)
            check_artefacts(order, inputs=[], outputs=dict.fromkeys(WORDS, "words.ascii"))
            return task

        return job_orders.allow(order, task_of, incoming, silo)

    def execute(self, work: ModelWork, incoming: Incoming, silo: SiloContext) -> Outcome:
        """Say it."""
        order = work.task.order
        for name, words in WORDS.items():
            silo.outbox.payload(incoming.name, name).write_bytes(words)
        submission = Submission(
            order_id=order.order_id,
            number=order.number,
            kind=order.kind,
            silo_id=order.silo_id,
            job_id=order.job_id,
            manifest_digest=order.manifest_digest,
            round=order.round,
            attempt=order.attempt,
            payloads={
                name: Payload(kind="words.ascii", digest=digest_bytes(words), size_bytes=len(words))
                for name, words in WORDS.items()
            },
            environment=silo.environment,
            created_at=now(),
        )
        return model_orders.sign(submission, model_orders.bounds_of(work), silo)


KIND = WordsKind()
