"""Terms that contradict one another or can never be met: reported at once, by field, before anybody signs them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from federation.agreements.decisions import PLAN
from federation.agreements.purposes import have_use_in_common
from federation.errors import Invalid
from federation.protection import mode_of
from federation.protocol.documents import Terms, UseConditions
from federation.sentences import Sentence


class Fault(NamedTuple):
    """What contradicts itself."""

    field: str
    """Dotted, as in ``privacy.epsilon_max``."""
    said: str
    rests_on: tuple[str, ...] = ()
    """The other fields without which it can't be known."""


_NEEDS = {
    "GS": ("countries", "Name the countries that GS limits the use to."),
    "IS": ("institutions", "Name the institutions that IS limits the use to."),
    "US": ("users", "Name the users that US limits the use to."),
    "PS": ("projects", "Name the projects that PS limits the use to."),
    "TS": ("until", "Say until when TS lets the data be used."),
    "MOR": ("moratorium_until", "Say when the moratorium MOR ends."),
    "RS": ("research", "Say in words what kind of research RS limits the use to."),
}


def check_terms(terms: Terms, families: frozenset[str], moment: datetime) -> None:
    """Raise one Invalid ``agreement.contradiction`` with everything that is wrong, by field.

    `families` are the model families that there are.
    """
    fields: dict[str, list[str]] = {}
    for name, one_report, _rests_on in faults(terms, families, moment):
        fields.setdefault(name, []).append(one_report)
    if fields:
        first = next(iter(fields))
        raise Invalid("agreement.contradiction", fields[first][0], first, fields=fields)


def faults(terms: Terms, families: frozenset[str], moment: datetime) -> Iterator[Fault]:
    """Everything that is wrong with the terms."""
    yield from _of_members(terms)
    yield from _of_uses(terms)
    yield from _of_training_limits(terms, families)
    yield from _of_code(terms)
    yield from _of_privacy(terms)
    if len(set(terms.protection)) != len(terms.protection):
        yield Fault("protection", "A protection mode is named twice.")
    if not terms.clear_reason.strip() and any(mode_of(mode).platform_reads_updates for mode in terms.protection):
        yield Fault("clear_reason", "Say why updates may leave in clear. Every member reads it.", ("protection",))
    if terms.cohort.minimum_participants > (bringing := len({covered.signatory_key for covered in terms.datasets})):
        yield Fault(
            "cohort.minimum_participants",
            Sentence(
                "Only %(bringing)s of the members bring data: a job could never have so many participants.",
                bringing=bringing,
            ),
            ("datasets",),
        )
    share = terms.cohort.organisation_share_max
    if share is not None and round(share, 4) < round(1 / max(1, bringing), 4):
        yield Fault(
            "cohort.organisation_share_max",
            Sentence(
                "%(bringing)s of the members bring data, and an equal part is larger than this: nobody could keep to "
                "it.",
                bringing=bringing,
            ),
            ("datasets",),
        )
    if not terms.disclosure.final_model:
        yield from _of_models_that_stay(terms)
    if terms.validity.not_after <= terms.validity.not_before:
        yield Fault("validity.not_after", "The agreement would end before it begins.", ("validity.not_before",))
    elif terms.validity.not_after <= moment:
        yield Fault("validity.not_after", "The agreement would have expired already.")


def _of_models_that_stay(terms: Terms) -> Iterator[Fault]:
    of_final = ("disclosure.final_model",)
    if terms.disclosure.release_confirmed_by_each:
        yield Fault(
            "disclosure.release_confirmed_by_each", "No model may leave, so there is no release to confirm.", of_final
        )
    if terms.disclosure.recipients:
        yield Fault("disclosure.recipients", "No model may leave, so nobody can receive one.", of_final)
    if terms.disclosure.round_models:
        yield Fault("disclosure.round_models", "The models of rounds may leave but the final one may not.", of_final)


def _of_members(terms: Terms) -> Iterator[Fault]:
    keys = Counter(member.signatory_key for member in terms.members)
    names = Counter(member.organisation for member in terms.members)
    for position, member in enumerate(terms.members):
        if keys[member.signatory_key] > 1:
            yield Fault(f"members.{position}.signatory_key", "Two members have the same signatory key.")
        if names[member.organisation] > 1:
            yield Fault(f"members.{position}.organisation", "Two members have the same name.")
    brought = Counter((covered.signatory_key, covered.dataset) for covered in terms.datasets)
    for position, covered in enumerate(terms.datasets):
        key = f"datasets.{position}.signatory_key"
        if covered.signatory_key not in keys:
            yield Fault(key, "The organisation that brings this data set is no member.", ("members",))
        if brought[covered.signatory_key, covered.dataset] > 1:
            yield Fault(f"datasets.{position}.dataset", "This data set is covered twice.", (key,))


def of_use(use: UseConditions, within: str) -> Iterator[Fault]:
    """What is wrong with conditions of use."""
    permission, modifiers = f"{within}.permission", f"{within}.modifiers"
    if use.permission == "DS" and not use.diseases:
        yield Fault(f"{within}.diseases", "Name the diseases that DS limits the use to.", (permission,))
    if use.permission != "DS" and use.diseases:
        yield Fault(f"{within}.diseases", "Diseases are named with the permission DS only.", (permission,))
    if use.permission == "FIN" and not use.finance:
        yield Fault(f"{within}.finance", "Name the purposes that FIN allows.", (permission,))
    if use.permission != "FIN" and use.finance:
        yield Fault(f"{within}.finance", "Purposes of a bank are named with the permission FIN only.", (permission,))
    if len(set(use.modifiers)) != len(use.modifiers):
        yield Fault(modifiers, "A modifier is named twice.")
    if use.permission == "POA" and "NPOA" in use.modifiers:
        yield Fault(modifiers, "POA allows nothing but what NPOA forbids.", (permission,))
    for modifier, (name, one_report) in _NEEDS.items():
        if modifier in use.modifiers and not getattr(use, name):
            yield Fault(f"{within}.{name}", one_report, (modifiers,))
        elif modifier not in use.modifiers and getattr(use, name):
            yield Fault(
                f"{within}.{name}",
                Sentence(
                    "This is judged with the modifier %(modifier)s only: add it, or leave this empty.",
                    modifier=modifier,
                ),
                (modifiers,),
            )


def _of_uses(terms: Terms) -> Iterator[Fault]:
    of_all = [*of_use(terms.purposes, "purposes"), *_of_time(terms, terms.purposes, "purposes")]
    yield from of_all
    for position, covered in enumerate(terms.datasets):
        if covered.use is None:
            continue
        within = f"datasets.{position}.use"
        own = [*of_use(covered.use, within), *_of_time(terms, covered.use, within)]
        yield from own
        if not of_all and not own and not have_use_in_common(terms.purposes, covered.use):
            yield Fault(
                f"{within}.permission",
                "The agreement's purposes allow nothing that these conditions allow: the data set could serve no job.",
                ("purposes", within),
            )


def _of_time(terms: Terms, use: UseConditions, within: str) -> Iterator[Fault]:
    if "TS" in use.modifiers and use.until is not None and use.until < terms.validity.not_before.date():
        yield Fault(
            f"{within}.until",
            "The data could be used only before the agreement begins: no job could run.",
            ("validity.not_before", f"{within}.modifiers"),
        )


def _of_training_limits(terms: Terms, families: frozenset[str]) -> Iterator[Fault]:
    for name, values in (("tasks", terms.training_limits.tasks), ("families", terms.training_limits.families)):
        if len(set(values)) != len(values):
            yield Fault(f"training_limits.{name}", "Something is named twice.")
    if unknown := sorted(set(terms.training_limits.families) - families):
        message = Sentence(
            "There is no family %(unknown)s; there are %(known)s.",
            unknown=unknown[0],
            known=", ".join(sorted(families)),
        )
        yield Fault("training_limits.families", message)


def _of_code(terms: Terms) -> Iterator[Fault]:
    """Code that is named has to be able to run; plans as a family and none named yet is no contradiction.

    The members may well agree on plans first, and on which in a later version: until then none runs.
    """
    if len(set(terms.code.digests)) != len(terms.code.digests):
        yield Fault("code.digests", "Something is named twice.")
    if terms.code.digests and PLAN not in terms.training_limits.families:
        yield Fault(
            "code.digests",
            "Training plans are not among the model families: this code could never run. Add them, or leave it out.",
            ("training_limits.families",),
        )


def _of_privacy(terms: Terms) -> Iterator[Fault]:
    if terms.privacy.required:
        yield from _of_privacy_required(terms)
    for position, covered in enumerate(terms.datasets):
        if covered.epsilon_max == 0:
            yield Fault(f"datasets.{position}.epsilon_max", "With a ceiling of 0 it could serve no job: leave it out.")


def _of_privacy_required(terms: Terms) -> Iterator[Fault]:
    required = ("privacy.required",)
    if terms.privacy.epsilon_max == 0:
        yield Fault(
            "privacy.epsilon_max",
            "Differential privacy is required, but epsilon may not be above 0: no job could run.",
            required,
        )
    if terms.privacy.epsilon_max is None:
        yield Fault("privacy.epsilon_max", "Differential privacy is required: say how large epsilon may be.", required)
    if terms.privacy.delta_max is None:
        yield Fault("privacy.delta_max", "Differential privacy is required: say how large delta may be.", required)
