"""Why a job, a round or an order came to nothing, in the reader's language.

The record keeps the sentence as it was written, in English, beside a stable code. A page in another language says it
anew by the code: word for word where the sentence has one of the known forms, else what the code means, and the words
of the record after it. A code that is not known here is told as it was kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from agreements.refusals import refused_anew
from rest.sentences import said_anew

FORMS: Mapping[str, tuple[str, ...]] = {
    "job.paused_by_request": (_("Paused by %(who)s."),),
    "job.cancelled_by_request": (_("Cancelled by %(who)s."),),
    "model.retired": (_("The model is retired: a member has left with whose data it was learned."),),
    "model.expired": (_("The agreement let this model be kept for a while after its job. That time is over."),),
    "round.quorum_not_met": (_("%(answered)s of at least %(needed)s silos answered in time."),),
    "round.too_few_accepted": (
        _("No silo's update could be accepted."),
        _("%(accepted)s updates could be accepted, at least %(needed)s are needed."),
    ),
    "platform.restored": (
        _(
            "The platform was restored from a backup, and %(silos)s silos have done later work of this job. Launch it "
            "again."
        ),
        _(
            "The platform was restored from a backup, and %(silos)s silos knew the numbers of its orders. New numbers "
            "are used now; if the job is paused, resume it."
        ),
    ),
    "round.not_closed": (_("%(number)s workers failed to close it."),),
    "silo.revoked": (_("The silo was revoked while it had this order."),),
    "silo.unconfirmed": (_("The silo enrolled anew while it had this order, and waits to be confirmed."),),
    "participation.ended": (_("The silo's organisation left the consortium while it had this order."),),
    "update.norm_exceeded": (
        _("The update's norm is %(norm)s, %(allowed)s is allowed."),
        _("The update has norm %(norm)s."),
    ),
    "update.missing": (_("The update's file is not there any more."),),
    "update.not_finite": (_("The update holds values that are not finite numbers."),),
    "update.weight": (
        _("The answer claims %(rows)s rows; the silo's registration allows %(allowed)s."),
        _("The weight must be a positive number."),
    ),
    "answer.not_agreed": (_("The answer tells figures that the agreement does not let out: %(figures)s."),),
    "answer.small_cell": (_("The answer tells figures of fewer rows than %(minimum)s."),),
    "answer.figures": (
        _("The answer tells figures that a %(target)s target doesn't have."),
        _("The answer tells a loss of training that a %(target)s target doesn't have."),
    ),
    "agreement.trainer_network": (_("The trainer does not say that it had no network, as the agreement asks."),),
    "dataset.unknown": (_("There is no dataset %(dataset)s here."),),
    "dataset.schema_changed": (_("The schema of %(dataset)s is not the one in the manifest."),),
    "model.too_large": (_("The model has %(bytes)s bytes; %(allowed)s are allowed."),),
    "order.expired": (_("The order expired at %(moment)s."),),
}
"""The sentences that are written with a code, their names and numbers left open."""

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
    "leaving.not_allowed": _("The silo's policy does not let the answer leave."),
    "manifest.untrusted": _("The silo does not trust the key that signed the job."),
    "protection.not_supported": _("The silo's connector does not know this protection. A newer connector may."),
    "order.number_reused": _("The silo had seen the order's number: the platform was restored from a backup."),
    "order.expired": _("The order came too late to the silo."),
    "model.too_large": _("The model is larger than the silo takes."),
    "checkpoint.goes_back": _("The record is shorter than the silo has countersigned before: something was removed."),
    "checkpoint.forked": _("The record is not the one that the silo has countersigned before: it was rewritten."),
    "checkpoint.unproven": _("Nothing shows that the record goes on from what the silo has countersigned before."),
    "checkpoint.other_head": _("The silo keeps another head of the record than the platform knew. It is asked again."),
}
"""What a code means, where its sentence may have many forms, or where none was written."""


def in_the_readers_words(code: str, text: str) -> str:
    """The sentence of the record as the reader's language says it; the sentence itself where that is English."""
    if (anew := said_anew(FORMS.get(code, ()), text)) is not None:
        return anew
    if (anew := refused_anew(code, text)) is not None:
        return anew
    meaning = MEANINGS.get(code, "")
    translated = gettext(meaning) if meaning else ""
    if not text:
        return translated
    return f"{translated} ({text})" if translated != meaning else text
