"""What the doctor looks at on this machine: folders, keys, data, processes."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from federation.errors import FederationError, Invalid
from federation.protocol import envelope
from federation.protocol.documents import SiloCertificate, read
from federation.protocol.keys import PrivateKey
from silo_connector import spool
from silo_connector.config import Config
from silo_connector.doctor.findings import Finding, fail, ok, skip, warn
from silo_connector.folders import SafeDir
from silo_connector.instance import running
from silo_connector.own_keys import IDENTITY_KEY, pinned_signatory
from silo_connector.platform_keys import known_chain
from silo_connector.spool import PLACES, Spool

DISK_COMFORTABLE_BYTES = 2 << 30
CERTIFICATE_SOON = timedelta(days=60)
_RESTART = "It reads changed declarations within seconds. If this stays, see its log; for connector.toml restart it."
STATUS_FRESH = timedelta(seconds=90)


def look_at_spool(config: Config) -> Iterator[Finding]:
    """Both processes must be able to write in the spool, all of it on one file system."""
    name = "spool"
    try:
        Spool(config.spool).make()
        devices = set()
        for place in PLACES:
            with SafeDir.open(config.spool / place) as folder:
                probe = f"doctor-{os.getpid()}"
                folder.write(probe, b"", durable=False)
                folder.remove(probe)
            devices.add((config.spool / place).stat().st_dev)
    except (OSError, Invalid) as error:
        remedy = "Give the user that runs relay and trainer write access to the spool and what is in it."
        yield fail(name, f"{config.spool}: {error}", remedy)
        return
    if len(devices) > 1:
        yield fail(
            name, f"{config.spool} spans file systems.", "Mount the spool as a whole, not its folders one by one."
        )
    elif config.spool.stat().st_mode & stat.S_IWOTH:
        yield warn(name, f"Everybody may write to {config.spool}.", f"chmod o-w {config.spool}")
    else:
        yield ok(name, f"{config.spool} is writable")
    yield from _set_aside(config)


def _set_aside(config: Config) -> Iterator[Finding]:
    for place in ("dead", "quarantine"):
        reasons = sorted((config.spool / place).glob(f"*.{spool.REASON}"))
        if reasons:
            codes = sorted({str(json.loads(file.read_text()).get("code")) for file in reasons[-20:]})
            remedy = f"See {config.spool / place}/*.{spool.REASON}; delete entries that you have dealt with."
            yield warn(place, f"{len(reasons)} set aside: {', '.join(codes)}", remedy)


def look_at_disk(config: Config) -> Iterator[Finding]:
    """There has to be room for models."""
    disk = os.statvfs(config.spool)
    free = disk.f_bavail * disk.f_frsize
    detail = f"{free / 2**30:.1f} GiB free at {config.spool}"
    if free < config.limits.disk_free_bytes_min:
        yield fail("disk", detail, "Make room: below limits.disk_free_bytes_min no model is fetched.")
    elif free < DISK_COMFORTABLE_BYTES:
        yield warn("disk", detail, "Large models may not fit; make room.")
    else:
        yield ok("disk", detail)


def look_at_keys(config: Config) -> Iterator[Finding]:
    """The identity key, the organisation's word for it, and who may read them."""
    identity = config.trainer_state / IDENTITY_KEY
    if not identity.exists():
        yield fail("identity key", f"{identity} is not there.", "Run: silo-connector prepare --config …")
        return
    yield look_at_key_file("identity key", identity)
    try:
        signatory = pinned_signatory(config)
    except FederationError as error:
        yield fail("signatory", error.message, "Restore the trainer's state from its backup.")
        return
    if signatory is None:
        yield fail("signatory", "No signatory key is pinned.", "Run: silo-connector key certify …")
        return
    yield ok("signatory", f"{signatory.organisation}: {signatory.key.fingerprint}")
    yield from _certificate(config)


def look_at_platform_key(config: Config) -> Iterator[Finding]:
    """Which key the trainer takes for the platform's, and how it came to that."""
    name = "platform key"
    try:
        chain = known_chain(config.trainer_state)
    except FederationError as error:
        yield fail(name, error.message, "Until this is cleared up the trainer takes no orders.")
        return
    if chain is None or not chain.links or config.platform_key not in {key.fingerprint for key in chain.keys}:
        yield ok(name, f"{config.platform_key}, as pinned in connector.toml")
        return
    last = chain.links[-1].said
    detail = f"by succession {last.sequence} of {last.made_at:%Y-%m-%d %H:%M %Z}; pinned: {config.platform_key}"
    yield ok(name, f"{chain.current.fingerprint}, {detail}")


def look_at_key_file(check: str, file: Path) -> Finding:
    """A private key that only its owner can read."""
    try:
        key = PrivateKey.load(file)
        mode = file.stat().st_mode
    except (Invalid, OSError) as error:
        return fail(check, str(error), "Run this as the user that runs the process, or restore the key.")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return fail(check, f"{file} can be read by others ({stat.filemode(mode)}).", f"chmod 600 {file}")
    return ok(check, key.public.fingerprint)


def _certificate(config: Config) -> Iterator[Finding]:
    name, renew = "certificate", "Certify again: silo-connector key certify …, then enrol --again with a new code."
    try:
        with SafeDir.open(config.spool / "outbox" / spool.ENROLMENT) as folder:
            certificate = read(
                SiloCertificate, envelope.payload_unverified(folder.read(spool.CERTIFICATE, spool.SMALL_BYTES_MAX))
            )
    except Invalid as error:
        yield fail(name, error.message, "Run: silo-connector key certify …")
        return
    left = certificate.not_after - datetime.now(UTC)
    detail = f"holds until {certificate.not_after:%Y-%m-%d}"
    if left < timedelta(0):
        yield fail(name, detail, renew)
    elif left < CERTIFICATE_SOON:
        yield warn(name, detail, renew)
    else:
        yield ok(name, detail)


def look_at_data(config: Config) -> Iterator[Finding]:
    """Each dataset must be as declared."""
    from silo_connector.trainer.data import DataError, load
    from silo_connector.trainer.declarations import fingerprint, in_use, read_dataset

    used: Mapping[str, str] | None = None
    if running(config.trainer_state, "trainer") is not None:
        try:
            used = in_use(config.trainer_state)
        except (Invalid, ValueError) as error:
            yield warn("data in use", f"The running trainer does not say what it uses: {error}", _RESTART)
    names = set()
    if not config.datasets:
        yield warn("data", "No dataset is configured.", "Declare one with [[dataset]] in connector.toml.")
    for file in config.datasets:
        try:
            dataset = read_dataset(file)
            rows = load(dataset.declaration, dataset.path)
        except FederationError as error:
            others = len(error.more) if isinstance(error, DataError) else max(0, len(error.fields) - 1)
            more = f" ({others} more faults)" if others else ""
            remedy = "All that is wrong is listed by: silo-connector data check"
            yield fail("data", f"{file.declaration.name}: {error.message}{more}", remedy)
        else:
            train, test = len(rows.train), len(rows.test)
            name = dataset.declaration.name
            yield ok("data", f"{name}: {train} rows for training, {test} for testing")
            names.add(name)
            if used is not None and used.get(name) != fingerprint(dataset):
                message_text = "does not use it" if name not in used else "uses it as it was declared before"
                yield fail("data in use", f"{name}: the running trainer {message_text}.", _RESTART)
    for name in sorted(set(used or {}) - names):
        yield warn("data in use", f"{name}: the running trainer uses it, connector.toml does not.", _RESTART)


def look_at_isolation(config: Config, proc: Path = Path("/proc")) -> Iterator[Finding]:
    """The running trainer must have no network; without one running, this says what this process would meet."""
    from silo_connector.isolation import check_isolated

    name, process = "isolation", running(config.trainer_state, "trainer")
    if not process or not (proc / str(process) / "net" / "dev").exists():
        yield skip(name, "No trainer can be seen from here; it checks by itself when it starts.")
        return
    try:
        check_isolated(proc / str(process), config.tolerated_interfaces)
        yield ok(name, "The running trainer has no network.")
    except Invalid as error:
        detail, _, remedy = error.message.partition(". ")
        yield warn(name, detail.replace("This process", "The running trainer"), remedy)


def look_at_processes(config: Config, side: str) -> Iterator[Finding]:
    """Whether relay and trainer run, and whether the trainer has spoken of late."""
    states = {"relay": config.relay_state, "trainer": config.trainer_state}
    for process, state in states.items():
        if side not in (process, "both"):
            continue
        if running(state, process) is None:
            yield warn(process, "It does not run (or not on this machine).", f"silo-connector run {process} --config …")
        else:
            yield ok(process, "It runs.")
    try:
        with SafeDir.open(config.spool) as folder:
            status = json.loads(folder.read(spool.STATUS, spool.SMALL_BYTES_MAX))
        age = datetime.now(UTC) - datetime.fromisoformat(status["at"])
    except (Invalid, ValueError, KeyError, TypeError):
        return
    if age > STATUS_FRESH:
        yield warn("trainer", f"It last spoke {age.total_seconds():.0f} s ago.", "See the trainer's log.")
