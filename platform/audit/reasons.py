"""Why something came to nothing: kept as a code with parameters, and said when it is read, in the reader's language.

What is written into a row or an event is the code and what stands in its sentence (ADR 50). The sentences stand here
alone. What somebody else has said, a silo in its signed refusal above all, is kept and shown as it was said, and so are
the English sentences of rows and events from before. A code that is not known here is shown with what was kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from federation.agreements.rules import RULES
from federation.errors import FederationError
from federation.sentences import Params, Sentence

_PLACE = re.compile(r"%\((\w+)\)s")
SENTENCES: Mapping[str, tuple[str, ...]] = {
    "job.paused_by_request": (_("Paused by %(who)s."),),
    "job.cancelled_by_request": (_("Cancelled by %(who)s."),),
    "model.retired": (_("The model is retired: a member has left with whose data it was learned."),),
    "model.expired": (_("The agreement let this model be stored for a while after its job. That time is over."),),
    "round.quorum_not_met": (_("%(answered)s of at least %(needed)s silos answered in time."),),
    "round.too_few_accepted": (
        _("No silo's update could be accepted."),
        _("%(accepted)s updates could be accepted, at least %(needed)s are needed."),
    ),
    "step.below_quorum": (
        _("Fewer than %(needed)s silos have answered in round %(round)s, and it can't be abandoned."),
    ),
    "agreement.expired": (
        _("Its validity passed on %(ended_on)s."),
        _("Its validity passed on %(signing_ended_on)s, before the last had signed. Choose a later end."),
    ),
    "agreement.protocol": (
        _(
            "It was opened for signing under protocol %(opened_under)s, which authorises nothing. Open it again: then "
            "it is signed under protocol 1.1."
        ),
    ),
    "agreement.member_gone": (
        _("No longer members by the keys that it names: %(gone)s. The others need a new version."),
        _("No longer members by the keys that it names: %(gone_while_signing)s. Take them out, or have them back."),
    ),
    "platform.restored": (
        _(
            "The platform was restored from a backup, and %(silos)s silos have done later work of this job. Launch it "
            "again."
        ),
        _(
            "The platform was restored from a backup, and %(knowing)s silos knew the numbers of its orders. New "
            "numbers are used now; if the job is paused, resume it."
        ),
    ),
    "job.not_started": (_("%(number)s workers failed to make its first model."),),
    "round.not_closed": (_("%(number)s workers failed to close it."),),
    "silo.revoked": (_("The silo was revoked while it had this order."),),
    "silo.unconfirmed": (_("The silo enrolled again while it had this order, and waits to be confirmed."),),
    "participation.ended": (_("The silo's organisation left the consortium while it had this order."),),
    "update.norm_exceeded": (_("The update's norm is %(norm)s, %(allowed)s is allowed."),),
    "update.missing": (_("The update's file is not there any more."),),
    "update.not_finite": (_("The update holds values that are not finite numbers."),),
    "update.weight": (
        _("The answer claims %(rows)s rows; the silo's registration allows %(allowed)s."),
        _("The weight must be a positive number."),
    ),
    "update.schema": (
        _("The tensors of the model are in another order."),
        _("The tensors are not those of the model: missing %(missing)s, unexpected %(extra)s."),
    ),
    "update.shape": (_("The shape of %(tensor)s is %(found)s, not %(expected)s."),),
    "payload.kind": (_("A payload of kind %(kind)s is not known."),),
    "payload.too_large": (_("The payload has %(size)s bytes, %(allowed)s are allowed."),),
    "payload.length": (
        _("It has %(size)s bytes, not %(expected)s."),
        _("It ends too early."),
        _("A ciphertext has 1 to %(maximum)s bytes."),
        _("It has %(size)s bytes, its lengths add up to %(added)s."),
    ),
    "payload.layout": (_("Its head is not that of the job's layout."),),
    "payload.count": (_("It has %(count)s ciphertexts, not %(expected)s."),),
    "payload.protection": (_("Ciphertexts belong to the mode encrypted."),),
    "model.layout": (_("The file's tensors are not those of the model."),),
    "tensors.truncated": (_("The file ended while it was read."),),
    "strategy.needs_single_updates": (_("%(strategy)s looks at single updates; %(combiner)s sees their sum alone."),),
    "strategy.uploads": (_("%(strategy)s needs more of each silo than its update."),),
    "aggregation.nothing_accepted": (_("No update could be accepted."),),
    "aggregation.nothing_to_sum": (_("There is no update."),),
    "aggregation.weight": (_("Weights are positive finite numbers."),),
    "aggregation.not_finite": (_("The next model would hold values that are not finite numbers."),),
    "answer.not_agreed": (_("The answer has figures that the agreement does not disclose: %(figures)s."),),
    "answer.small_cell": (_("The answer has figures of fewer rows than %(minimum)s."),),
    "answer.figures": (
        _("The answer has figures that a %(target)s target doesn't have."),
        _("The answer has a %(figure)s of training that a %(target)s target doesn't have."),
        _("The answer is about a model, and the job is about none."),
    ),
    "agreement.trainer_network": (_("The trainer does not say that it had no network, as the agreement asks."),),
}
"""The sentences that are written by their code. Where a code has several, no two have the same places."""

MEANINGS: Mapping[str, str] = {
    "order.deadline": _("No answer came before the round's deadline."),
    "order.left_out": _("The round closed without it: the quorum had answered, and the others had had their time."),
    "order.silent": _("The round closed without it: the quorum had answered, and the silo was not heard of."),
    "job.cancelled": _("The job was cancelled while this was under way."),
    "data.unreadable": _("The silo can't read its data. Its IT sees in the trainer's log which file it is and why."),
    "data.malformed": _("The silo's data file is not laid out as it should be. Its IT mends the file."),
    "data.missing_column": _(
        "A declared column is missing from the silo's data. Its IT compares file and declaration."
    ),
    "data.wrong_delimiter": _(
        "The silo's data are divided by another delimiter than declared. Its IT corrects the declaration."
    ),
    "data.bad_value": _(
        "A value in the silo's data is not what its declaration allows. Its IT mends one or the other."
    ),
    "data.bad_type": _("A column of the silo's data has another type than declared. Its IT mends one or the other."),
    "data.no_rows": _("Too few rows of the silo's data can be used."),
    "data.changed": _("The silo's data changed while they were read. The next round reads them again."),
    "dataset.unknown": _("The silo does not know this dataset. Its IT looks whether connector.toml still names it."),
    "statistics.per_day": _(
        "The dataset has answered as many jobs of statistics today as its silo lets it. It answers again from 00:00 "
        "UTC on."
    ),
    "statistics.rows_too_near": _(
        "The dataset's rows have changed by too few since it was asked for statistics. It answers again when they have "
        "changed by the minimum cell."
    ),
    "statistics.minimum_cell": _("Statistics use the agreement's minimum cell size, and no larger one."),
    "statistics.minimum_cell_least": _("Statistics need a minimum cell size of 3 at least."),
    "statistics.asked_again": _("The job has asked this dataset too often. Launch another one."),
    "statistics.too_few_rows": _("The dataset has fewer rows than the minimum cell."),
    "statistics.edges_differ": _("The silo cuts a column otherwise than most of the others."),
    "statistics.small_cell": _("The silo's statistics tell of fewer rows than the minimum cell."),
    "statistics.malformed": _("The silo's statistics can't be read."),
    "statistics.other_columns": _("The silo's statistics are of other columns than the job's."),
    "update.header": _("The head of the update's file can't be read."),
    "update.truncated": _("The update's file ends too early."),
    "update.size": _("The update's file has another size than the model."),
    "update.dtype": _("The update's numbers are of another type than the model's."),
    "payload.malformed": _("The figures can't be read."),
    "trainer.crashed": _(
        "The silo's trainer ended several times over this order. Its IT sees why in the trainer's log."
    ),
    "trainer.state_older": _(
        "What the silo keeps is older than its journal. Its IT restores the newest backup, or its organisation accepts."
    ),
    "trainer.clock_back": _("The silo's clock is behind what the silo has seen before. Its IT sets it right."),
    "order.number_lost": _(
        "The silo has lost orders, and this one's number may have been used. Later ones have others."
    ),
    "job.state_lost": _("The silo has lost what it did for this job. The job is to be launched again."),
    "egress.not_allowed": _("The silo's policy does not let the answer leave."),
    "manifest.untrusted": _("The silo does not trust the key that signed the job."),
    "protection.not_supported": _("The silo's connector does not know this protection. A newer connector may."),
    "order.number_reused": _("The silo had seen the order's number: the platform was restored from a backup."),
    "order.expired": _("The order came too late to the silo."),
    "model.too_large": _("The model is larger than the silo takes."),
    "checkpoint.goes_back": _(
        "The audit log is shorter than the silo has countersigned before: something was removed."
    ),
    "checkpoint.forked": _("The audit log is not the one that the silo has countersigned before: it was rewritten."),
    "checkpoint.unproven": _("Nothing shows that the audit log extends what the silo has countersigned before."),
    "checkpoint.other_head": _(
        "The silo keeps another head of the audit log than the platform knew. It is asked again."
    ),
}
"""What a code means, where its sentence may have many forms, or where none was written."""


@dataclass(frozen=True)
class Reason:
    """A stable code, and what stands in its sentence; or, without a sentence of ours, the words of the one who wrote
    it.
    """

    code: str
    params: Params | None = None
    """None where there is only what was said, or the code alone."""
    text: str = ""

    @classmethod
    def of(cls, error: FederationError) -> Reason:
        """Why something failed."""
        return cls.said(error.code, error.message)

    @classmethod
    def said(cls, code: str, message: str) -> Reason:
        """By its parameters where the sentence is one of this code's, else by its words."""
        form, params = (message.form, dict(message.params)) if isinstance(message, Sentence) else (message, {})
        if form in SENTENCES.get(code, ()):
            return cls(code, params)
        return cls(code, None, message)

    @property
    def detail(self) -> dict[str, object]:
        """As an event reports it."""
        if self.params is None:
            return {"code": self.code, "reason": str(self.text)}
        return {"code": self.code, "params": dict(self.params)}

    def __str__(self) -> str:
        return reason_text(self.code, self.params, self.text)


def reason_text(code: str, params: Params | None, text: str = "") -> str:
    """The sentence in the reader's language; what was stated in other words as it was stated, after what its code
    means.
    """
    if params is not None:
        return _by_form(code, params) or text or _unknown(code, params)
    meaning = MEANINGS.get(code) or (RULES[code].meaning if code in RULES and text else "")
    translated = gettext(meaning) if meaning else ""
    if not text:
        return translated or _without_places(code)
    return f"{translated} ({text})" if translated != meaning else text


def detail_with_reason(detail: Mapping[str, Any]) -> dict[str, Any]:
    """What an event reports, with the reason in words beside its code and parameters."""
    code, params = detail.get("code"), detail.get("params")
    if not isinstance(code, str) or not isinstance(params, Mapping):
        return dict(detail)
    return {**detail, "reason": reason_text(code, params)}


def detail_for_machines(detail: Mapping[str, Any]) -> dict[str, Any]:
    """The same in English, as programs and files to take along get it, no matter who asks."""
    with translation.override(settings.LANGUAGE_CODE):
        return detail_with_reason(detail)


def reason_of(detail: Mapping[str, Any]) -> str:
    """Why, as an event reports it; empty where it reports no reason."""
    params = detail.get("params")
    kept = params if isinstance(params, Mapping) else None
    return reason_text(str(detail.get("code", "")), kept, str(detail.get("reason", "")))


def _by_form(code: str, params: Params) -> str:
    for form in SENTENCES.get(code, ()):
        if places_of(form) == set(params):
            return gettext(form) % dict(params) if params else gettext(form)
    if not params and code in RULES:
        return f"{gettext(RULES[code].meaning)} {gettext(RULES[code].remedy)}"
    return gettext(MEANINGS[code]) if not params and code in MEANINGS else ""


def places_of(form: str) -> frozenset[str]:
    """The names of what stands in a sentence."""
    return frozenset(_PLACE.findall(form))


def _without_places(code: str) -> str:
    """The sentence of a code of which nothing else was kept, as of orders that were called back with their round."""
    forms = SENTENCES.get(code, ())
    return gettext(forms[0]) if len(forms) == 1 and not places_of(forms[0]) else ""


def _unknown(code: str, params: Params) -> str:
    """A code that an older or a newer release has written."""
    message = ", ".join(f"{name}: {value}" for name, value in params.items())
    return f"{code} ({message})" if message else code
