"""The played federation with all its kinds of people, a job that has run, and somebody of another consortium."""

from __future__ import annotations

from dataclasses import dataclass

from django.test import Client

from accounts.actions import create_user, grant_role
from accounts.models import Organisation, User
from accounts.permissions import Role
from consortia.actions import found_consortium
from federation.protocol.keys import PrivateKey
from registry.models import Model, ModelVersion
from silos import actions as silo_actions
from silos.models import Dataset, Silo
from tests.support.db_snapshot import remembered
from tests.support.federation import TEST, Federation, certificate, make_federation, statement
from tests.support.world import make_organisation, person
from training.engine import answers, closing, start
from training.launch.actions import launch
from training.models import Job, Order
from training.transitions import OUTSTANDING


@dataclass(frozen=True)
class Cohort:
    """Everybody by what they are. The first organisation is that of administrator, scientist, steward and IT."""

    federation: Federation
    platform_admin: User
    administrator: User
    scientist: User
    steward: User
    it: User
    neighbour: User
    outsider: User
    nobody: User
    elsewhere: Organisation

    @property
    def silo(self) -> Silo:
        """The first organisation's."""
        return self.federation.silos[0].silo

    @property
    def dataset(self) -> Dataset:
        """The first organisation's."""
        dataset = self.federation.silos[0].dataset
        assert dataset is not None
        return dataset


@remembered
def make_cohort(*, agreed: bool = True) -> Cohort:
    """Three silos, and an agreement in force if `agreed`.

    The neighbour is the second organisation's auditor, the outsider has a consortium of their own.
    """
    federation = make_federation(agreed=agreed)
    home, second = (played.silo.organisation for played in federation.silos[:2])
    steward, it, neighbour, outsider = person("steward"), person("it"), person("neighbour"), person("outsider")
    elsewhere = make_organisation("elsewhere")
    for user, organisation, role in (
        (steward, home, Role.STEWARD),
        (it, home, Role.SILO_IT),
        (neighbour, second, Role.AUDITOR),
        (outsider, elsewhere, Role.ORGANISATION_ADMINISTRATOR),
        (outsider, elsewhere, Role.DATA_SCIENTIST),
    ):
        grant_role(user=user, organisation=organisation, role=role, by=TEST)
    found_consortium(name="Others", slug="others", organisation=elsewhere, by=outsider)
    return Cohort(
        federation=federation,
        platform_admin=create_user(
            email="platform-admin@example.org", full_name="Platform Admin", is_platform_administrator=True, by=TEST
        ),
        administrator=federation.administrator,
        scientist=federation.scientist,
        steward=steward,
        it=it,
        neighbour=neighbour,
        outsider=outsider,
        nobody=person("nobody"),
        elsewhere=elsewhere,
    )


def present(cohort: Cohort) -> Silo:
    """A second silo of the first organisation presents itself."""
    home, signatory, identity = cohort.silo.organisation, cohort.federation.silos[0].signatory, PrivateKey.generate()
    silo = silo_actions.create(organisation=home, name="annexe", by=TEST)
    code, _ = silo_actions.issue_code(silo=silo, by=cohort.it)
    return silo_actions.enrol(
        code=code,
        transport_key=PrivateKey.generate().public,
        statement=statement(identity, signatory),
        certificate=certificate(home.name, identity, signatory),
        by=TEST,
    )


def run_job(cohort: Cohort, *, rounds_answered: int | None = None, **changes: object) -> Job:
    """Launch a job and start it; let every silo answer so many rounds, or all to the end."""
    federation = cohort.federation
    job = launch(consortium=federation.consortium, request=federation.request(**changes), by=cohort.scientist)
    start.start(job_id=job.id, by=TEST)
    done = 0
    while (rounds_answered is None or done < rounds_answered) and answer_round(cohort, job):
        done += 1
    job.refresh_from_db()
    return job


def answer_round(cohort: Cohort, job: Job) -> bool:
    """Every silo answers, and the round is closed. False where nothing was asked of them."""
    orders = list(Order.objects.filter(step__round__job=job, state__in=OUTSTANDING))
    for order in orders:
        played = cohort.federation.played(order.silo_id)
        answers.answer(document=played.train(order, 0.5), by=played.silo)
    if orders:
        closing.close_step(step_id=orders[0].round_step.id, by=TEST)
    return bool(orders)


def browser(user: User) -> Client:
    """A browser in which this person has signed in."""
    client = Client()
    client.force_login(user)
    return client


def model_of(job: Job) -> Model:
    """What it learned."""
    assert job.model is not None
    return job.model


def last_version(job: Job) -> ModelVersion:
    """The newest."""
    return model_of(job).versions.latest("round_number")
