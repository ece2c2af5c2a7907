"""Trainers that train nothing: each answers a train order at once with an update made beforehand, in a real spool.

The update of every round is another one: what a store has already need not be uploaded, and no trainer sends the same
twice. Heads of the audit log are countersigned unread.

Run as `python -m benchmarks.dummy_trainers FOLDER ...`; each folder is a silo's, with `identity.key` and a spool.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from federation.learning.weights import write_weights
from federation.protocol import documents
from federation.protocol.documents import OrderKind
from federation.protocol.envelope import payload_unverified, sign
from federation.protocol.keys import PrivateKey
from silo_connector import spool
from silo_connector.inotify_watch import Watch
from silo_connector.logs import Log
from silo_connector.spool import Spool

_WORD_BYTES = 4
ENVIRONMENT = documents.Environment(connector_version="dummy")


class DummyTrainer:
    """One silo's trainer, without the training."""

    def __init__(self, folder: Path) -> None:
        self._spool = Spool(folder / "spool")
        self._spool.make()
        self._key = PrivateKey.load(folder / "identity.key")
        self._seed = abs(hash(folder.name)) % 2**32
        self._manifests: dict[str, documents.Manifest] = {}
        self._updates: dict[str, _Update] = {}
        self._folder = folder
        self._watch = Watch(folder / "spool" / "inbox")

    async def run(self) -> None:
        """Answer for ever."""
        async with self._watch.running(Log("dummy")):
            while True:
                for order_id in sorted(self._spool.orders_in("inbox")):
                    self._answer(order_id)
                await self._watch.wait()

    def _answer(self, order_id: str) -> None:
        with self._spool.place("inbox") as inbox, inbox.folder(order_id) as folder:
            payload = payload_unverified(folder.read(spool.ORDER, spool.DOCUMENT_BYTES_MAX))
            if json.loads(payload)["kind"] == OrderKind.CHECKPOINT:
                order = documents.read(documents.CheckpointOrder, payload)
                head = payload_unverified(json.dumps(order.checkpoint).encode())
                self._hand_over(order_id, sign(head, documents.AuditCheckpoint.payload_type, self._key), None)
                return
            sealed = folder.read(spool.MANIFEST, spool.DOCUMENT_BYTES_MAX)
        submission, path = self._trained(documents.read(documents.Order, payload), sealed)
        self._hand_over(order_id, documents.sign_document(submission, self._key), path)

    def _manifest(self, digest: str, sealed: bytes) -> documents.Manifest:
        """As the order names it, read once: with many silos that would be most of what this process does."""
        if digest not in self._manifests:
            self._manifests = {digest: documents.read(documents.Manifest, payload_unverified(sealed))}
        return self._manifests[digest]

    def _trained(self, order: documents.Order, sealed: bytes) -> tuple[documents.Submission, Path | None]:
        trains = order.kind == OrderKind.TRAIN
        path, digest = self._update(self._manifest(order.manifest_digest, sealed)) if trains else (None, "")
        submission = documents.Submission(
            order_id=order.order_id,
            number=order.number,
            kind=order.kind,
            silo_id=order.silo_id,
            job_id=order.job_id,
            manifest_digest=order.manifest_digest,
            round=order.round,
            attempt=order.attempt,
            model_digest=order.model_digest,
            payloads={
                documents.UPDATE: documents.Payload(kind="update.f32", digest=digest, size_bytes=path.stat().st_size)
            }
            if path
            else {},
            training=documents.TrainingReport(rows=100, steps=1, loss=0.5, update_norm_l2=1.0) if trains else None,
            evaluation=documents.EvaluationReport(rows=50, figures={"loss": 0.5, "accuracy": 0.5}),
            environment=ENVIRONMENT,
            created_at=documents.now(),
        )
        return submission, path

    def _hand_over(self, order_id: str, document: bytes, path: Path | None) -> None:
        partial = f"out-{order_id}"
        with self._spool.place("tmp") as tmp, self._spool.place("outbox") as outbox:
            with tmp.make_folder(partial) as folder:
                folder.write(spool.DOCUMENT, document, durable=False)
                if path is not None:
                    folder.link_or_copy(path, spool.output_file("update"))
            tmp.move(partial, outbox, order_id, durable=False)
        self._spool.delete_atomically("inbox", order_id)

    def _update(self, manifest: documents.Manifest) -> tuple[Path, str]:
        """An update for this model, made once, of which a word is another one each time."""
        first = manifest.initial_model_digest
        assert first is not None, "these jobs train"
        if first not in self._updates:
            generator = np.random.default_rng(self._seed)
            weights = {
                spec.name: (generator.random(spec.shape, dtype=np.float32) - 0.5) * np.float32(1e-3)
                for spec in manifest.layout
            }
            path = self._folder / f"update-{len(self._updates)}.safetensors"
            write_weights(path, manifest.layout, weights)
            self._updates[first] = _Update(path)
        update = self._updates[first]
        return update.path, update.renew()


class _Update:
    """A file whose last word is changed in place: that costs no training, and the digest of the rest is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rest: Any = hashlib.sha256()
        self._rest_bytes = path.stat().st_size - _WORD_BYTES
        with path.open("rb") as stream:
            left = self._rest_bytes
            while left:
                block = stream.read(min(left, 1 << 20))
                self._rest.update(block)
                left -= len(block)
        self._times = 0

    def renew(self) -> str:
        """The digest of the file as it is from now on. Nobody reads it any more as it was: its round is over."""
        self._times += 1
        word = np.float32(self._times * 1e-6).tobytes()
        with self.path.open("r+b") as stream:
            stream.seek(self._rest_bytes)
            stream.write(word)
        digest = self._rest.copy()
        digest.update(word)
        return f"sha256:{digest.hexdigest()}"


async def main(folders: list[str]) -> None:
    """Run a dummy trainer for each folder."""
    await asyncio.gather(*(DummyTrainer(Path(folder)).run() for folder in folders))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
