"""Whether the agreement lets a plan run: the version in force, and the one that is on its way."""

from __future__ import annotations

from dataclasses import dataclass

from agreements.models import AgreementVersion
from agreements.selectors import in_force
from agreements.transitions import AgreementState
from consortia.models import Consortium
from plans.models import TrainingPlan
from plans.selectors import digests_in, runs_plans


@dataclass(frozen=True)
class Naming:
    """Whether the agreement lets a plan run: the version in force, and the next one where there is one."""

    current: AgreementVersion | None
    coming: AgreementVersion | None
    digest: str

    @property
    def in_force(self) -> bool:
        """Whether the version in force names it."""
        return self.current is not None and self.digest in digests_in(self.current.terms)

    @property
    def with_family(self) -> bool:
        """Whether that version lets plans run at all, as a family of models."""
        return self.current is not None and runs_plans(self.current.terms)

    @property
    def is_coming(self) -> bool:
        """Whether the version that is negotiated or signed names it."""
        return self.coming is not None and self.digest in digests_in(self.coming.terms)

    @property
    def needed(self) -> int:
        """How many people of each organisation have to approve it: by the version that names it, else the strictest."""
        naming = self.current if self.in_force else self.coming if self.is_coming else self.current or self.coming
        return int((naming.terms.get("code") or {}).get("reviewers", 1)) if naming else 1


@dataclass(frozen=True)
class Wording:
    """What binds in a consortium, and what is on its way: asked once for all its plans."""

    current: AgreementVersion | None
    coming: AgreementVersion | None

    def of(self, plan: TrainingPlan) -> Naming:
        """What it says of a plan."""
        return Naming(self.current, self.coming, plan.digest)


def wording_of(consortium: Consortium) -> Wording:
    """Two queries or three."""
    coming = AgreementVersion.objects.filter(
        consortium=consortium, state__in=(AgreementState.PROPOSED, AgreementState.SIGNING)
    ).defer("payload", "envelope")
    return Wording(in_force(consortium), coming.first())
