"""Every operation of the OpenAPI document, asked with good and bad input by people of several roles (Schemathesis).

No answer is a 5xx, every answer is one that the document reports, bad input is refused. Ids that were made up are
mostly exchanged for real ones, so that requests come as far as the actions. Each request is undone afterwards.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from pytest_django import DjangoDbBlocker
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from accounts.actions import grant_role
from accounts.models import OrganisationRole, Scope
from accounts.permissions import Role
from accounts.role_offers import give_role
from accounts.tokens import issue_token
from agreements.actions.suspension import suspend
from agreements.models import AgreementVersion
from audit import chaining, checkpoints
from consortia import invitations
from consortia.actions import grant_consortium_role
from consortia.models import ConsortiumRole
from consortia.role_offers import give_consortium_role
from evidence import passports
from federation.protocol.keys import PrivateKey
from registry.models import Model
from rest.openapi import schema_document
from silos import datasets
from tests.contract.askers import ABLE, LARGE, ROLES
from tests.support.agreements import agreed, being_signed, drafted, proposed, signed_by, terms_for
from tests.support.cohort import browser, last_version, make_cohort, model_of, present, run_job
from tests.support.committed import committed
from tests.support.examples import examples, is_long
from tests.support.federation import DECLARATION, TEST, Federation, make_federation, registration
from tests.support.in_process import ask, one_connection
from tests.support.plans import CHANGED, sealed_review, uploaded
from tests.support.statistics_work import bring_columns, count_through
from tests.support.world import make_organisation
from training.engine import control, issuing
from training.models import Job

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


def read_schema(*, systematic: bool) -> OpenApiSchema:
    """The document, to be asked about at random; `systematic`: with each kind of wrong value in each place instead."""
    config = SchemathesisConfig()
    phases = config.projects.default.phases
    phases.coverage.enabled = systematic and is_long()  # what it asks is worked out while tests are collected
    phases.examples.enabled = phases.fuzzing.enabled = not systematic
    phases.coverage.unexpected_methods = set()  # asked of every endpoint elsewhere
    config.projects.default.generation.allow_extra_parameters = False  # unknown ones are passed over
    return schemathesis.openapi.from_dict(json.loads(schema_document()), config=config)


at_random, systematically = read_schema(systematic=False), read_schema(systematic=True)
quietly = settings(
    max_examples=examples(6),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@dataclass(frozen=True)
class Platform:
    """Real values by the names that parameters and members have, and headers with which each role asks.

    What `by_operation` has goes before `ids`.
    """

    ids: dict[str, tuple[str, ...]]
    by_operation: dict[str, dict[str, tuple[str, ...]]]
    headers: dict[str, dict[str, str]]
    whole: dict[str, dict[str, Any]]
    """Bodies that hold together as nobody makes them up, by operation."""


_platform: list[Platform] = []
_answered: defaultdict[str, set[int]] = defaultdict(set)


@pytest.fixture(scope="module", autouse=True)
def platform(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
    heart_disease: Path,
) -> Iterator[Platform]:
    """A world that is really committed, since some of the application has connections of its own."""
    with committed(django_db_blocker, tmp_path_factory.mktemp("blobs")), one_connection():
        try:
            _platform.append(make_platform(heart_disease))
            yield _platform[0]
        finally:
            _platform.clear()


def make_platform(heart_disease: Path) -> Platform:
    """People, silos, jobs in all states, a model, an invitation."""
    cohort = make_cohort()
    federation, home = cohort.federation, cohort.silo.organisation
    second, fourth = federation.silos[1].silo.organisation, make_organisation("fourth")
    grant_role(user=cohort.neighbour, organisation=second, role=Role.STEWARD, by=TEST)
    grant_role(user=cohort.steward, organisation=fourth, role=Role.STEWARD, by=TEST)
    done, running = run_job(cohort, rounds=1), run_job(cohort, rounds_answered=0)
    passports.issue_missing(issuing.signing_key())
    to_release = run_job(cohort, rounds=1)
    paused = control.pause(job=run_job(cohort, rounds_answered=0), by=TEST)
    invitation = invitations.invite(consortium=federation.consortium, organisation=fourth, by=federation.administrator)
    presented = present(cohort)
    assert presented.identity is not None
    tokens = [
        issue_token(user=cohort.scientist, name="t", scopes=list(Scope), lifetime=timedelta(days=1), by=TEST)
        for _ in range(2)
    ]
    other = registration(federation.silos[0], name="other", title="Other")
    for rows in (300, 3000):
        larger = registration(federation.silos[0], rows, name="large", title="Large")
        grown = datasets.register(registration=larger, by=cohort.silo)
    withdrawn = datasets.withdraw(dataset=datasets.register(registration=other, by=cohort.silo), by=cohort.steward)
    # a consortium each for what is drafted, proposed, being signed, suspended, of protocol 1.0, to be drafted, counted
    names = ("drafted", "proposed", "signing", "suspended", "outdated", "none", "counting")
    circles = {name: make_federation(2, name) for name in names}
    for circle in circles.values():
        for user in (cohort.administrator, cohort.steward):
            grant_consortium_role(user=user, consortium=circle.consortium, role=Role.CONSORTIUM_ADMINISTRATOR, by=TEST)
        grant_role(user=cohort.steward, organisation=circle.silos[0].silo.organisation, role=Role.STEWARD, by=TEST)
    in_force = agreed(federation)
    confirming = drafted(federation, disclosure={"minimum_cell": 5, "release_confirmed_by_each": True})
    Model.objects.filter(id=model_of(to_release).id).update(agreement=confirming)
    draft, proposal = drafted(circles["drafted"]), proposed(circles["proposed"])
    signing, suspended = being_signed(circles["signing"]), agreed(circles["suspended"])
    outdated = agreed(circles["outdated"])
    AgreementVersion.objects.filter(pk=outdated.pk).update(protocol="1.0")
    counted = count_heart_disease(circles["counting"], heart_disease)
    first = circles["suspended"].silos[0].silo.organisation
    suspend(consortium=suspended.consortium, organisation=first, reason="because", by=cohort.steward)
    signed = signed_by(signing, circles["signing"].silos[0].signatory).decode()
    plan = uploaded(federation.consortium, cohort.scientist)
    review = sealed_review(federation.silos[0], plan).decode()
    role = OrganisationRole.objects.get(user=cohort.it)
    offer = (str(give_role(user=cohort.it, organisation=home, role=Role.STEWARD, by=TEST).pk),)
    consortium_offer = (
        str(give_consortium_role(user=cohort.it, consortium=federation.consortium, role=Role.AUDITOR, by=TEST).pk),
    )
    consortium_role = ConsortiumRole.objects.get(user=cohort.scientist)
    organisations = (str(home.id), str(cohort.elsewhere.id))
    consortia = (str(federation.consortium.id),)
    versions = (str(last_version(done).id),)
    ids = {
        "silo_id": (str(cohort.silo.id), str(federation.silos[1].silo.id)),
        "dataset_id": (str(cohort.dataset.id),),
        "job_id": (str(done.id), str(running.id), str(paused.id)),
        "model_id": (str(model_of(done).id),),
        "version_id": versions,
        "consortium_id": consortia,
        "organisation_id": organisations,
        "role_id": (str(role.id), str(consortium_role.id)),
        "user_id": (str(cohort.it.id),),
        "token_id": (str(tokens[0][0].id),),
        "invitation_id": (str(invitation.id),),
        "offer_id": offer,
        "agreement_version_id": (str(in_force.id),),
        "plan_id": (str(plan.id),),
        "signatory_key_id": tuple(str(key.id) for key in home.signatory_keys.all()),
        # members of bodies and queries
        "consortium": consortia,
        "organisation": organisations,
        "silo": (str(cohort.silo.id),),
        "identity_fingerprint": (presented.identity.fingerprint,),
        "signatory_fingerprint": (federation.silos[0].signatory.public.fingerprint,),
        "job": (str(done.id),),
        "model_version": versions,
        "datasets": tuple(str(played.dataset.id) for played in federation.silos if played.dataset),
        "email": (cohort.it.email,),
    }
    of_version = "POST /api/v1/agreements/versions/{agreement_version_id}/"
    by_operation: dict[str, dict[str, tuple[str, ...]]] = {
        # a stream of a job that has ended ends by itself
        "GET /api/v1/jobs/{job_id}/events/": {"job_id": (str(done.id),)},
        "POST /api/v1/datasets/{dataset_id}/offer/": {"dataset_id": (str(withdrawn.id),)},
        "POST /api/v1/datasets/{dataset_id}/rows/": {"dataset_id": (str(grown.id),)},
        "GET /api/v1/jobs/{job_id}/evidence/": {"job_id": (str(done.id),)},
        "GET /api/v1/jobs/{job_id}/statistics/": {"job_id": (str(counted.id),)},
        "POST /api/v1/jobs/{job_id}/resume/": {"job_id": (str(paused.id),)},
        "POST /api/v1/silos/{silo_id}/confirm/": {"silo_id": (str(presented.id),)},
        "POST /api/v1/consortia/{consortium_id}/participants/": {"organisation": (cohort.elsewhere.slug,)},
        "POST /api/v1/consortia/{consortium_id}/participants/{organisation_id}/leave/": {
            "organisation_id": (str(second.id),)
        },
        "POST /api/v1/consortia/{consortium_id}/participants/{organisation_id}/remove/": {
            "organisation_id": (str(federation.silos[2].silo.organisation_id),)
        },
        "DELETE /api/v1/consortia/{consortium_id}/roles/{role_id}/": {"role_id": (str(consortium_role.id),)},
        "DELETE /api/v1/organisations/{organisation_id}/roles/{role_id}/": {
            "role_id": (str(role.id),),
            "organisation_id": (str(home.id),),
        },
        "POST /api/v1/organisations/{organisation_id}/signatory-keys/": {
            "organisation_id": (str(fourth.id),),
            "public_key": (PrivateKey.generate().public.encoded,),
        },
        "DELETE /api/v1/organisations/{organisation_id}/role-offers/{offer_id}/": {"organisation_id": (str(home.id),)},
        "DELETE /api/v1/consortia/{consortium_id}/role-offers/{offer_id}/": {"offer_id": consortium_offer},
        "POST /api/v1/consortium-role-offers/{offer_id}/accept/": {"offer_id": consortium_offer},
        "POST /api/v1/consortium-role-offers/{offer_id}/decline/": {"offer_id": consortium_offer},
        "POST /api/v1/model-versions/{version_id}/release/": {"version_id": (str(last_version(to_release).id),)},
        "POST /api/v1/jobs/{job_id}/pause/": {"job_id": (str(running.id),)},
        "POST /api/v1/users/": {"email": ()},
        "POST /api/v1/plans/": {"text": (CHANGED.decode(),)},
        "POST /api/v1/plans/{plan_id}/reviews/": {"document": (review,)},
        "POST /api/v1/agreements/versions/": {"consortium": (str(circles["none"].consortium.id),)},
        f"{of_version}propose/": {"agreement_version_id": (str(draft.id),)},
        f"{of_version}upgrade/": {"agreement_version_id": (str(outdated.id),)},
        f"{of_version}return-to-draft/": {"agreement_version_id": (str(proposal.id),)},
        f"{of_version}open-signing/": {
            "agreement_version_id": (str(proposal.id),),
            "seen_digest": (proposal.terms_digest,),
        },
        f"{of_version}reopen/": {"agreement_version_id": (str(signing.id),)},
        f"{of_version}withdraw/": {"agreement_version_id": (str(proposal.id),)},
        f"{of_version}revisions/": {
            "agreement_version_id": (str(proposal.id),),
            "seen_digest": (proposal.terms_digest,),
        },
        f"{of_version}comments/": {"agreement_version_id": (str(proposal.id),), "clause": ("training_limits",)},
        f"{of_version}signatures/": {"agreement_version_id": (str(signing.id),), "document": (signed,)},
        f"{of_version}lift/": {"agreement_version_id": (str(suspended.id),), "organisation": (str(first.id),)},
    }
    chaining.chain_new()
    checkpoints.sign_heads(issuing.signing_key())  # without a signed head there is no evidence
    headers = {"stranger": {}, "token": {"Authorization": f"Bearer {tokens[1][1]}"}}
    for who in ROLES:
        if who not in headers:
            headers[who] = session_of(getattr(cohort, who))
    job = federation.request(consortium=str(federation.consortium.id), use={"category": "health"})
    whole: dict[str, dict[str, Any]] = {
        "POST /api/v1/jobs/": job,
        "POST /api/v1/consortia/": {"name": "New", "slug": "new", "description": "", "organisation": str(home.id)},
        "POST /api/v1/datasets/{dataset_id}/rows/": {"rows_coarse": 3000},
        "POST /api/v1/agreements/versions/": {
            "consortium": str(circles["none"].consortium.id),
            "terms": terms_for(circles["none"]),
        },
        f"{of_version}revisions/": {
            "seen_digest": proposal.terms_digest,
            "terms": terms_for(circles["proposed"], protection=["clear", "masked"]),
        },
    }
    return Platform(ids, by_operation, headers, whole)


def count_heart_disease(federation: Federation, files: Path) -> Job:
    """A job that has released statistics of two columns."""
    declared = {name: value for name, value in DECLARATION.items() if name != "source"}
    names = ("processed.cleveland.data", "processed.hungarian.data")
    silos = [
        bring_columns(played, declared, files / name) for played, name in zip(federation.silos, names, strict=True)
    ]
    federation.agree()
    return count_through(federation, silos, "age", "sex")


def session_of(user: Any) -> dict[str, str]:
    """What a browser sends that has signed in, with what it needs to change something."""
    csrf = "a" * 32
    session = browser(user).cookies["sessionid"].value
    return {"Cookie": f"sessionid={session}; csrftoken={csrf}", "X-CSRFToken": csrf}


def known(operation: str, name: str) -> tuple[str, ...]:
    """The real values that a parameter or member of an operation may have."""
    return _platform[0].by_operation.get(operation, {}).get(name, _platform[0].ids.get(name, ()))


def real(operation: str, name: str, made_up: Any) -> Any:
    """A real value for most of the made-up ones; which, depends on the made-up one alone."""
    values, digits = known(operation, name), sum(str(made_up).encode("utf-8", "replace"))
    if not values or not isinstance(made_up, str) or digits % 8 == 0:
        return made_up
    return values[digits % len(values)]


def make_real(case: Case[Any]) -> None:
    """Exchange made-up values for real ones in the path, the query and the top of the body."""
    label = case.operation.label
    for name, value in dict(case.path_parameters or {}).items():
        endless = label.endswith("/events/")
        case.path_parameters[name] = known(label, name)[0] if endless else real(label, name, value)
    for name, value in dict(case.query or {}).items():
        case.query[name] = real(label, name, value)
    made_well = case.meta is not None and case.meta.generation.mode.is_positive
    made_up = sum(repr(case.body).encode("utf-8", "replace")) % 4 == 0
    if made_well and not made_up and label in _platform[0].whole and isinstance(case.body, dict):
        case.body = {**_platform[0].whole[label], **({"name": case.body["name"]} if "name" in case.body else {})}
    elif isinstance(case.body, dict):
        if case.body.get("model") is not None and sum(repr(case.body).encode("utf-8", "replace")) % 8:
            case.body.pop("plan", None)  # a job names one of the two
        for name, value in case.body.items():
            if isinstance(value, list) and known(label, name) and all(isinstance(item, str) for item in value):
                case.body[name] = list(dict.fromkeys(real(label, name, item) for item in value))
            elif name == "document" and isinstance(value, dict):  # what nobody makes up: a signature
                case.body[name] = json.loads(known(label, name)[0])
            else:
                case.body[name] = real(label, name, value)


def ask_and_judge(case: Case[Any], roles: Set[str]) -> None:
    """Ask it in each of these roles, with real values in the place of most that were made up."""
    label = case.operation.label
    for name in ("Cookie", "Authorization"):
        case.headers.pop(name, None)
    case.cookies = {}
    make_real(case)
    for asking in roles:
        kwargs = case.as_transport_kwargs(base_url="http://testserver", headers=_platform[0].headers[asking])
        request = requests.Request(**{name: value for name, value in kwargs.items() if name in REQUEST}).prepare()
        response = ask(request)
        _answered[label].add(response.status_code)
        said_nothing = "" in (case.query or {}).values()  # an empty parameter is one that was not given
        case.validate_response(response, checks=CHECKS[:-1] if said_nothing else CHECKS)
        assert asking != "stranger" or response.status_code >= 400


@at_random.parametrize()
@quietly
def test_no_input_breaks_an_operation_or_its_contract(case: Case[Any]) -> None:
    anybody = ROLES[sum(repr((case.path_parameters, case.query, case.body)).encode("utf-8", "replace")) % len(ROLES)]
    ask_and_judge(case, {ABLE.get(case.operation.label, "administrator"), anybody})


@pytest.mark.long
@systematically.parametrize()
@quietly
def test_no_kind_of_wrong_value_breaks_an_operation_or_its_contract(case: Case[Any]) -> None:
    label = case.operation.label
    if label not in LARGE or sum(repr(case.body).encode("utf-8", "replace")) % 8 == 0:
        ask_and_judge(case, {ABLE.get(label, "administrator")})


REQUEST = ("method", "url", "headers", "params", "data", "json", "cookies", "files")


def test_every_operation_was_carried_out() -> None:
    """The one before is worth something only where some requests succeed."""
    if not _answered:
        pytest.skip("needs the test before it")
    for label, statuses in sorted(_answered.items()):
        print(label, sorted(statuses))
    assert not {label for label, statuses in _answered.items() if not any(status < 300 for status in statuses)}
