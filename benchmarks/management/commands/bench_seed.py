"""Fills a platform for benchmarks of its pages: consortia, silos, jobs, and one very long job over many silos."""

from __future__ import annotations

import json
import tomllib
from argparse import ArgumentParser
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.actions import create_user
from accounts.models import Organisation, OrganisationRole, SignatoryKey, User
from accounts.permissions import Role
from agreements.actions import drafting, lifecycle
from agreements.models import AgreementVersion
from agreements.terms import read_terms
from audit.actors import System
from audit.reasons import Reason
from benchmarks.synthetic_jobs import Played, Rows, wave, write_all
from benchmarks.synthetic_statistics import release_statistics
from consortia.models import Consortium, ConsortiumRole, Participation
from consortia.transitions import ParticipationState
from demo.management.commands.demo_seed import is_loopback
from federation import __version__
from federation.learning.models import FAMILIES
from federation.plans.reviews import sign_review
from federation.protocol import PROTOCOL_VERSION
from federation.protocol.datasets import DatasetDeclaration, parse_declaration
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import CodeReview, now
from federation.protocol.keys import PrivateKey
from federation.targets import TARGETS
from plans.actions import upload
from plans.models import SignedReview, TrainingPlan, Via
from registry.models import ModelVersion
from silos.models import Dataset, Silo
from silos.transitions import SiloState
from training.transitions import JobState

SEED = System("benchmark")
_UNMET = Reason("round.quorum_not_met", {"answered": 2, "needed": 3})
TOWNS = ("Aarau", "Basel", "Bern", "Chur", "Genf", "Luzern", "Lugano", "Olten", "Sion", "Thun", "Winterthur", "Zug")
FIELDS = (
    "Heart disease",
    "Stroke",
    "Sepsis",
    "Diabetes",
    "Kidney failure",
    "Card fraud",
    "Loan default",
    "Lung nodules",
)
MEMBERS = 4
PLANS, PLAN_LINES = 8, 300
STATES = (
    *[JobState.COMPLETED] * 16,
    *(JobState.FAILED, JobState.CANCELLED, JobState.PAUSED, JobState.RUNNING),
)


class Command(BaseCommand):
    """Seed, and print the ids that a benchmark asks for as JSON."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How much of everything."""
        parser.add_argument("declaration", type=Path, help="a dataset's declaration (TOML), for all silos")
        parser.add_argument("--consortia", type=int, default=30)
        parser.add_argument("--jobs", type=int, default=500)
        parser.add_argument("--rounds", type=int, default=500, help="of the one long job")
        parser.add_argument("--silos", type=int, default=50, help="of the one long job")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Seed an empty platform."""
        if not is_loopback(settings.PUBLIC_URL):
            raise CommandError("This makes up people and jobs: it works on a loopback address only.")
        if Consortium.objects.exists():
            raise CommandError("There are consortia already: this fills an empty database only.")
        declared = tomllib.loads(options["declaration"].read_text())
        declaration = parse_declaration({name: declared[name] for name in declared if name != "source"})
        with transaction.atomic():
            user = create_user(email="reader@bench.example", full_name="Rea Reader", by=SEED)
            consortia = _consortia(options["consortia"], options["silos"], user)
            datasets = _datasets(consortia, declaration, user)
            rows = Rows()
            now = timezone.now()
            long = Played(
                consortium=consortia[0],
                name="Heart disease over every clinic, the long run",
                by=user,
                datasets=datasets[consortia[0]],
                rounds=options["rounds"],
                state=JobState.RUNNING,
                begun=now - timedelta(seconds=20.0 * (options["rounds"] + 1)),
            )
            others = (
                _short(consortia[place % len(consortia)], datasets, place, user) for place in range(options["jobs"] - 1)
            )
            made = write_all(chain([long], others), rows)
            counted = release_statistics(
                consortium=consortia[0], datasets=datasets[consortia[0]], declaration=declaration, by=user
            )
            plans = _plans(consortia[0], user)
            agreement = _agreement(consortia[0], datasets[consortia[0]], plans, user)
            for silo in Silo.objects.all():
                silo.orders_issued = rows.numbers[silo.id]
                silo.save(update_fields=["orders_issued"])
        ids = {
            "user": str(user.id),
            "agreement": str(agreement.id),
            "plan": str(plans[-1].id),
            "consortium": str(consortia[0].id),
            "organisation": str(datasets[consortia[0]][0].silo.organisation_id),
            "neighbour": str(datasets[consortia[0]][1].silo.organisation_id),
            "silo": str(datasets[consortia[0]][0].silo_id),
            "dataset": str(datasets[consortia[0]][0].id),
            "job": str(made[0].id),
            "jobs": [str(job.id) for job in made[:6]],
            "statistics": str(counted.id),
            "rounds": options["rounds"],
            "model": str(made[0].model_id),
            "version": str(ModelVersion.objects.get(model=made[0].model_id, is_best=True).id),
        }
        self.stdout.write(json.dumps(ids))


PLAN = """PLAN = {{
    "interface": 1,
    "title": "Logistic regression, try {place}",
    "parameters": [
        {{"name": "weight", "shape": [1, "n_features"]}},
        {{"name": "bias", "shape": [1], "start": "zeros"}},
    ],
}}


def predict(parameters, features):
    return features @ parameters["weight"].T + parameters["bias"]
{lines}"""


def _plans(consortium: Consortium, user: User) -> list[TrainingPlan]:
    """Plans of some hundred lines, which every member has reviewed on premises; the last two are compared."""
    made = []
    organisations = list(Organisation.objects.filter(participations__consortium=consortium))
    keys = {organisation: PrivateKey.generate() for organisation in organisations}
    SignatoryKey.objects.bulk_create(
        SignatoryKey(organisation=own_organisation, public_key=key.public.raw, key_id=key.public.key_id)
        for own_organisation, key in keys.items()
    )
    for place in range(PLANS):
        lines = "\n".join(f"SCALE_{line} = {line * (place + 1)}  # of column {line}" for line in range(PLAN_LINES))
        source = PLAN.format(place=place, lines=lines).encode()
        plan = upload(consortium=consortium, source=source, by=user).plan
        made.append(plan)
        for member_organisation, key in keys.items():
            review = CodeReview(
                code_digest=plan.digest,
                signatory_key=key.public.encoded,
                reviewer="Rea Reviewer",
                verdict="approved",
                reviewed_at=now(),
            )
            SignedReview.objects.create(
                organisation=member_organisation,
                code_digest=plan.digest,
                key_id=key.public.key_id,
                reviewer=review.reviewer,
                verdict=review.verdict,
                reviewed_at=review.reviewed_at,
                envelope=(sealed := sign_review(review, key)),
                payload_digest=digest_bytes(sealed),
                received_via=Via.CONNECTOR,
            )
    return made


def _agreement(
    consortium: Consortium, datasets: list[Dataset], plans: list[TrainingPlan], user: User
) -> AgreementVersion:
    """A proposal over every member of the long job, with as many data sets; it names the plans."""
    signatories = SignatoryKey.objects.filter(organisation__participations__consortium=consortium)
    keys = {row.organisation.name: row.key.encoded for row in signatories.select_related("organisation")}
    now = timezone.now()
    terms = {
        "members": [{"organisation": name, "signatory_key": key} for name, key in keys.items()],
        "purposes": {"permission": "HMB", "modifiers": ["NCU", "IRB"]},
        "datasets": [
            {"signatory_key": keys[dataset.silo.organisation.name], "dataset": dataset.name} for dataset in datasets
        ],
        "training_limits": {
            "tasks": ["train", "evaluate"],
            "families": ["logistic", "plan"],
            "parameters_max": 10_000,
            "rounds_max": 1000,
            "update_norm_l2_max": 1e4,
        },
        "code": {"digests": [plan.digest for plan in plans], "reviewers": 2},
        "protection": ["clear"],
        "clear_reason": "Invented records.",
        "cohort": {"minimum_participants": 3},
        "disclosure": {"metrics": ["loss", "accuracy"], "minimum_cell": 5},
        "validity": {"not_before": now.isoformat(), "not_after": (now + timedelta(days=365)).isoformat()},
    }
    version = drafting.draft(consortium=consortium, terms=read_terms(terms), by=user)
    return lifecycle.propose(version=version, by=user)


def _consortia(count: int, silos: int, user: User) -> list[Consortium]:
    """Consortia of overlapping organisations, the first of all of them; the reader has a role in each."""
    organisations = Organisation.objects.bulk_create(
        Organisation(
            name=f"Kantonsspital {TOWNS[place % len(TOWNS)]} {place // len(TOWNS) + 1}",
            slug=f"organisation-{place}",
            country="CH",
            kind="hospital",
        )
        for place in range(silos)
    )
    consortia = Consortium.objects.bulk_create(
        Consortium(
            name=f"{FIELDS[place % len(FIELDS)]} {place + 1}",
            slug=f"consortium-{place}",
            description="Houses that learn together, without a record leaving any of them.",
            founded_by=user,
        )
        for place in range(count)
    )
    for place, consortium in enumerate(consortia):
        members = (
            organisations if place == 0 else [organisations[(MEMBERS * place + one) % silos] for one in range(MEMBERS)]
        )
        Participation.objects.bulk_create(
            Participation(
                consortium=consortium,
                organisation=member_organisation,
                state=ParticipationState.ACTIVE,
                joined_at=timezone.now() - timedelta(days=300),
            )
            for member_organisation in dict.fromkeys(members)
        )
    roles = (Role.DATA_SCIENTIST, Role.CONSORTIUM_ADMINISTRATOR)
    ConsortiumRole.objects.bulk_create(
        ConsortiumRole(user=user, consortium=consortium, role=role) for consortium in consortia for role in roles
    )
    OrganisationRole.objects.create(user=user, organisation=organisations[0], role=Role.ORGANISATION_ADMINISTRATOR)
    return consortia


def _datasets(
    consortia: list[Consortium], declaration: DatasetDeclaration, user: User
) -> dict[Consortium, list[Dataset]]:
    """One silo with one dataset at each organisation; by consortium."""
    now = timezone.now()
    organisations = list(Organisation.objects.filter(participations__consortium=consortia[0]).order_by("slug"))
    silos = Silo.objects.bulk_create(
        Silo(
            organisation=member_organisation,
            name=f"{member_organisation.slug}-connector",
            state=SiloState.ACTIVE,
            identity_key=PrivateKey.generate().public.raw,
            transport_key=PrivateKey.generate().public.raw,
            confirmed_at=now,
            confirmed_by=user,
            last_seen_at=now - timedelta(seconds=30 * wave(member_organisation.slug)),
            connector_version=__version__,
            capabilities={
                "protocols": [PROTOCOL_VERSION],
                "kinds": ["train", "evaluate"],
                "protection": ["clear"],
                "families": sorted(FAMILIES),
                "targets": sorted(TARGETS),
                "payloads": ["update.f32"],
            },
            palette=place,
        )
        for place, member_organisation in enumerate(organisations)
    )
    datasets = Dataset.objects.bulk_create(
        Dataset(
            silo=silo,
            name=declaration.name,
            title=f"{declaration.name}, {silo.organisation.name}",
            description=declaration.description,
            declaration=declaration.model_dump(mode="json"),
            registration=b"{}",
            schema_digest=declaration.schema_digest,
            n_features=len(declaration.features()),
            n_classes=declaration.n_classes,
            rows_coarse=100 * (1 + place % 9),
            registered_at=now - timedelta(days=200),
        )
        for place, silo in enumerate(silos)
    )
    by_organisation = {dataset.silo.organisation_id: dataset for dataset in datasets}
    members = Participation.objects.values_list("consortium_id", "organisation_id").order_by("organisation__slug")
    found: dict[Any, list[Dataset]] = {}
    for consortium_id, organisation_id in members:
        found.setdefault(consortium_id, []).append(by_organisation[organisation_id])
    return {consortium: found[consortium.id] for consortium in consortia}


def _short(consortium: Consortium, datasets: dict[Consortium, list[Dataset]], place: int, user: User) -> Played:
    """An everyday job of a few rounds over a few silos."""
    state = STATES[place % len(STATES)]
    return Played(
        consortium=consortium,
        name=f"{consortium.name.rstrip(' 0123456789')}, try {place + 1}",
        by=user,
        datasets=datasets[consortium][:MEMBERS],
        rounds=6,
        state=state,
        begun=timezone.now() - timedelta(hours=place + 1),
        reason=_UNMET if state in {JobState.FAILED, JobState.PAUSED} else None,
    )
