"""Which code carries out each term of an agreement, what is recorded when it does, and which test shows it.

`docs/generated/terms.md` is made of this table. A test fails for a term without an entry, and for an entry that names
code, an event, a code of refusal or a test that there is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

from pydantic import BaseModel

from federation.agreements.vocabulary import MODIFIERS, PERMISSIONS
from federation.protocol.documents import Terms

Side = Literal["silo and platform", "silo", "platform", "people"]
_USE = "datasets.use."
_TESTS = "tests/unit/federation/agreements/"
_DECISIONS = f"{_TESTS}test_decisions.py::test_what_is_outside_the_agreement_is_refused_and_the_clause_named"
_PURPOSES = f"{_TESTS}test_purposes.py::"
_RELEASE = "tests/integration/registry/test_release.py::"
_RETENTION = "tests/integration/training/test_retention.py::"
_OF_AGREEMENTS = "tests/integration/training/test_agreements.py::"
_REFUSED = ("order.refused", "job.failed")


@dataclass(frozen=True)
class CarriedOut:
    """How a term is carried out."""

    side: Side
    code: tuple[str, ...]
    """Dotted paths of what does it."""
    events: tuple[str, ...]
    """The verbs of the audit log that report it."""
    test: str
    """The id of a test that fails without it."""
    answered: tuple[str, ...] = ()
    """The codes with which it says no."""
    remark: str = ""


def _judged(by: str, test: str = _DECISIONS, *answered: str, remark: str = "") -> CarriedOut:
    """What the platform asks at quote, launch and start, and the trainer at every order."""
    code = (
        f"federation.agreements.{by}",
        "training.launch.eligibility.verdicts",
        "silo_connector.trainer.orders.authorization.Authorizer.authorize",
    )
    return CarriedOut("silo and platform", code, _REFUSED, test, answered, remark)


def _used(test: str) -> CarriedOut:
    return _judged("purposes.unmet_codes", _PURPOSES + test, "agreement.purpose")


def _released(test: str, *answered: str, code: str = "registry.release.check_release") -> CarriedOut:
    return CarriedOut("platform", (code,), ("model.downloaded",), _RELEASE + test, answered)


_MODIFIER = "test_a_modifier_is_met_or_named"
_NOT_YET = "Judged by what each job declares. Spending over many jobs is not enforced yet."
_PERMISSION = "test_a_permission_allows_these_kinds_of_use_and_no_others"

TERMS: Mapping[str, CarriedOut] = MappingProxyType(
    {
        "members.organisation": CarriedOut(
            "platform",
            ("agreements.membership.check_members",),
            ("agreement.signing_opened",),
            "tests/integration/agreements/test_signing.py::test_opening_says_what_stands_in_the_way_by_field",
            ("agreement.members",),
        ),
        "members.signatory_key": _judged(
            "decisions._of_status", _DECISIONS, "agreement.unsigned", "agreement.not_a_member", "agreement.cohort"
        ),
        "purposes.permission": _used(_PERMISSION),
        "purposes.diseases": _used("test_data_for_a_disease_serve_it_and_what_is_narrower"),
        "purposes.finance": _used("test_a_bank_names_its_purposes"),
        "purposes.modifiers": _used(_MODIFIER),
        "purposes.countries": _used(_MODIFIER),
        "purposes.institutions": _used(_MODIFIER),
        "purposes.users": _used(_MODIFIER),
        "purposes.projects": _used(_MODIFIER),
        "purposes.until": _used("test_a_time_limit_includes_its_last_day"),
        "purposes.moratorium_until": _used(_MODIFIER),
        "purposes.research": CarriedOut(
            "people",
            ("federation.agreements.purposes.unmet_codes",),
            _REFUSED,
            _PURPOSES + _MODIFIER,
            ("agreement.purpose",),
            "The words bind people. With RS, the person who launches declares that they are kept to.",
        ),
        "datasets.signatory_key": _judged("decisions._covered", _DECISIONS, "agreement.dataset"),
        "datasets.dataset": _judged("decisions._covered", _DECISIONS, "agreement.dataset"),
        "datasets.epsilon_max": _judged(
            "decisions._of_protection", _DECISIONS, "agreement.dataset_epsilon", remark=_NOT_YET
        ),
        "datasets.delta_max": _judged(
            "decisions._of_protection", _DECISIONS, "agreement.dataset_delta", remark=_NOT_YET
        ),
        "training_limits.tasks": _judged("decisions._of_training_limits", _DECISIONS, "agreement.task"),
        "training_limits.families": _judged("decisions._of_training_limits", _DECISIONS, "agreement.family"),
        "training_limits.parameters_max": _judged("decisions._of_training_limits", _DECISIONS, "agreement.parameters"),
        "training_limits.rounds_max": _judged(
            "decisions._of_training_limits", _DECISIONS, "agreement.rounds", "order.round_beyond"
        ),
        "training_limits.update_norm_l2_max": CarriedOut(
            "silo and platform",
            (
                "federation.agreements.decisions._of_training_limits",
                "silo_connector.trainer.kinds.execution.execute_order",
            ),
            (*_REFUSED, "update.rejected"),
            _DECISIONS,
            ("agreement.update_norm", "update.norm_exceeded"),
            "The job's own bound is held against the term; the trainer and the platform hold updates to the job's.",
        ),
        "training_limits.trainer_network": _judged(
            "decisions.violations",
            _DECISIONS,
            "agreement.trainer_network",
            remark="The platform knows what the silo signed last; verification of evidence holds every answer to it.",
        ),
        "code.digests": _judged("decisions._of_code", _DECISIONS, "agreement.code"),
        "code.reviewers": _judged("decisions._of_code", _DECISIONS, "agreement.code_review"),
        "protection": _judged("decisions._of_protection", _DECISIONS, "agreement.protection"),
        "clear_reason": CarriedOut(
            "people",
            ("federation.agreements.contradictions.faults", "training.launch.agreed_defaults.clear_reason_of"),
            ("agreement.proposed",),
            f"{_TESTS}test_contradictions.py::test_a_contradiction_is_reported_with_its_field",
            ("agreement.contradiction",),
            "No terms allow clear without it. It is shown in the text, at launch and at each job.",
        ),
        "privacy.required": _judged("decisions._of_protection", _DECISIONS, "agreement.privacy_required"),
        "privacy.epsilon_max": _judged("decisions._of_protection", _DECISIONS, "agreement.epsilon", remark=_NOT_YET),
        "privacy.delta_max": _judged("decisions._of_protection", _DECISIONS, "agreement.delta", remark=_NOT_YET),
        "cohort.minimum_participants": _judged(
            "decisions._of_cohort", _DECISIONS, "agreement.minimum_participants", remark="Held to in every round too."
        ),
        "cohort.minimum_rows": _judged("decisions._of_cohort", _DECISIONS, "agreement.minimum_rows"),
        "cohort.organisation_share_max": _judged("shares.fault_of", _DECISIONS, "agreement.organisation_share"),
        "disclosure.metrics": CarriedOut(
            "silo",
            (
                "silo_connector.trainer.orders.authorization.Authorizer.authorize",
                "silo_connector.trainer.egress.filter.Bounds.of",
            ),
            ("order.submitted",),
            "tests/unit/silo_connector/test_leaving.py::test_figures_that_the_agreement_does_not_name_stay",
        ),
        "disclosure.minimum_cell": CarriedOut(
            "silo and platform",
            (
                "federation.agreements.decisions.violations",
                "silo_connector.trainer.orders.authorization.Authorizer.authorize",
            ),
            (*_REFUSED, "order.submitted"),
            _DECISIONS,
            ("agreement.minimum_cell",),
        ),
        "disclosure.round_models": _released(
            "test_the_final_model_goes_out_and_those_of_rounds_only_if_the_agreement_says_so", "release.round_model"
        ),
        "disclosure.final_model": _released(
            "test_where_no_model_may_leave_none_does_and_nothing_is_written_of_a_download", "release.not_allowed"
        ),
        "disclosure.recipients": _released(
            "test_who_takes_a_recipients_name_gets_no_model_and_a_recipient_keeps_it_under_another_name",
            "release.recipient",
        ),
        "disclosure.release_confirmed_by_each": CarriedOut(
            "platform",
            ("registry.release.check_release", "registry.release.confirm_release"),
            ("model.release_confirmed", "model.downloaded"),
            f"{_RELEASE}test_where_the_agreement_asks_each_member_has_to_confirm",
            ("release.unconfirmed",),
        ),
        "validity.not_before": _judged("decisions._of_status", _DECISIONS, "agreement.not_yet_valid"),
        "validity.not_after": CarriedOut(
            "silo and platform",
            (
                "federation.agreements.decisions._of_status",
                "training.engine.agreement_gate.blocking_reason",
                "agreements.actions.expiry.update_state",
            ),
            (*_REFUSED, "agreement.expired", "job.cancelled"),
            "tests/integration/agreements/test_signing.py::test_a_version_expires_at_its_end",
            ("agreement.expired",),
        ),
        "retention.updates_rounds": CarriedOut(
            "platform",
            (
                "training.engine.housekeeping.delete_updates",
                "training.engine.sql.housekeeping.rounds_with_deletable_updates",
            ),
            ("round.updates_deleted",),
            f"{_RETENTION}test_updates_are_kept_for_as_many_rounds_as_the_agreement_says",
            remark="At the job's end all are deleted.",
        ),
        "retention.models_days": CarriedOut(
            "platform",
            (
                "registry.retirement.retirement_of",
                "training.engine.retiring.retire_models",
                "registry.actions.delete_weights",
            ),
            ("model.expired", "model.weights_deleted"),
            f"{_RETENTION}test_models_are_kept_for_as_many_days_as_the_agreement_says",
            ("model.expired",),
            "Copies that were handed out can't be called back.",
        ),
        "amendment.running_jobs": CarriedOut(
            "silo and platform",
            ("federation.agreements.decisions._of_status", "training.engine.agreement_gate.blocking_reason"),
            (*_REFUSED, "job.cancelled"),
            f"{_OF_AGREEMENTS}test_jobs_of_a_version_that_is_superseded_stop_or_go_on_as_it_says",
            ("agreement.superseded",),
        ),
        "amendment.on_leaving": CarriedOut(
            "platform",
            ("registry.retirement.retirement_of", "training.engine.retiring.retire_models"),
            ("model.retired", "job.cancelled"),
            f"{_RETENTION}test_a_model_learned_with_the_data_of_a_member_that_left_is_retired_for_good",
            ("model.retired",),
            "Copies that were handed out can't be called back.",
        ),
        "notes": CarriedOut("people", (), (), "", remark="It binds people; no machine judges it."),
    }
)
_OWN_TESTS = {
    "DS": "test_data_for_a_disease_serve_it_and_what_is_narrower",
    "FIN": "test_a_bank_names_its_purposes",
    "CC": "test_clinical_care_is_allowed_by_cc_alone",
    "NPOA": "test_population_origins_can_be_forbidden",
    "TS": "test_a_time_limit_includes_its_last_day",
}


def codes_of_use() -> dict[str, CarriedOut]:
    """How each code of conditions of use is checked."""
    found = {code: _used(_OWN_TESTS.get(code, _PERMISSION)) for code in PERMISSIONS}
    return found | {code: _used(_OWN_TESTS.get(code, _MODIFIER)) for code in MODIFIERS}


def carried_out(term: str) -> CarriedOut:
    """How a term is carried out. A data set's own conditions of use are checked as those of the agreement are."""
    return TERMS[f"purposes.{term.removeprefix(_USE)}" if term.startswith(_USE) else term]


def leaves(model: type[BaseModel] = Terms, within: str = "") -> Iterator[str]:
    """Every term that says something by itself, dotted, in the order of the document."""
    for name, field in model.model_fields.items():
        inner = _part_of(field.annotation)
        if inner is None:
            yield f"{within}{name}"
        else:
            yield from leaves(inner, f"{within}{name}.")


def _part_of(annotation: Any) -> type[BaseModel] | None:
    """The part of the document that a field holds, once or several times."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _part_of(one)) is not None), None)
