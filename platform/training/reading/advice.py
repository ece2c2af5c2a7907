"""What can be done about an order that came to nothing, by its code, in the reader's language. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from federation.agreements.rules import RULES

_DATA = _(
    "The silo's IT runs “silo-connector data check”, which names what is wrong, and mends the file or its "
    "declaration. The silo's next order is tried with the data as they are then."
)
_LOG = _("The silo's IT finds the cause in the trainer's log; “silo-connector doctor” checks the machine.")
_RATE = _("Launch the next job with a lower learning rate, or with fewer local epochs.")
_AGAIN = _("The silo's IT declares and registers the data again; then launch a new job over them.")
_CLOCK = _("The silo's IT compares the machine's clock; “silo-connector doctor” says how far it is off.")
_NEWER = _("The silo's IT installs a newer connector, or the next job asks for less.")

REMEDIES: Mapping[str, str] = {
    "order.deadline": _(
        "The silo's IT looks whether relay and trainer run (“silo-connector doctor”). A slow silo needs a longer "
        "deadline."
    ),
    "order.left_out": _(
        "The silo is asked again in the next round, and after two such rounds it is waited for once. To wait for it "
        "always, launch with “wait” all."
    ),
    "order.silent": _("The silo's IT starts relay and trainer again. The silo then gets orders by itself."),
    "order.expired": _CLOCK,
    "order.not_yet_valid": _CLOCK,
    "dataset.schema_changed": _AGAIN,
    "dataset.unknown": _AGAIN,
    "update.norm_exceeded": _(
        "Launch the next job with a lower learning rate, or with a larger bound where the agreement allows one."
    ),
    "update.missing": _("Ask the platform's operator: a file was lost. The silo takes part again in the next round."),
    "update.not_finite": _RATE,
    "training.diverged": _RATE,
    "evaluation.not_finite": _RATE,
    "model.too_large": _("Launch the next job with a smaller model, or ask the silo's IT for a larger limit."),
    "protection.not_supported": _NEWER,
    "privacy.not_supported": _NEWER,
    "protocol.version": _NEWER,
    "protocol.critical": _NEWER,
    "order.kind_not_supported": _NEWER,
    "model.unknown_family": _NEWER,
    "code.no_runner": _("The silo's IT installs the runner, or the next job uses a built-in model."),
    "code.timeout": _("Make the training plan faster, or ask the silo's IT for a longer limit."),
    "code.memory": _("Make the training plan smaller, or ask the silo's IT for more memory."),
}
_BY_AREA: Mapping[str, str] = {"data": _DATA, "dataset": _DATA, "training": _DATA}


def remedy_for(code: str) -> str:
    """What can be done about it; where nothing better is known, where to look."""
    if code in RULES:
        return gettext(RULES[code].remedy)
    return gettext(REMEDIES.get(code) or _BY_AREA.get(code.partition(".")[0], _LOG))
