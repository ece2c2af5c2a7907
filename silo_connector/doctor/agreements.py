"""What the doctor looks at of what binds this silo: agreements, the own policy, and the journal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from federation.errors import FederationError, Invalid
from federation.learning.devices import visible_gpus
from silo_connector import gpus
from silo_connector.agreements import Store, StoredAgreement
from silo_connector.config import Config, Runner
from silo_connector.doctor.findings import Finding, fail, ok, skip, warn
from silo_connector.journal import verify
from silo_connector.journal_parts import earlier_parts
from silo_connector.own_keys import pinned_signatory
from silo_connector.plans import PlanStore
from silo_connector.policy import load_policy
from silo_connector.sandbox_measures import MEASURES, NO_TRACES

EXPIRES_SOON = timedelta(days=30)
ROOM_BYTES_MIN = 16 << 20
_SIGN = "Download the agreement from its page and run: silo-connector sign …"


def look_at_policy(config: Config) -> Iterator[Finding]:
    """The own limits must be readable, or every order is refused; and what becomes of the one of GPUs here."""
    try:
        policy = load_policy(config.policy)
    except Invalid as error:
        yield fail("policy", error.message, "Until this is cleared up every order is refused; see policy.sample.toml.")
        return
    yield ok("policy", str(config.policy) if config.policy else "no policy.toml: agreements alone limit jobs")
    yield ok("gpu", gpus.gpu_share_text(policy.gpu_share_max, visible_gpus()))


def look_at_agreements(config: Config) -> Iterator[Finding]:
    """What the organisation has signed here, whether it holds now, and whether it covers the data."""
    name = "agreements"
    try:
        pinned = pinned_signatory(config)
    except FederationError:
        return  # reported with the keys
    if pinned is None:
        return
    store = Store(config.trainer_state, pinned.key)
    kept: list[StoredAgreement] = []
    for agreement_id in store.ids():
        try:
            found = store.find(agreement_id)
        except (FederationError, OSError) as error:
            yield fail(name, str(error), "Until this is cleared up orders under this agreement are refused.")
        else:
            kept += [] if found is None else [found]
    if not kept:
        yield warn(name, "No agreement has been signed here: every order is refused.", _SIGN)
    for agreement in kept:
        yield _status(agreement)
    yield from _uncovered(config, kept, pinned.key.encoded)


def _status(kept: StoredAgreement) -> Finding:
    name, agreement = "agreements", kept.signed.agreement
    detail = f"{agreement.consortium}, version {agreement.version} ({kept.digest[:19]}…)"
    validity, now = agreement.terms.validity, datetime.now(UTC)
    if kept.suspension is not None:
        since = f"{kept.suspension.since:%Y-%m-%d %H:%M} UTC"
        return warn(name, f"{detail} is suspended since {since}.", "To end that: silo-connector suspend --lift")
    if now >= validity.not_after:
        return warn(name, f"{detail} expired {validity.not_after:%Y-%m-%d}.", "Have the members sign a new version.")
    if now >= validity.not_after - EXPIRES_SOON:
        return warn(name, f"{detail} expires {validity.not_after:%Y-%m-%d}.", "Have the members sign a new version.")
    if now < validity.not_before:
        return warn(name, f"{detail} begins {validity.not_before:%Y-%m-%d}.", "Until then orders under it are refused.")
    return ok(name, f"{detail}, valid until {validity.not_after:%Y-%m-%d}")


def _uncovered(config: Config, kept: list[StoredAgreement], signatory: str) -> Iterator[Finding]:
    from silo_connector.trainer.declarations import read_dataset

    covered = {
        entry.dataset
        for agreement in kept
        for entry in agreement.signed.agreement.terms.datasets
        if entry.signatory_key == signatory
    }
    for file in config.datasets if kept else ():
        try:
            name = read_dataset(file).declaration.name
        except FederationError:
            continue  # reported with the data
        if name not in covered:
            remedy = "Amend the agreement, or leave it: jobs on this data set are refused."
            yield warn("agreements", f"No agreement covers the data set {name}.", remedy)


def look_at_plans(config: Config) -> Iterator[Finding]:
    """Training plans that were reviewed here must be as they were; and where they run, by which measures."""
    name = "plans"
    try:
        pinned = pinned_signatory(config)
        if pinned is None:
            return
        store = PlanStore(config.trainer_state, pinned.key)
        kept = [store.find(digest) for digest in store.digests()]
    except (FederationError, OSError) as error:
        yield fail(name, str(error), "Until this is cleared up orders that name this plan are refused.")
        return
    approved = sum(one is not None and one.reviewers > 0 for one in kept)
    if kept or config.runner is not None:
        yield ok(name, f"{len(kept)} reviewed, {approved} approved")
    if config.runner is None:
        if approved:
            yield warn("runner", "There is none in connector.toml: no training plan is run.", "Configure [runner].")
        return
    yield from look_at_runner(config.runner)
    try:
        never = load_policy(config.policy).custom_code == "never"
    except Invalid:
        return  # reported with the policy
    if never:
        remedy = 'Set custom_code = "approved" in policy.toml, or take [runner] out of connector.toml.'
        yield warn("runner", "The policy runs no custom code (custom_code).", remedy)


def look_at_runner(settings: Runner) -> Iterator[Finding]:
    """Whether it takes sessions, and by which measures they are confined."""
    from silo_connector.trainer.sandbox.remote import RunnerLost, session

    try:
        with session(settings, 0.0) as opened:
            measures = opened.measures
    except FederationError as error:
        reason = error.message if isinstance(error, RunnerLost) else "it does not answer"
        yield fail("runner", reason, "Start it: silo-connector run runner --config …")
        return
    missing = [one for one in MEASURES if one not in measures]
    if others := [one for one in missing if one != NO_TRACES]:
        remedy = "Sessions are confined by the other measures only; a newer kernel, or another sandbox, has them."
        yield warn("runner", f"It runs without: {', '.join(others)}.", remedy)
    if NO_TRACES in missing:
        detail = "Access times of Python's files tell one order's plan what another's has read."
        remedy = "Mount what the runner's log names (runner.access_times) read-only or noatime; relatime is not enough."
        yield warn("runner", detail, remedy)
    if not missing:
        yield ok("runner", f"Each session is confined by: {', '.join(measures)}")


def look_at_journal(config: Config) -> Iterator[Finding]:
    """The chain of what was done here must be whole, and there must be room for more of it."""
    from silo_connector.trainer.store.state_check import noted_head

    try:
        head = verify(config.trainer_state, noted_head(config))
    except FederationError as error:
        yield fail("journal", error.message, "Find out who can write into the trainer's state.")
        return
    files = len(earlier_parts(config.trainer_state)) + 1
    over = f" in {files} files" if files > 1 else ""
    yield ok("journal", f"{head.lines} line{'s' if head.lines != 1 else ''}{over}, the chain holds")
    yield from _room(config)


def _room(config: Config) -> Iterator[Finding]:
    """While the journal can't be written, nothing leaves."""
    try:
        disk = os.statvfs(config.trainer_state)
    except OSError:
        return  # reported with the state
    free_bytes = disk.f_bavail * disk.f_frsize
    if free_bytes < ROOM_BYTES_MIN:
        detail = f"{free_bytes / 2**20:.1f} MiB free at {config.trainer_state}"
        yield fail("journal", detail, "Make room: while the journal can't be written nothing leaves and orders wait.")


def look_at_record(config: Config) -> Iterator[Finding]:
    """How far the platform's record goes that was countersigned here."""
    from silo_connector.trainer.store.audit_checkpoints import FILE, stored_heads

    name = "record"
    try:
        kept = stored_heads(config.trainer_state)
    except Invalid as error:
        yield fail(name, error.message, "Without it nobody here notices that the platform's record was rewritten.")
        return
    if not kept:
        yield skip(name, "Nothing of the platform's record was countersigned yet.")
        return
    last = datetime.fromtimestamp((config.trainer_state / FILE).stat().st_mtime, UTC)
    events = ", ".join(f"{one.position}{'' if one.root else ' (as of protocol 1.0)'}" for one in kept.values())
    yield ok(name, f"countersigned last at {last:%Y-%m-%d %H:%M %Z}; events by consortium: {events}")
