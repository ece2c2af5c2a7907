"""How terms come about: drafted, changed by any member, commented on; and what is suspended and ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agreements import selectors
from agreements.actions import drafting, lifecycle, suspension
from agreements.models import AgreementVersion, Comment, Revision, Suspension
from agreements.transitions import TRANSITIONS
from agreements.transitions import AgreementState as S
from audit.models import Event
from federation.errors import FederationError
from tests.support.agreements import agreed, being_signed, drafted, parsed, proposed, steward_of
from tests.support.federation import TEST, Federation, make_federation

pytestmark = pytest.mark.django_db


@pytest.fixture
def federation(db: None) -> Federation:
    """Three organisations with a silo each."""
    return make_federation(agreed=False)


def refused(code: str, work: Callable[[], object]) -> FederationError:
    """The error with this code that the work raises."""
    with pytest.raises(FederationError) as caught:
        work()
    assert caught.value.code == code
    return caught.value


def test_a_counter_proposal_is_kept_with_whose_it_is(federation: Federation) -> None:
    version = proposed(federation)
    member_organisation = federation.silos[1].silo.organisation
    steward = steward_of(member_organisation)
    seen = version.terms_digest
    drafting.revise(
        version=version, terms=parsed(federation, protection=["masked"]), note="Masks", seen_digest=seen, by=steward
    )
    version.refresh_from_db()
    assert version.terms["protection"] == ["masked"]
    assert version.state == S.PROPOSED
    wordings = list(Revision.objects.filter(version=version))
    assert [(row.number, row.by, row.organisation) for row in wordings] == [
        (1, federation.administrator, None),
        (2, steward, member_organisation),
    ]
    assert wordings[0].terms_digest == seen
    refused(
        "agreement.changed_meanwhile",
        lambda: drafting.revise(version=version, terms=parsed(federation), seen_digest=seen, by=steward),
    )
    refused(
        "agreement.unchanged",
        lambda: drafting.revise(version=version, terms=parsed(federation, protection=["masked"]), by=steward),
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"privacy": {"required": True, "epsilon_max": 0.0, "delta_max": 1e-6}}, "terms.privacy.epsilon_max"),
        ({"cohort": {"minimum_participants": 9}}, "terms.cohort.minimum_participants"),
        ({"purposes": {"permission": "DS"}}, "terms.purposes.diseases"),
        (
            {"validity": {"not_before": "2027-01-01T00:00:00Z", "not_after": "2026-06-01T00:00:00Z"}},
            "terms.validity.not_after",
        ),
    ],
)
def test_contradictory_terms_are_reported_at_once_by_field(
    federation: Federation, changes: dict[str, Any], field: str
) -> None:
    reported = refused("agreement.contradiction", lambda: drafted(federation, **changes))
    assert field in reported.fields
    assert not AgreementVersion.objects.exists()
    version = drafted(federation)
    refused(
        "agreement.contradiction",
        lambda: drafting.revise(version=version, terms=parsed(federation, **changes), by=federation.administrator),
    )
    assert Revision.objects.count() == 1


def test_comments_are_about_clauses_that_there_are(federation: Federation) -> None:
    version = proposed(federation)
    steward = steward_of(federation.silos[1].silo.organisation)
    drafting.comment(version=version, clause="privacy", text=" More. ", by=steward)
    refused("agreement.no_such_clause", lambda: drafting.comment(version=version, clause="x", text="More", by=steward))
    refused(
        "agreement.comment_empty",
        lambda: drafting.comment(version=version, clause="training_limits", text=" ", by=steward),
    )
    made = Comment.objects.get()
    assert (made.text, made.revision, made.organisation) == ("More.", 1, federation.silos[1].silo.organisation)
    lifecycle.withdraw(version=version, by=federation.administrator)
    refused(
        "agreement.closed", lambda: drafting.comment(version=version, clause="training_limits", text="More", by=steward)
    )


def in_state(federation: Federation, state: S) -> AgreementVersion:
    """A version that has come to this state by the actions that lead there."""
    by = federation.administrator
    if state == S.DRAFT:
        return drafted(federation)
    if state == S.PROPOSED:
        return proposed(federation)
    if state == S.SIGNING:
        return being_signed(federation)
    if state == S.WITHDRAWN:
        return lifecycle.withdraw(version=drafted(federation), by=by)
    version = agreed(federation)
    if state == S.TERMINATED:
        return suspension.terminate(version=version, reason="over", by=by)
    if state == S.SUPERSEDED:
        agreed(federation, protection=["masked"])
    elif state != S.IN_FORCE:
        ended = {"ended_at": version.in_force_at} if state == S.EXPIRED else {}
        AgreementVersion.objects.filter(pk=version.pk).update(state=state, **ended)
    version.refresh_from_db()
    return version


ACTS: dict[S, tuple[S, Callable[[AgreementVersion, Any], object]]] = {
    S.PROPOSED: (S.PROPOSED, lambda version, by: lifecycle.propose(version=version, by=by)),
    S.DRAFT: (S.DRAFT, lambda version, by: lifecycle.return_to_draft(version=version, by=by)),
    S.SIGNING: (S.SIGNING, lambda version, by: lifecycle.open_signing(version=version, by=by)),
    S.WITHDRAWN: (S.WITHDRAWN, lambda version, by: lifecycle.withdraw(version=version, by=by)),
    S.TERMINATED: (S.TERMINATED, lambda version, by: suspension.terminate(version=version, reason="over", by=by)),
}


@pytest.mark.parametrize("then", ACTS)
@pytest.mark.parametrize("now", S)
def test_each_act_is_done_from_the_states_that_the_table_names_and_no_other(
    federation: Federation, now: S, then: S
) -> None:
    version = in_state(federation, now)
    act = ACTS[then][1]
    events = Event.objects.count()
    reopening = (now, then) == (S.SIGNING, S.PROPOSED)  # by `reopen` alone, which throws signatures away
    if then in TRANSITIONS[now] and not reopening:
        act(version, federation.administrator)
        version.refresh_from_db()
        assert version.state == then
        assert Event.objects.count() == events + 1
    elif not reopening:
        refused("agreement.transition", lambda: act(version, federation.administrator))
        version.refresh_from_db()
        assert version.state == now


def test_a_member_suspends_for_itself_and_lifts(federation: Federation) -> None:
    version = agreed(federation)
    member_organisation, other = (played.silo.organisation for played in federation.silos[:2])
    steward = steward_of(member_organisation)
    consortium = federation.consortium
    refused(
        "agreement.reason_missing",
        lambda: suspension.suspend(consortium=consortium, organisation=member_organisation, reason=" ", by=steward),
    )
    suspension.suspend(
        consortium=consortium, organisation=member_organisation, reason="A question of consent", by=steward
    )
    assert selectors.is_suspended_for(version, member_organisation)
    assert not selectors.is_suspended_for(version, other)
    assert selectors.in_force(consortium) == version
    refused(
        "agreement.suspended_already",
        lambda: suspension.suspend(consortium=consortium, organisation=member_organisation, reason="again", by=steward),
    )
    amended = agreed(federation, protection=["masked"])
    assert selectors.is_suspended_for(amended, member_organisation), "a newer version does not lift it"
    suspension.lift(consortium=consortium, organisation=member_organisation, by=steward)
    assert not selectors.is_suspended_for(amended, member_organisation)
    refused(
        "agreement.not_suspended",
        lambda: suspension.lift(consortium=consortium, organisation=member_organisation, by=steward),
    )
    verbs = Event.objects.filter(organisation_id=member_organisation.id, subject_kind="suspension").order_by("id")
    assert [event.verb for event in verbs] == ["agreement.suspended_by_member", "agreement.suspension_lifted"]


def test_there_is_nothing_to_suspend_where_there_is_no_agreement(federation: Federation) -> None:
    member_organisation = federation.silos[0].silo.organisation
    refused(
        "agreement.none",
        lambda: suspension.suspend(
            consortium=federation.consortium,
            organisation=member_organisation,
            reason="x",
            by=steward_of(member_organisation),
        ),
    )


ROLLED_BACK: dict[str, Callable[[Federation, AgreementVersion], object]] = {
    "propose": lambda f, v: lifecycle.propose(version=v, by=TEST),
    "withdraw": lambda f, v: lifecycle.withdraw(version=v, by=TEST),
    "revise": lambda f, v: drafting.revise(version=v, terms=parsed(f, protection=["masked"]), by=f.administrator),
    "comment": lambda f, v: drafting.comment(version=v, clause="training_limits", text="More", by=f.administrator),
    "suspend": lambda f, v: suspension.suspend(
        consortium=f.consortium, organisation=f.silos[0].silo.organisation, reason="x", by=f.administrator
    ),
}


@pytest.mark.parametrize("name", ROLLED_BACK)
def test_nothing_is_done_that_can_not_be_written_down(
    federation: Federation, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    version = drafted(federation)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the record is broken")

    with monkeypatch.context() as patch:
        patch.setattr("audit.actions.database.fetch", broken)
        with pytest.raises(RuntimeError):
            ROLLED_BACK[name](federation, version)
    before = version.terms
    version.refresh_from_db()
    assert (version.state, version.terms) == (S.DRAFT, before)
    assert (Revision.objects.count(), Comment.objects.count(), Suspension.objects.count()) == (1, 0, 0)
