"""Each rule by an example: what is allowed turns into exactly this refusal when this one thing changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta
from typing import Any
from uuid import UUID

import pytest

from federation.agreements.policy import Policy, QuietHours
from federation.agreements.rules import LOCAL_POLICY, RULES
from federation.agreements.shares import registered_of, weigh
from federation.protection.encrypted import Encrypted
from federation.protocol.documents import (
    AmendmentTerms,
    Cohort,
    CoveredDataset,
    CustomCode,
    DisclosureTerms,
    Limits,
    OrderKind,
    Privacy,
    PrivacyCost,
    Purpose,
    UseConditions,
    Weighting,
)
from federation.protocol.keys import PrivateKey
from tests.support.decision_cases import KEYS, NOW, Case, allowed_case

Change = Callable[[Case], Case]


def status(**changes: Any) -> Change:
    """The agreement stands otherwise."""

    def change(case: Case) -> Case:
        assert case.status is not None
        return replace(case, status=replace(case.status, **changes))

    return change


def job(**changes: Any) -> Change:
    """The job is another."""
    return lambda case: case.asking(**changes)


def order(**changes: Any) -> Change:
    """The order is another."""

    def change(case: Case) -> Case:
        assert case.order is not None
        return replace(case, order=case.order.model_copy(update=changes))

    return change


def place(**changes: Any) -> Change:
    """The silo is another."""
    return lambda case: replace(case, place=replace(case.place, **changes))


def position(**changes: Any) -> Change:
    """Something has been done or spent at the silo."""
    return lambda case: place(position=replace(case.place.position, **changes))(case)


def terms(**changes: Any) -> Change:
    """The agreement says something else, and all have signed that."""

    def change(case: Case) -> Case:
        assert case.status is not None
        return case.under(case.status.agreement.terms.model_copy(update=changes))

    return change


def work(**changes: Any) -> Change:
    """Jobs may do something else."""

    def change(case: Case) -> Case:
        assert case.status is not None
        return terms(training_limits=case.status.agreement.terms.training_limits.model_copy(update=changes))(case)

    return change


def at(moment: timedelta) -> Change:
    """It is another moment."""
    return lambda case: replace(case, moment=NOW + moment)


def covered(**changes: Any) -> Change:
    """The silo's data set is covered under other conditions."""

    def change(case: Case) -> Case:
        first = CoveredDataset(signatory_key=KEYS[0].public.encoded, dataset="heart-disease", **changes)
        return terms(datasets=(first,))(case)

    return change


def both(*changes: Change) -> Change:
    """One change after another."""

    def change(case: Case) -> Case:
        for one in changes:
            case = one(case)
        return case

    return change


def member(**changes: Any) -> Change:
    """The manifest says something else of the cohort's first silo."""

    def change(case: Case) -> Case:
        first, *rest = case.manifest.cohort
        return case.asking(cohort=(first.model_copy(update=changes), *rest))

    return change


def cohort(**changes: Any) -> Cohort:
    """What is agreed of cohorts, with this in it."""
    return Cohort.model_validate({"minimum_participants": 3, "minimum_rows": 100} | changes)


def agreed_in(protocol: str, case: Case) -> Case:
    """The agreement was written in another version of the protocol."""
    assert case.status is not None
    return status(agreement=case.status.agreement.model_copy(update={"protocol": protocol}))(case)


def unweighed(case: Case) -> Case:
    """The manifest says of no silo what it weighs."""
    by_name = {"rows_coarse": None, "weight_max": None}
    return case.asking(cohort=tuple(one.model_copy(update=by_name) for one in case.manifest.cohort))


def weighed(case: Case) -> Case:
    """The largest weights are those of the cohort as it is."""
    found = registered_of(case.manifest.cohort)
    assert found is not None
    weighting, weights = weigh(found, None, 0.8)
    reported = zip(case.manifest.cohort, weights, strict=True)
    return case.asking(
        weighting=weighting, cohort=tuple(one.model_copy(update={"weight_max": weight}) for one, weight in reported)
    )


ANOTHER_KEY = PrivateKey.generate().public.encoded


def again(**changes: object) -> Change:
    """The fourth place of the cohort is the first silo's once more, but for what is changed."""

    def change(case: Case) -> Case:
        first, *others, last = case.manifest.cohort
        twice = first.model_copy(update={"silo_id": last.silo_id, "identity_key": ANOTHER_KEY} | changes)
        return case.asking(cohort=(first, *others, twice))

    return change


def others_of(case: Case) -> Case:
    """Two of the cohort's four silos are of the first member."""
    first, second, *rest = case.manifest.cohort
    again = second.model_copy(update={"signatory_key": first.signatory_key, "organisation": first.organisation})
    return case.asking(cohort=(first, again, *rest[:1]), quorum=3)


def two_of_one_organisation(quorum: int) -> Change:
    """Three members, of which the first has two silos: four silos, and three organisations, which are the minimum."""

    def change(case: Case) -> Case:
        first = case.manifest.cohort[0]
        second = first.model_copy(update={"silo_id": UUID(int=77), "silo": "another", "identity_key": ANOTHER_KEY})
        return weighed(case.asking(cohort=(*case.manifest.cohort[:3], second), quorum=quorum))

    return change


DIGEST = "sha256:" + "d" * 64
REVIEWED = Policy(custom_code="approved")
DP = PrivacyCost(epsilon=2.0, delta=1e-6)
CODE = both(
    job(code_digest=DIGEST, model={"family": "plan"}),
    work(families=("logistic", "plan")),
    terms(code=CustomCode(digests=(DIGEST,))),
    position(code_reviewers=1),
)
"""Custom code as the agreement allows it."""
REFUSED: list[tuple[str, str, Change]] = [
    ("agreement.missing", "members", lambda case: replace(case, status=None)),
    ("agreement.missing", "members", job(agreement_digest=None)),
    ("agreement.mismatch", "members", job(agreement_digest=DIGEST)),
    ("agreement.protocol", "members", lambda case: agreed_in("1.0", case)),
    ("agreement.protocol", "members", both(lambda case: agreed_in("1.0", case), job(protocol="1.0", weighting=None))),
    ("agreement.other_consortium", "members", job(consortium_id=UUID(int=7))),
    ("agreement.not_a_member", "members", lambda case: terms(members=case_members(case)[1:])(case)),
    ("agreement.unsigned", "members", status(signed_by=frozenset(key.public.key_id for key in KEYS[1:]))),
    ("agreement.not_signed_here", "members", status(newest_digest=None)),
    ("agreement.suspended", "amendment", status(suspended=True)),
    ("agreement.superseded", "amendment", status(newest_digest=DIGEST)),
    ("agreement.superseded", "amendment", status(newest_digest=DIGEST, begun=True)),
    ("agreement.not_yet_valid", "validity", at(timedelta(days=-31))),
    ("agreement.expired", "validity", at(timedelta(days=335))),
    ("agreement.dataset", "datasets", place(dataset="something-else")),
    ("agreement.purpose", "purposes", job(use=Purpose(category="disease", diseases=("ICD-10:C34",)))),
    ("agreement.purpose", "purposes", job(use=None)),
    ("agreement.purpose", "datasets", covered(use=UseConditions(permission="NRES", modifiers=("IRB",)))),
    ("agreement.task", "training_limits", work(tasks=("evaluate",))),
    ("agreement.task", "training_limits", order(kind=OrderKind.STATISTICS)),
    ("agreement.family", "training_limits", work(families=("mlp",))),
    ("agreement.parameters", "training_limits", work(parameters_max=13)),
    ("agreement.rounds", "training_limits", job(rounds=51)),
    ("order.round_beyond", "training_limits", order(round=11)),
    ("order.round_beyond", "training_limits", order(round=12, kind=OrderKind.EVALUATE)),
    ("order.round_beyond", "training_limits", order(round=12, kind="sign_off")),
    ("agreement.update_norm", "training_limits", job(limits=Limits(update_norm_l2_max=10001))),
    ("agreement.trainer_network", "training_limits", both(work(trainer_network="forbidden"), place(network="allowed"))),
    ("agreement.code", "code", both(CODE, job(code_digest="sha256:" + "e" * 64))),
    ("agreement.code", "code", both(CODE, job(model={"family": "logistic"}))),
    ("agreement.code", "code", both(CODE, job(code_digest=None))),
    ("agreement.code_review", "code", both(CODE, position(code_reviewers=0))),
    (
        "agreement.code_review",
        "code",
        both(CODE, terms(code=CustomCode(digests=(DIGEST,), reviewers=2))),
    ),
    ("agreement.protection", "protection", job(protection=Encrypted(degree=8192, primes=(60, 60), scale=40))),
    ("agreement.privacy_required", "privacy", terms(privacy=Privacy(required=True, epsilon_max=1, delta_max=1e-5))),
    ("agreement.privacy_required", "privacy", covered(epsilon_max=3.0)),
    ("agreement.epsilon", "privacy", both(job(privacy_cost=DP), terms(privacy=Privacy(epsilon_max=1.9)))),
    ("agreement.delta", "privacy", both(job(privacy_cost=DP), terms(privacy=Privacy(delta_max=1e-7)))),
    ("agreement.dataset_epsilon", "datasets", both(job(privacy_cost=DP), covered(epsilon_max=1.5))),
    (
        "agreement.dataset_epsilon",
        "datasets",
        both(job(privacy_cost=DP), covered(epsilon_max=3.0), position(epsilon_spent=1.1)),
    ),
    (
        "agreement.dataset_delta",
        "datasets",
        both(job(privacy_cost=DP), covered(delta_max=2e-6), position(delta_spent=1.5e-6)),
    ),
    ("agreement.cohort", "members", lambda case: terms(members=case_members(case)[:3])(case)),
    ("cohort.twice", "cohort", again(silo_id=UUID(int=1))),
    ("cohort.twice", "cohort", lambda case: again(identity_key=case.manifest.cohort[0].identity_key)(case)),
    ("cohort.twice", "cohort", again(organisation="Another name")),
    ("cohort.twice", "cohort", lambda case: again(signatory_key=case.manifest.cohort[3].signatory_key)(case)),
    ("agreement.minimum_participants", "cohort", terms(cohort=Cohort(minimum_participants=5))),
    ("agreement.minimum_participants", "cohort", job(quorum=2)),
    ("agreement.minimum_participants", "cohort", others_of),
    ("agreement.minimum_participants", "cohort", two_of_one_organisation(quorum=3)),  # which may be two organisations
    ("agreement.minimum_rows", "cohort", position(rows_coarse=90)),
    ("agreement.organisation_share", "cohort", job(weighting=None)),
    ("agreement.organisation_share", "cohort", both(unweighed, job(weighting=None, protocol="1.0"))),  # of a 1.1
    ("agreement.organisation_share", "cohort", job(weighting=Weighting())),
    ("agreement.organisation_share", "cohort", job(weighting=Weighting(organisation_share_max=0.51))),
    ("agreement.organisation_share", "cohort", member(rows_coarse=None)),
    ("agreement.organisation_share", "cohort", member(weight_max=None)),
    ("agreement.organisation_share", "cohort", member(weight_max=305)),  # above the edge of what it registered
    ("agreement.organisation_share", "cohort", both(member(rows_coarse=2**53), member(weight_max=721))),
    ("agreement.organisation_share", "cohort", terms(cohort=cohort(organisation_share_max=0.4))),
    ("agreement.minimum_cell", "disclosure", terms(disclosure=DisclosureTerms(minimum_cell=6))),
]


def case_members(case: Case) -> tuple[Any, ...]:
    """The members of the agreement."""
    assert case.status is not None
    return case.status.agreement.terms.members


@pytest.mark.parametrize(("code", "clause", "change"), REFUSED)
def test_what_is_outside_the_agreement_is_refused_and_the_clause_named(code: str, clause: str, change: Change) -> None:
    case = allowed_case()
    assert case.decide() is None
    refusal = change(case).decide()
    assert refusal is not None
    assert (refusal.code, refusal.clause) == (code, clause)
    assert refusal.meaning
    assert refusal.remedy
    assert refusal.outward_code == code


@pytest.mark.parametrize(
    "change",
    [
        both(status(newest_digest=DIGEST, begun=True), lambda case: case),
        job(use=Purpose(category="disease", diseases=("ICD-10:I25", "ICD-10:I20.0"))),
        order(round=11, kind=OrderKind.EVALUATE),
        order(round=11, kind="sign_off"),
        order(round=10),
        two_of_one_organisation(quorum=4),
        job(privacy_cost=DP),
        both(job(privacy_cost=DP), covered(epsilon_max=3.0), position(epsilon_spent=1.0)),
        both(CODE, place(policy=Policy(custom_code="approved"))),
        both(
            CODE,
            place(policy=Policy(custom_code="approved")),
            terms(code=CustomCode(digests=(DIGEST,), reviewers=2)),
            position(code_reviewers=2),
        ),
        at(timedelta(days=335, seconds=-1)),
        place(network="allowed"),
        both(work(trainer_network="forbidden"), place(network="none")),
        both(work(trainer_network="forbidden"), place(network=None)),  # nothing is known: the trainer knows
        position(rows_coarse=100),
        terms(cohort=cohort(organisation_share_max=0.5)),
        job(weighting=Weighting(organisation_share_max=0.3, train_fraction=0.8)),  # the edge comes first
        both(member(rows_coarse=2**53), member(weight_max=720)),  # as much as the three others together
    ],
)
def test_what_is_within_it_is_allowed(change: Change) -> None:
    case = allowed_case(amendment=AmendmentTerms(running_jobs="continue"))
    refusal = change(case).decide()
    assert refusal is None, refusal


NOON = QuietHours(begin=time(11), end=time(13))
AFTERNOON = QuietHours(begin=time(14), end=time(15))
NIGHT = QuietHours(begin=time(20), end=time(13))
POLICIES: list[tuple[str, Policy, Change]] = [
    ("policy.epsilon", Policy(epsilon_max=10), job()),
    ("policy.epsilon", Policy(epsilon_max=1), job(privacy_cost=DP)),
    ("policy.family", Policy(families=("mlp",)), job()),
    ("policy.parameters", Policy(parameters_max=13), job()),
    ("policy.code", Policy(), CODE),
    ("policy.minimum_participants", Policy(minimum_participants=5), job()),
    (
        "policy.minimum_participants",
        Policy(minimum_participants=3),
        both(terms(cohort=Cohort(minimum_participants=1)), two_of_one_organisation(quorum=3)),
    ),
    ("policy.minimum_rows", Policy(minimum_rows=301), job()),
    ("policy.organisation_share", Policy(organisation_share_max=0.4), job()),
    ("policy.quiet_hours", Policy(quiet_hours=(NOON,)), job()),
    ("policy.quiet_hours", Policy(quiet_hours=(NIGHT,)), job()),
    (
        "policy.quiet_hours",
        Policy(quiet_hours=(QuietHours(begin=time(14), end=time(15)),), time_zone="Europe/Zurich"),
        job(),
    ),
    ("policy.rounds_per_day", Policy(rounds_per_day_max=3), position(rounds_today=3)),
]


@pytest.mark.parametrize("disclose_rule", [True, False])
@pytest.mark.parametrize(("code", "policy", "change"), POLICIES)
def test_the_silos_own_policy_refuses_and_says_why_only_if_it_wants_to(
    code: str, policy: Policy, change: Change, *, disclose_rule: bool
) -> None:
    case = change(place(policy=policy.model_copy(update={"disclose_rule": disclose_rule}))(allowed_case()))
    refusal = case.decide()
    assert refusal is not None
    assert refusal.code == code
    assert refusal.outward_code == (code if disclose_rule else LOCAL_POLICY)


def test_a_day_of_rounds_is_no_matter_for_an_evaluation_or_a_quote() -> None:
    case = both(place(policy=Policy(rounds_per_day_max=0)), order(kind=OrderKind.EVALUATE))(allowed_case())
    assert case.decide() is None
    assert replace(case, order=None).decide() is None


def test_every_rule_is_shown_to_refuse() -> None:
    seen = {code for code, *_ in REFUSED} | {code for code, *_ in POLICIES} | {LOCAL_POLICY}
    of_connectors = {code for code in RULES if code.startswith("silo.")}  # `test_capable_silos` shows those
    assert seen == set(RULES) - {"agreement.malformed"} - of_connectors
