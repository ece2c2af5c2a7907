"""Which state of a silo may follow which."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class SiloState(TextChoices):
    """Where a silo is between a name on a page and a connector that may work."""

    CREATED = "created", _("waiting for its connector")
    PRESENTED = "presented", _("to be confirmed")
    ACTIVE = "active", _("active")
    REVOKED = "revoked", _("revoked")


TRANSITIONS: dict[SiloState, frozenset[SiloState]] = {
    SiloState.CREATED: frozenset({SiloState.PRESENTED, SiloState.REVOKED}),
    SiloState.PRESENTED: frozenset({SiloState.PRESENTED, SiloState.ACTIVE, SiloState.REVOKED}),
    SiloState.ACTIVE: frozenset({SiloState.PRESENTED, SiloState.REVOKED}),
    SiloState.REVOKED: frozenset({SiloState.PRESENTED}),
}
