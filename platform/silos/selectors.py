"""Who sees which silos and datasets, and what there is to see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import OrganisationRole, User
from consortia.models import Consortium, Participation
from consortia.selectors import consortia_visible_to
from consortia.transitions import ParticipationState
from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.keys import PublicKey, load_public
from silos.capabilities import needs_upgrade
from silos.models import Dataset, Silo
from silos.refused import is_refused_now

if TYPE_CHECKING:  # orders belong to an app above this one; they are read by way of the silo
    from training.models import Order


def silos_visible_to(user: User) -> QuerySet[Silo]:
    """Those of one's own organisations, and of the organisations active in the consortia that one sees.

    Each row has `is_own`: whether it is of an organisation that the person belongs to.
    """
    own = OrganisationRole.objects.filter(user=user, organisation=OuterRef("organisation"))
    silos = Silo.objects.select_related("organisation", "signatory_key", "confirmed_by", "refused_request").annotate(
        is_own=Exists(own)
    )
    if user.is_platform_administrator:
        return silos
    fellows = Participation.objects.filter(
        consortium__in=consortia_visible_to(user), state=ParticipationState.ACTIVE
    ).values("organisation")
    return silos.filter(Q(is_own=True) | Q(organisation__in=fellows))


def datasets_visible_to(user: User) -> QuerySet[Dataset]:
    """The datasets at the silos that one sees; the withdrawn ones too."""
    visible = silos_visible_to(user).order_by().values("id")
    return Dataset.objects.select_related("silo__organisation").filter(silo__in=visible)


def silos_of(consortium: Consortium) -> QuerySet[Silo]:
    """The silos of the organisations that take part now."""
    members = Participation.objects.filter(consortium=consortium, state=ParticipationState.ACTIVE)
    return Silo.objects.filter(organisation__in=members.values("organisation"))


HEALTH = {"unseen": _("unseen"), "online": _("online"), "silent": _("silent"), "refused": _("refused")}


def health_of(silo: Silo) -> str:
    """`unseen`, `online`, or `silent` when nothing was heard of it for longer than is usual; `refused` when it asks and
    its signature is not taken, for its clock or because a request comes twice."""
    if is_refused_now(silo):
        return "refused"
    if silo.last_seen_at is None:
        return "unseen"
    silent_s = (timezone.now() - silo.last_seen_at).total_seconds()
    return "silent" if silent_s > settings.SILO_SILENT_AFTER_S else "online"


@dataclass(frozen=True)
class SiloRow:
    """A silo in a list: whether it was heard of lately, and how many datasets it offers."""

    silo: Silo
    health: str
    n_datasets: int

    @property
    def needs_upgrade(self) -> bool:
        """Whether its connector speaks no protocol of this platform."""
        return needs_upgrade(self.silo)

    @property
    def health_label(self) -> str:
        """The same in the reader's language."""
        return str(HEALTH[self.health])


def silo_rows(silos: Sequence[Silo]) -> list[SiloRow]:
    """One for each, their datasets counted in one statement."""
    offered = Dataset.objects.filter(silo__in=[silo.pk for silo in silos], withdrawn_at=None).order_by()
    counts = Counter(offered.values_list("silo_id", flat=True))
    return [SiloRow(silo, health_of(silo), counts[silo.pk]) for silo in silos]


def median_pick_up_s(orders: Sequence[Order]) -> float | None:
    """Seconds from issuing an order to the silo's fetching it, in the middle of these; None where none was fetched."""
    waits = [(order.delivered_at - order.issued_at).total_seconds() for order in orders if order.delivered_at]
    return median(waits) if waits else None


def declaration_of(dataset: Dataset) -> DatasetDeclaration:
    """What the silo has declared of a dataset; it was checked when it was registered."""
    return DatasetDeclaration.model_validate(dataset.declaration)


@dataclass(frozen=True)
class StepRow:
    """A step of a declaration, or its split, in words."""

    name: str
    settings: tuple[tuple[str, str], ...]


def steps_of(declaration: DatasetDeclaration) -> list[StepRow]:
    """What the trainer does with the columns, in its order; at last it splits the rows."""
    listed = [step.model_dump(mode="json", exclude_none=True) for step in (*declaration.steps, declaration.split)]
    rows = []
    for step in listed:
        name = step.pop("step", "split")
        settings = ((key.replace("_", " "), _in_words(value)) for key, value in step.items())
        rows.append(StepRow(str(name), tuple(settings)))
    return rows


def _in_words(value: object) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def platform_keys() -> tuple[PublicKey, ...]:
    """The keys with which the platform signs orders: what a connector must pin."""
    return load_public(settings.PLATFORM_PUBLIC_KEY_FILE)


def recent_orders(silo: Silo, user: User, count: int = 25) -> QuerySet[Order]:
    """The newest orders to a silo, for its own people; for others those of the consortia that they see."""
    orders = silo.orders.filter(step__isnull=False)
    orders = orders.select_related("step__round", "job").defer("envelope", "job__manifest")
    if not OrganisationRole.objects.filter(user=user, organisation=silo.organisation).exists():
        orders = orders.filter(job__consortium__in=consortia_visible_to(user))
    return orders.order_by("-number")[:count]
