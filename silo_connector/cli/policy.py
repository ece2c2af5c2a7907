"""``silo-connector policy``: the limits that hold here, and what they would do with the jobs that are known."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from federation.agreements.decisions import AgreementStatus, SiloContext, SiloFacts, violations
from federation.agreements.policy import Policy
from federation.errors import FederationError
from federation.learning.devices import visible_gpus
from federation.protocol import envelope
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Manifest, Order, now, read
from federation.protocol.keys import PublicKey
from federation.protocol.rows import coarse
from silo_connector import config as configuration
from silo_connector import gpus, spool
from silo_connector.agreements import Store
from silo_connector.cli.offline_signing import pinned_in
from silo_connector.cli.terminal import printable
from silo_connector.config import Config
from silo_connector.plans import PlanStore
from silo_connector.policy import load_policy
from silo_connector.spool import Spool
from silo_connector.trainer.store.jobs import Begun
from silo_connector.trainer.store.order_store import FILE, Memory

JOBS_MAX = 50


def show(options: argparse.Namespace) -> int:
    """The limits as they hold, defaults included."""
    config = configuration.load(options.config)
    policy = load_policy(config.policy)
    print(config.policy or "No policy.toml is configured (policy = … in connector.toml): defaults.")
    for name, value in policy.model_dump(mode="json").items():
        print(f"  {name:<22} {_said(value)}")
    return 0


def check(options: argparse.Namespace) -> int:
    """Say for each job that is known or waits in the inbox what policy and agreement would do with it."""
    config = configuration.load(options.config)
    policy = load_policy(config.policy)
    print(f"ok   {config.policy or 'no policy.toml: defaults'}")
    print(f"     {gpus.gpu_share_text(policy.gpu_share_max, visible_gpus())}")
    pinned = pinned_in(config)
    found = _latest(_jobs(config))
    if not found:
        print("     No job is known here yet.")
    for job in found:
        _print(job, config, policy, Store(config.trainer_state, pinned.key), pinned.key.encoded)
    return 0


@dataclass(frozen=True)
class _Job:
    manifest: Manifest
    agreement: bytes | None
    order: Order | None
    where: str
    begun: Begun | None = None


def _jobs(config: Config) -> Iterator[_Job]:
    """What lies in the inbox, and what was worked on of late. Nothing of it is verified: it is only reported here."""
    place = Spool(config.spool)
    place.make()
    with place.place("inbox") as inbox:
        for order_id in sorted(place.orders_in("inbox")):
            try:
                with inbox.folder(order_id) as folder:
                    sealed = folder.read(spool.ORDER, spool.DOCUMENT_BYTES_MAX)
                    if _is_of_no_job(sealed):
                        continue
                    order = read(Order, envelope.payload_unverified(sealed))
                    manifest = read(
                        Manifest, envelope.payload_unverified(folder.read(spool.MANIFEST, spool.DOCUMENT_BYTES_MAX))
                    )
                    has_agreement = folder.exists(spool.AGREEMENT)
                    agreement = folder.read(spool.AGREEMENT, spool.DOCUMENT_BYTES_MAX) if has_agreement else None
            except FederationError as error:
                print(f"?    order {order_id} can't be read: {error.message}")
            else:
                yield _Job(manifest, agreement, order, f"order {order_id} waits in the inbox")
    if (config.trainer_state / FILE).exists():
        memory = Memory(config.trainer_state)
        try:
            for known in memory.jobs.newest(JOBS_MAX):
                manifest = read(Manifest, envelope.payload_unverified(known.manifest))
                beyond = known.last_round > manifest.rounds
                at = "the evaluation at its end" if beyond else f"round {known.last_round} of {manifest.rounds}"
                where = f"last worked on {known.last_at:%Y-%m-%d %H:%M} UTC, {at}"
                yield _Job(manifest, known.agreement, None, where, memory.jobs.begun(known.job_id))
        finally:
            memory.close()


def _is_of_no_job(sealed: bytes) -> bool:
    """Whether it is an order of a kind that belongs to no job, as a head that waits to be countersigned."""
    from silo_connector.trainer.kinds.registry import KINDS
    from silo_connector.trainer.orders.verification import kind_unverified

    statement = kind_unverified(sealed)
    return any(kind.name == statement and not kind.is_of_job for kind in KINDS.values())


def _latest(jobs: Iterator[_Job]) -> list[_Job]:
    found: dict[str, _Job] = {}
    for job in jobs:
        found.setdefault(digest_bytes(job.manifest.model_dump_json().encode()), job)
    return list(found.values())


def _print(job: _Job, config: Config, policy: Policy, store: Store, signatory: str) -> None:
    manifest = job.manifest
    print(f"\n     {printable(manifest.name)} ({manifest.job_id}): {job.where}")
    ours = [member for member in manifest.cohort if member.signatory_key == signatory]
    statement = False
    for member in ours:
        position = SiloFacts(
            _rows_coarse(config, member.dataset), code_reviewers=_reviewers(config, manifest, signatory)
        )
        place = SiloContext(signatory, member.dataset, position, policy)
        for refused in violations(_status(job, store), manifest, job.order, place, now()):
            statement = True
            print(f"no   {refused.code} ({refused.clause}): {printable(refused.meaning)}")
            print(f"     -> {refused.remedy}")
    if not ours:
        print("no   No silo of this organisation is in the job's cohort.")
    elif not statement and manifest.code_digest is not None and config.runner is None:
        print("no   code.no_runner: It needs a runner for its training plan, and connector.toml has no [runner].")
    elif not statement:
        print("ok   It would be allowed.")


def _status(job: _Job, store: Store) -> AgreementStatus | None:
    from silo_connector.trainer.orders.authorization import agreement_status, open_or_refuse

    if job.agreement is None:
        return None
    try:
        opened = open_or_refuse(job.agreement)
    except FederationError:
        return None
    return agreement_status(opened, store.find(opened.agreement.agreement_id), job.begun, job.order)


def _reviewers(config: Config, manifest: Manifest, signatory: str) -> int:
    """How many people of the organisation approve a job's training plan."""
    if manifest.code_digest is None:
        return 0
    kept = PlanStore(config.trainer_state, PublicKey.from_encoded(signatory)).find(manifest.code_digest)
    return 0 if kept is None else kept.reviewers


def _rows_coarse(config: Config, name: str) -> int:
    """The rows of a data set as they are reported; 0 where it can't be read."""
    from silo_connector.trainer.data import load
    from silo_connector.trainer.declarations import read_dataset

    for file in config.datasets:
        try:
            dataset = read_dataset(file)
            if dataset.declaration.name == name:
                return coarse(load(dataset.declaration, dataset.path).rows_total)
        except FederationError:
            continue
    return 0


def _said(value: object) -> str:
    match value:
        case None:
            return "no limit of our own"
        case []:
            return "none"
        case list():
            return ", ".join(
                f"{item['begin']} to {item['end']}" if isinstance(item, dict) else str(item) for item in value
            )
        case _:
            return str(value).lower() if isinstance(value, bool) else str(value)
