"""What becomes of a delivery."""

from collections.abc import Mapping

from django.db.models import TextChoices


class DeliveryState(TextChoices):
    """The life of a notice's way to one person."""

    PENDING = "pending", "on its way"
    SENT = "sent", "sent"
    FAILED = "failed", "given up"


TRANSITIONS: Mapping[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.PENDING: frozenset({DeliveryState.SENT, DeliveryState.FAILED}),
    DeliveryState.SENT: frozenset(),
    DeliveryState.FAILED: frozenset(),
}
