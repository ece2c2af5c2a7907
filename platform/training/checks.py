"""What must hold between settings for jobs to move."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

LEASE_MIN_S = 2.0
"""Between two renewals a worker may read a block of every update, flush a model to the disk, or wait for the database:
on a slow disk these take up to a second."""


@register()
def check_lease(**_: Any) -> list[CheckMessage]:
    """A lease must not lapse between two renewals: the sum would be worked out again and again, and thrown away."""
    if settings.STEP_LEASE_S >= LEASE_MIN_S:
        return []
    return [
        Error(
            f"STEP_LEASE_S is {settings.STEP_LEASE_S:g}, and must be at least {LEASE_MIN_S:g} seconds.",
            hint="Workers renew the lease of a step while they close it; a shorter one lapses in between.",
            id="training.E001",
        )
    ]
