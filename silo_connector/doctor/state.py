"""Whether what the trainer keeps is as new as its journal."""

from __future__ import annotations

from collections.abc import Iterator

from federation.errors import FederationError
from silo_connector.config import Config
from silo_connector.doctor.findings import Finding, fail, ok, skip

_SHOWN = 5
_RESTORE = "Put the newest backup back (trainer stopped), or confirm with: silo-connector accept-state …"
_SET_CLOCK = "Set the clock by NTP; if it was wrong before and is right now: silo-connector accept-state …"


def look_at_state(config: Config) -> Iterator[Finding]:
    """What is older than the journal locks the trainer, until it is put right or a person confirms."""
    from silo_connector.journal import FILE as JOURNAL
    from silo_connector.trainer.store.order_store import FILE as MEMORY
    from silo_connector.trainer.store.past import CLOCK
    from silo_connector.trainer.store.state_check import compared

    if not any((config.trainer_state / name).exists() for name in (JOURNAL, MEMORY)):
        yield skip("state", "The trainer has kept nothing yet.")
        return
    try:
        older = compared(config).older
    except FederationError as error:
        yield fail("state", error.message, "Find out who can write into the trainer's state.")
        return
    for one in older[:_SHOWN]:
        yield fail("state", f"Older than the journal: {one}.", _SET_CLOCK if one.store == CLOCK else _RESTORE)
    if len(older) > _SHOWN:
        yield fail("state", f"And {len(older) - _SHOWN} more.", "silo-connector accept-state lists them.")
    if not older:
        yield ok("state", "all that is kept is as new as the journal")
    yield from _breaks(config)


def _breaks(config: Config) -> Iterator[Finding]:
    """The platform's log that does not follow from what is kept: restored, or rewritten."""
    from silo_connector.trainer.store.log_breaks import stored_breaks

    try:
        status = stored_breaks(config.trainer_state).unaccepted
    except FederationError as error:
        yield fail("log", error.message, "Remove the file; the next order to countersign makes it anew.")
        return
    for chain, found in list(status.items())[:_SHOWN]:
        yield fail(
            "log",
            f"The platform is older than what this silo saw: of {chain} event {found.kept.position} is kept here, and "
            f"another log is shown (event {found.shown.position}).",
            f"Ask the operator what was restored; then: silo-connector accept-log --chain {chain} …",
        )
