"""Which state of a silo may follow which."""

from django.db.models import TextChoices


class SiloState(TextChoices):
    """Where a silo is between a name on a page and a connector that may work."""

    CREATED = "created", "waiting for its connector"
    PRESENTED = "presented", "to be confirmed"
    ACTIVE = "active", "active"
    REVOKED = "revoked", "revoked"


TRANSITIONS: dict[SiloState, frozenset[SiloState]] = {
    SiloState.CREATED: frozenset({SiloState.PRESENTED, SiloState.REVOKED}),
    SiloState.PRESENTED: frozenset({SiloState.PRESENTED, SiloState.ACTIVE, SiloState.REVOKED}),
    SiloState.ACTIVE: frozenset({SiloState.PRESENTED, SiloState.REVOKED}),
    SiloState.REVOKED: frozenset({SiloState.PRESENTED}),
}
