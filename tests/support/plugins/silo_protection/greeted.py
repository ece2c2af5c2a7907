"""What the trainer does to updates under the mode: nothing."""

from __future__ import annotations

from silo_connector.trainer.protection.clear import Clear


class Greeted(Clear):
    """As in clear."""

    mode = "greeted"


PROTECTION = Greeted()
