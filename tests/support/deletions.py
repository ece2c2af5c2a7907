"""Everything that housekeeping deletes, in one call."""

from __future__ import annotations

from audit.actors import Actor
from training.engine import housekeeping, retiring


def delete_what_has_served(*, by: Actor) -> None:
    """As the tasks do it, one after the other."""
    housekeeping.delete_expired_data(by=by)
    housekeeping.delete_orphaned_files()
    retiring.retire_models(by=by)
    housekeeping.prune_models(by=by)
