"""How long a round waits for silos beyond its quorum (docs/adr/0032). Pure: the modes, the numbers, an estimate."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Wait(TextChoices):
    """For whom a job's rounds wait. `all` is what every job did before there was a choice."""

    ADAPTIVE = "adaptive", _("for the quorum, then a while")
    QUORUM = "quorum", _("for the quorum alone")
    ALL = "all", _("for all, until the deadline")


class CloseReason(TextChoices):
    """Why a round takes no further answers."""

    SETTLED = "settled", _("no order was open any more")
    QUORUM = "quorum", _("the quorum has answered")
    GRACE = "grace", _("the quorum has answered, and the others had their time")
    SILENT = "silent", _("the quorum has answered, and the others are silent")
    DEADLINE = "deadline", _("the deadline has passed")


class BelowQuorum(TextChoices):
    """What happens when a step's time is over and fewer than its quorum have answered."""

    ABANDON = "abandon", _("the round is abandoned and tried again")
    PAUSE = "pause", _("the job pauses until enough silos have answered")


LEFT_OUT = "order.left_out"
"""The code of an order whose round closed without it, though its silo was heard of."""
SILENT = "order.silent"
"""The code of an order whose round closed without it, as its silo was not heard of."""

GRACE_FACTOR = 1.5
"""The others have half as long again as the quorum took, or as silos usually take."""
GRACE_MIN_S = 2.0
"""So long is waited after the quorum at least."""
FIRST_GRACE_MIN_S = 30.0
"""So long at least while nobody has answered in this job: a trainer may load its libraries first."""
QUANTILE = 0.9
"""Of what silos took: with up to nine silos a single slow one is within it."""
USUAL_TIMES_MAX = 10.0
"""Of what the silo in the middle took. A slower one is waited for when it was left out twice, and moves no grace by
answers that come later and later."""
ROUNDS_LOOKED_AT = 6
"""What silos took in so many rounds before says how long they usually take."""
LEFT_OUT_RUNNING = 2
"""A silo that was left out so many times running is waited for to the deadline, once."""


def mode(wait: str, *, quorum: int, silos: int) -> Wait:
    """How a round really waits: nothing can close it early where the quorum is the whole cohort."""
    return Wait.ALL if quorum >= silos else Wait(wait)


def silo_down_s(
    wait: str, *, quorum: int, silos: int, deadline_s: float, usual_s: float | None, first: bool = False
) -> float:
    """An estimate: how many seconds longer a round takes in which a silo does not answer that was heard of lately."""
    match mode(wait, quorum=quorum, silos=silos):
        case Wait.ALL:
            return deadline_s
        case Wait.QUORUM:
            return 0.0
        case _:
            least = FIRST_GRACE_MIN_S if first else GRACE_MIN_S
            return min(deadline_s, max(least, (GRACE_FACTOR - 1) * (usual_s or 0.0)))
